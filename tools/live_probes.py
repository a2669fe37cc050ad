"""Run chapters with a live kernel and turn every slider of every probe, as a reader would.

::

    python tools/live_probes.py book/chapters/16_where_does_it_look.ipynb
    python tools/live_probes.py --ipywidgets 7.7.1 book/chapters/16_where_does_it_look.ipynb

Each slider is set to each of its positions, the others at their first and at their last; a probe
that then shows an error, or the same picture everywhere, fails. ``--ipywidgets`` takes that
version, as Colab has another one than JupyterLab, from a folder of its own. ``XRAYLAB_SCALE`` is
``smoke`` unless it is set.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

TURN = """
def turn_all():  # a probe finds its own names in the notebook: leave none of ours there
    import gc
    import time
    import ipywidgets

    print("ipywidgets", ipywidgets.__version__)
    boxes = [thing for thing in gc.get_objects() if type(thing) is ipywidgets.VBox]
    assert boxes, "no live probe came up"
    for box in boxes:
        shown, *sliders = box.children
        slowest = 0
        firsts = [slider.value for slider in sliders]
        for slider in sliders:
            turned = len(slider.options) == 1
            for end in (0, -1):  # where the others stand
                for other in sliders:
                    other.value = other.options[end]
                seen = set()
                for label in slider.options:
                    begun = time.perf_counter()
                    slider.value = label
                    slowest = max(slowest, time.perf_counter() - begun)
                    assert 'role="alert"' not in shown.value, shown.value[-2000:]
                    seen.add(shown.value)
                turned = turned or len(seen) > 1
            assert turned, f"{slider.description} turns nothing: {shown.value[-2000:]}"
        for slider, first in zip(sliders, firsts, strict=True):
            slider.value = first
        title = shown.value.split('aria-label="', 1)[1].split('"', 1)[0]
        print(f"{len(sliders)} sliders, slowest {1000 * slowest:.0f} ms: {title}")


turn_all()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--ipywidgets", metavar="VERSION", help="take this version of ipywidgets")
    asked = parser.parse_args()
    environment = os.environ | {"XRAYLAB_WIDGETS": "live", "KERAS_BACKEND": "tensorflow"}
    environment.setdefault("XRAYLAB_SCALE", "smoke")
    with tempfile.TemporaryDirectory() as folder:
        if asked.ipywidgets:
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            package = f"ipywidgets=={asked.ipywidgets}"
            subprocess.run([*command, "--target", folder, package, "ipython_genutils"], check=True)
            former = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
            environment["PYTHONPATH"] = os.pathsep.join([folder, *former])
        failed = []
        for path in asked.notebooks:
            print(path.name, flush=True)
            try:
                turn(path, environment)
            except CellExecutionError as error:
                print(error, flush=True)
                failed.append(path.name)
    if failed:
        sys.exit(f"{len(failed)} of {len(asked.notebooks)} failed: {', '.join(failed)}")


def turn(path, environment):
    """Run a notebook, and then the cell that turns its probes."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(TURN))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        client.execute(env=environment)
    for output in notebook.cells[-1].outputs:
        print(output.get("text", ""), end="")


if __name__ == "__main__":
    main()
