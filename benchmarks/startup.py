"""Start-up time of the command line and of ``import xraylab``, each in a new process.

Printed are the medians over the rounds, in seconds of the clock and of the processor, beside the
goals for two free cores. The processor time of ``import tensorflow`` is the scale: on a busy
machine only the ratio to it is comparable. The rounds run every case once, in turns::

    python benchmarks/startup.py                       # a minute or two
    python benchmarks/startup.py --rounds 5 --json startup.json
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from xraylab.io import write_json

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "import sys; from xraylab.cli import main; sys.argv[0] = 'xraylab'; main()"
CASES = {  # what is started: its goal in seconds, Python code, arguments
    "import tensorflow": (None, "import tensorflow", ()),
    "import xraylab": (0.1, "import xraylab", ()),
    "xraylab models": (0.4, COMMAND, ("models",)),
    "xraylab doctor": (4, COMMAND, ("doctor",)),
    "xraylab predict": (6, COMMAND, ("predict", "image.png")),
}


def start(code, arguments, folder):
    """Run code in a new process; return its seconds of the clock and of the processor."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-c", code, *arguments]
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    seconds, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    times = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        pixels = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
        Image.fromarray(pixels).save(Path(folder) / "image.png")
        for _ in range(options.rounds):
            for name, (_, code, arguments) in CASES.items():
                times[name].append(start(code, arguments, folder))
    scale = statistics.median(cpu for _, cpu in times["import tensorflow"])
    rows = []
    print(f"{'':20s}{'clock s':>9s}{'CPU s':>8s}{'/ TF':>7s}{'goal s':>8s}")
    for name, pairs in times.items():
        clock, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
        goal = CASES[name][0]
        rows.append({"case": name, "clock": clock, "cpu": cpu, "ratio": cpu / scale, "goal": goal})
        print(f"{name:20s}{clock:9.2f}{cpu:8.2f}{cpu / scale:7.2f}{goal or '—':>8}")
    if options.json:
        facts = {"rounds": options.rounds, "cores": os.cpu_count(), "load_before": load}
        write_json(options.json, {**facts, "rows": rows})


if __name__ == "__main__":
    main()
