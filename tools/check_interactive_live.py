"""Run chapters with a live kernel and move every slider of every interactive figure.

::

    python tools/check_interactive_live.py book/chapters/16_where_does_it_look.ipynb
    python tools/check_interactive_live.py --ipywidgets 7.7.1 book/chapters/05_resnet50.ipynb

Sets each slider to each of its positions, with the others at their first and at their last. A
figure that shows an error, or the same picture at all positions, fails. ``--ipywidgets`` installs
another version, such as Colab's, into a temporary folder. ``XRAYLAB_SCALE`` defaults to ``smoke``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

CHECK = """
def check_figures():  # a function: the names of the notebook must not be overwritten
    import gc
    import time
    import ipywidgets

    print("ipywidgets", ipywidgets.__version__)
    boxes = [thing for thing in gc.get_objects() if type(thing) is ipywidgets.VBox]
    assert boxes, "the notebook has no live figure"
    for box in boxes:
        output, *sliders = box.children
        slowest = 0
        initial = [slider.value for slider in sliders]
        for slider in sliders:
            effective = len(slider.options) == 1
            for end in (0, -1):  # positions of the other sliders
                for other in sliders:
                    other.value = other.options[end]
                pictures = set()
                for label in slider.options:
                    start = time.perf_counter()
                    slider.value = label
                    slowest = max(slowest, time.perf_counter() - start)
                    assert 'role="alert"' not in output.value, output.value[-2000:]
                    pictures.add(output.value)
                effective = effective or len(pictures) > 1
            assert effective, f"{slider.description} has no effect: {output.value[-2000:]}"
        for slider, value in zip(sliders, initial, strict=True):
            slider.value = value
        title = output.value.split('aria-label="', 1)[1].split('"', 1)[0]
        print(f"{len(sliders)} sliders, slowest {1000 * slowest:.0f} ms: {title}")


check_figures()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--ipywidgets", metavar="VERSION", help="use this version of ipywidgets")
    options = parser.parse_args()
    environment = os.environ | {"XRAYLAB_WIDGETS": "live", "KERAS_BACKEND": "tensorflow"}
    environment.setdefault("XRAYLAB_SCALE", "smoke")
    with tempfile.TemporaryDirectory() as folder:
        if options.ipywidgets:
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            package = f"ipywidgets=={options.ipywidgets}"
            subprocess.run([*command, "--target", folder, package, "ipython_genutils"], check=True)
            current = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
            environment["PYTHONPATH"] = os.pathsep.join([folder, *current])
        failed = []
        for path in options.notebooks:
            print(path.name, flush=True)
            try:
                check_notebook(path, environment)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                print(error, flush=True)
                failed.append(path.name)
    if failed:
        sys.exit(f"{len(failed)} of {len(options.notebooks)} failed: {', '.join(failed)}")


def check_notebook(path, environment):
    """Run a notebook, then the cell that moves its sliders."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(CHECK))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        client.execute(env=environment)
    for output in notebook.cells[-1].outputs:
        print(output.get("text", ""), end="")


if __name__ == "__main__":
    main()
