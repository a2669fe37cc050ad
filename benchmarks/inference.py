"""Inference time of our networks, compared with those of torchvision and timm on the same cores.

Ours and theirs run in two processes, so that the thread pools of TensorFlow and PyTorch are
separate; each has the given number of threads. They run in turns: in every round each predicts
once while the other waits, so that slow moments of the machine affect both. A warm-up prediction
precedes the timed ones, because the other process has used the caches. Printed are medians over
the rounds in milliseconds per batch, and the median ratio theirs / ours: above 1, ours is faster.

Run it where PyTorch is installed (``make parity``); missing packages are skipped::

    .venv-parity/bin/python benchmarks/inference.py --quick               # minutes
    .venv-parity/bin/python benchmarks/inference.py --json inference.json # all

Ours take images of one channel and have the head of their registry; theirs take three equal
channels and predict 14 labels. torchvision's ResNet50 strides in the 3x3 convolution, that of
``keras.applications`` (and ours) in the 1x1 before it: theirs takes 8 % more multiply-adds at
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

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = {  # name in both: (package of the other implementation, sizes in pixels)
    "resnet50": ("torchvision", (64, 224)),
    "densenet121": ("torchvision", (64, 224)),
    "efficientvit_m5": ("timm", (224,)),
}
REST = 0.02  # seconds between two turns, in which waiting threads stop spinning
BUSY = 0.5  # load above which other processes use at least half a core


# The process of one framework


def ours(name, size, threads):
    """Build our network; return versions, and functions from images to logits by name."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from xraylab import models
    from xraylab.backend import describe_backend, start_keras

    keras = start_keras()
    model = models.build(name, image_size=size)

    def compiled(by_xla):
        call = tf.function(lambda images: model(images, training=False), jit_compile=by_xla)
        return lambda images: call(tf.constant(images)).numpy()

    versions = f"{describe_backend()}, Keras {keras.__version__}"
    return versions, {"graph": compiled(False), "xla": compiled(True)}


def theirs(name, size, threads):
    """Build a PyTorch network; return versions, and functions from images to logits by name."""
    sys.modules.setdefault("triton", None)  # nothing here needs it
    import torch

    sys.path.insert(0, str(ROOT / "tests" / "parity"))
    from conftest import register_operators

    register_operators(torch)
    torch.set_num_threads(threads)
    package = importlib.import_module(NETWORKS[name][0])
    if package.__name__ == "timm":
        model = package.create_model(name, pretrained=False, num_classes=14)
    else:
        model = package.models.get_model(name, weights=None, num_classes=14)
    model.eval()

    def predict(images):
        with torch.inference_mode():
            colour = torch.from_numpy(images).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
            return model(colour.contiguous()).numpy()

    versions = f"PyTorch {torch.__version__}, {package.__name__} {package.__version__}"
    return versions, {"theirs": predict}


def work(options):
    """Build one network, report it, then time each request of the standard input."""
    build = {"ours": ours, "theirs": theirs}[options.worker]
    name, size = options.models[0], options.sizes[0]
    versions, functions = build(name, size, options.threads)
    print(json.dumps({"versions": versions, "functions": list(functions)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        function = functions[request["function"]]
        shape = (request["batch"], size, size, 1)
        images = np.random.default_rng(0).random(shape, np.float32)
        function(images)
        start = time.perf_counter()
        for _ in range(request["repeats"]):
            function(images)
        print(json.dumps((time.perf_counter() - start) / request["repeats"]), flush=True)


# The main process, which schedules the turns


class Worker:
    """A process with one network of one framework."""

    def __init__(self, kind, name, size, threads):
        command = [sys.executable, __file__, "--worker", kind, "--models", name]
        command += ["--sizes", str(size), "--threads", str(threads)]
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        settings = {
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
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
        """Measure the seconds per batch."""
        request = {"function": function, "batch": batch, "repeats": repeats}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.messages.close()


def measure(workers, batch, rounds):
    """Measure the seconds of each round by function; each round runs every function once."""
    turns = [(worker, function) for worker in workers for function in worker.functions]
    for worker, function in turns:
        worker.time(function, batch, 1)  # compiles, allocates
    repeats = 4 if batch == 1 else 1
    seconds = {function: [] for _, function in turns}
    for number in range(rounds):
        for worker, function in turns if number % 2 == 0 else turns[::-1]:
            time.sleep(REST)
            seconds[function].append(worker.time(function, batch, repeats))
    return seconds


def summary(seconds):
    """Compute medians, and median ratios theirs / ours where both ran."""
    found = {name: statistics.median(times) for name, times in seconds.items()}
    if "theirs" in seconds:
        for name in ("graph", "xla"):
            pairs = zip(seconds["theirs"], seconds[name], strict=True)
            found[f"ratio_{name}"] = statistics.median(slow / fast for slow, fast in pairs)
    return found


def row(name, size, batch, found):
    """Format one line of the table."""
    times = [f"{1e3 * found[k]:10.1f}" if k in found else f"{'—':>10s}" for k in TIMES]
    ratios = [f"{found[k]:10.2f}" if k in found else f"{'—':>10s}" for k in RATIOS]
    return f"{name:16s}{size:5d}{batch:7d}" + "".join(times + ratios)


TIMES, RATIOS = ("graph", "xla", "theirs"), ("ratio_graph", "ratio_xla")
TITLES = f"{'model':16s}{'px':>5s}{'batch':>7s}" + "".join(
    f"{title:>10s}" for title in ("graph ms", "XLA ms", "theirs ms", "th./graph", "th./XLA")
)


def parse_arguments(arguments=None):
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sizes", nargs="+", type=int, help="default: 64 and 224; M5: 224 only")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2, help="per framework (default 2)")
    parser.add_argument("--quick", action="store_true", help="smallest size, batch 1, three rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    parser.add_argument("--worker", choices=("ours", "theirs"), help=argparse.SUPPRESS)
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


def main():
    options = parse_arguments()
    if options.worker:
        work(options)
        return
    chosen = cases(options)
    if not chosen:
        raise SystemExit("no network is measured at these sizes; EfficientViT takes 224 px")
    print(f"{options.threads} threads of {os.cpu_count()} cores, {options.rounds} rounds")
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if load is not None:
        busy = ": NOT IDLE, the numbers are unreliable" if load > BUSY else ""
        print(f"load of the last minute {load:.2f}{busy}")
    rows, printed = [], set()
    for name, size in chosen:
        kinds = ["ours"]
        if all(importlib.util.find_spec(package) for package in ("torch", NETWORKS[name][0])):
            kinds.append("theirs")
        workers = [Worker(kind, name, size, options.threads) for kind in kinds]
        if new := [w.versions for w in workers if w.versions not in printed]:
            print("; ".join(new) + "\n" + TITLES)
            printed.update(new)
        for batch in options.batches:
            found = summary(measure(workers, batch, options.rounds))
            rows.append({"model": name, "size": size, "batch": batch, **found})
            print(row(name, size, batch, found), flush=True)
        for worker in workers:
            worker.close()
    if options.json:
        facts = {name: getattr(options, name) for name in ("threads", "rounds")}
        facts |= {"cores": os.cpu_count(), "load_before": load, "versions": sorted(printed)}
        options.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
