"""Inference time of our networks in several runtimes, and that of torchvision's and timm's.

Ours are run by Keras, compiled by TensorFlow as a graph and by XLA, and as exported files by ONNX
Runtime and LiteRT, with weights of 32 and of 8 bits. Theirs are run by PyTorch, eagerly and
compiled, and as an exported file by ONNX Runtime.

Ours and theirs run in two processes, so that the thread pools of TensorFlow and PyTorch are
separate; each has the given number of threads. They run in turns: in every round each predicts
once while the other waits, so that slow moments of the machine affect both. A warm-up prediction
precedes the timed ones, because the other process has used the caches. Printed are medians over
the rounds in milliseconds per batch, and the median ratio theirs / ours of the fastest exact
function of each: above 1, ours is faster. Weights of 8 bits change the predictions.

Run it where PyTorch is installed (``make parity``); missing packages are skipped::

    .venv-parity/bin/python benchmarks/inference.py --quick    # minutes
    .venv-parity/bin/python benchmarks/inference.py --json book/measured/inference.json

A later run with the same file on the same machine adds its rows, or replaces them: all networks at
all sizes take more than two hours.

Ours take images of one channel and have the head of their registry; theirs take three equal
channels and predict 14 labels. torchvision's ResNet50 strides in the 3x3 convolution, that of
``keras.applications`` (and ours) in the 1x1 before it: theirs takes 6 % more multiply-adds at
224 px.

Run it on an otherwise idle machine: PyTorch's threads wait for each other by spinning, and with two
threads on two busy cores its ResNet50 took 70 times as long as with one. The load of the minute
before is printed, with a warning if it is not small.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import processor

from xraylab.io import write_json

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = {  # name, ours and theirs: (package of theirs if any, sizes in pixels)
    "resnet50": ("torchvision", (64, 224)),
    "densenet121": ("torchvision", (64, 224)),
    "efficientnet_b0": ("torchvision", (64, 224)),
    "medvit_small": (None, (64, 224)),
    "medvit_large": (None, (64, 224)),
    "dbct": (None, (64, 224)),
    "rr_vit": (None, (64, 224)),
    "hybrid_rr_vit": (None, (64, 128, 224)),
    "efficientvit_m0": ("timm", (64, 224)),
    "efficientvit_m0_mxa": (None, (64, 224)),
    "efficientvit_m5": ("timm", (64, 224)),
    "efficientvit_m5_mxa": (None, (64, 224)),
    "lt_vit_tiny": (None, (64, 224)),
}
THEIR_SIZES = {"efficientvit_m0": (224,), "efficientvit_m5": (224,)}
"""Sizes that timm supports, where not all."""
ONE_IMAGE = {("hybrid_rr_vit", 224)}
"""Cases with one image only: an exported file holds whole attention maps, 10 GB each for 32."""
OURS = ("graph", "xla", "onnx", "litert", "onnx_int8", "litert_int8")
THEIRS = ("eager", "compiled", "torch_onnx")
REST = 0.02  # seconds between two turns, in which waiting threads stop spinning
BUSY = 0.5  # load above which other processes use at least half a core


class Worker:
    """A process of ``runtimes.py`` with one network of one framework."""

    def __init__(self, kind, name, size, threads):
        script = Path(__file__).with_name("runtimes.py")
        command = [sys.executable, str(script), kind, name, str(size), str(threads)]
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        settings = {
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        self.skipped = []
        self.messages = tempfile.TemporaryFile("w+")  # noqa: SIM115 (stays open with the process)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.messages,
            text=True,
            env={**os.environ, **settings},
        )
        network = self._read()
        self.versions, self.functions = network["versions"], network["functions"]

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            self.messages.seek(0)
            raise SystemExit(f"{self.messages.read()}{' '.join(self.process.args)} ended")
        return json.loads(line)

    def time(self, function, batch, repeats):
        """Measure the seconds per batch; print why and return None if the function fails."""
        request = {"function": function, "batch": batch, "repeats": repeats}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        reply = self._read()
        if isinstance(reply, str):
            print(reply)
            self.skipped.append(reply)
            return None
        return reply

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.messages.close()


def measure(workers, batch, rounds):
    """Measure the seconds of each round by function; each round runs every function once."""
    turns = [
        (worker, function)
        for worker in workers
        for function in worker.functions
        if worker.time(function, batch, 1)  # compiles, allocates
    ]
    repeats = 4 if batch == 1 else 1
    seconds = {function: [] for _, function in turns}
    for number in range(rounds):
        for worker, function in turns if number % 2 == 0 else turns[::-1]:
            time.sleep(REST)
            seconds[function].append(worker.time(function, batch, repeats))
    return seconds


def summary(seconds):
    """Compute medians; where both ran, also the fastest exact functions and their median ratio."""
    found = {name: statistics.median(times) for name, times in seconds.items()}
    own = [name for name in OURS if name in found and "int8" not in name]
    other = [name for name in THEIRS if name in found]
    if other:
        fastest = [min(names, key=found.get) for names in (other, own)]
        pairs = zip(*(seconds[name] for name in fastest), strict=True)
        found["fastest"] = " / ".join(fastest)
        found["ratio"] = statistics.median(slow / fast for slow, fast in pairs)
    return found


def row(name, size, batch, found):
    """Format one line of the table."""
    times = [f"{1e3 * found[k]:12.1f}" if k in found else f"{'—':>12s}" for k in OURS + THEIRS]
    ratio = f"{found['ratio']:8.2f}  {found['fastest']}" if "ratio" in found else f"{'—':>8s}"
    return f"{name:20s}{size:5d}{batch:7d}" + "".join(times) + ratio


TITLES = (
    f"{'model, ms':20s}{'px':>5s}{'batch':>7s}"
    + "".join(f"{title:>12s}" for title in OURS + THEIRS)
    + f"{'ratio':>8s}  theirs / ours"
)


def parse_arguments(arguments=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sizes", nargs="+", type=int, help="default: all of the network")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2, help="per framework (default 2)")
    parser.add_argument("--quick", action="store_true", help="smallest size, batch 1, three rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    options = parser.parse_args(arguments)
    if options.quick:
        options.batches, options.rounds = [1], 3
    for name in ("rounds", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return options


def cases(options):
    """Select the pairs of network and size."""
    found = []
    for name in options.models:
        sizes = [s for s in NETWORKS[name][1] if options.sizes is None or s in options.sizes]
        found += [(name, size) for size in (sizes[:1] if options.quick else sizes)]
    return found


def former(path, facts, load):
    """Return the rows, the highest load and the versions of the runs that wrote a file."""
    if path is None or not path.exists():
        return [], load, set()
    values = json.loads(path.read_text("utf-8"))
    for name, expected in facts.items():
        if values[name] != expected:
            raise SystemExit(
                f"{path} was measured with other {name}. Expected: {expected}. "
                f"Received: {values[name]}. Pass the same {name}, or another file."
            )
    highest = max((x for x in (values["load_before"], load) if x is not None), default=None)
    return values["rows"], highest, set(values["versions"])


def require_one_version(texts):
    """End the program if texts such as "Keras 3.15.1, onnxruntime 1.32.0" differ in a version."""
    found = {}
    for package, number in (part.rsplit(" ", 1) for text in texts for part in text.split(", ")):
        if found.setdefault(package, number) != number:
            raise SystemExit(
                f"The file holds rows of another version of {package}. Expected: one version. "
                f"Received: {found[package]} and {number}. Write to another file."
            )


def main():
    options = parse_arguments()
    chosen = cases(options)
    if not chosen:
        raise SystemExit("no network is measured at these sizes")
    print(f"{options.threads} threads of {os.cpu_count()} cores, {options.rounds} rounds")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if load is not None:
        busy = ": NOT IDLE, the numbers are unreliable" if load > BUSY else ""
        print(f"load of the last minute {load:.2f}{busy}")
    facts = {name: getattr(options, name) for name in ("threads", "rounds")}
    facts |= {"cores": os.cpu_count(), "processor": processor()}
    rows, highest_load, versions = former(options.json, facts, load)
    printed = set()
    for name, size in chosen:
        kinds, package = ["ours"], NETWORKS[name][0]
        known = package and size in THEIR_SIZES.get(name, (size,))
        if known and all(importlib.util.find_spec(p) for p in ("torch", package)):
            kinds.append("theirs")
        workers = [Worker(kind, name, size, options.threads) for kind in kinds]
        if new := [w.versions for w in workers if w.versions not in printed]:
            print("; ".join(new) + "\n" + TITLES)
            printed.update(new)
            versions.update(new)
            require_one_version(versions)
        for batch in options.batches:
            if batch > 1 and (name, size) in ONE_IMAGE:
                continue
            for worker in workers:
                worker.skipped.clear()
            found = summary(measure(workers, batch, options.rounds))
            skipped = [message for worker in workers for message in worker.skipped]
            case = {"model": name, "size": size, "batch": batch}
            rows = [r for r in rows if not case.items() <= r.items()]
            rows.append({**case, **found, "skipped": skipped})
            print(row(name, size, batch, found), flush=True)
            if options.json:
                of_all = {"load_before": highest_load, "versions": sorted(versions), "rows": rows}
                write_json(options.json, {**facts, **of_all})
        for worker in workers:
            worker.close()


if __name__ == "__main__":
    main()
