"""Measure a training step in one process and in two that train together, on JAX, at 64 px.

The processes communicate through the loopback interface, as those of two machines do through a
network, and each is bound to one core. With the tuned recipe of the model and the same batch in
all, four cases are timed: one process on one core (``one``), the same with half of the batch, the
part of one of the two (``half``), two processes (``two``), and one process on both cores
(``cores``). ``two`` exceeds ``half`` by what communication takes and by waiting for the slower
process. Every case runs in new processes, in which ``Model.fit`` repeats one batch; printed are
medians over rounds, for two processes those of the slower one, and the time to prepare the whole
batch on one core, which in training every process does beside its steps.
Needs Linux and two free cores::

    python benchmarks/two_processes.py                     # ten minutes
    python benchmarks/two_processes.py rr_vit --json two_processes.json
    python benchmarks/two_processes.py --quick             # RR-ViT, small batch, few steps
"""

import argparse
import itertools
import json
import math
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path

import own_process
from machine import installed
from training_step import SIZE, prepared

from xraylab.io import write_json

STEPS = 5
"""Steps of ``Model.fit`` that are timed together."""
MODELS = ("rr_vit", "densenet121")
CASES = {"one": (1, 1, 1), "half": (1, 1, 2), "two": (2, 1, 2), "cores": (1, 2, 1)}
"""Processes, cores of each, and the number by which the batch of each is divided."""


def measure(name, batch_size, rounds, **changes):
    """Return median seconds of a step and of preparing its batch, and the bytes of the gradient."""
    with tempfile.TemporaryDirectory() as folder:
        batches, model = prepared(name, Path(folder), batch_size, **changes)
        own, batch = batches[0], []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            batches.prepare(0, 1)
            batch.append(time.perf_counter() - start)
    from keras.callbacks import LambdaCallback

    marks = []
    timer = LambdaCallback(on_epoch_begin=lambda *_: marks.append(time.perf_counter()))
    timer.on_epoch_end = timer.on_epoch_begin
    options = {"steps_per_epoch": STEPS, "epochs": rounds + 1, "verbose": 0, "shuffle": False}
    model.fit((own for _ in itertools.count()), callbacks=[timer], **options)
    # Keras reads the loss, and so waits for the steps, at the end of an epoch. The first compiles.
    steps = [(end - begin) / STEPS for begin, end in zip(marks[2::2], marks[3::2], strict=True)]
    return {
        "step": statistics.median(steps),
        "batch": statistics.median(batch[1:]),
        "gradient": sum(4 * math.prod(variable.shape) for variable in model.trainable_variables),
    }


def run_case(case, name, batch_size, rounds, cores):
    """Start the processes of a case, and return the results of the slower one, or None."""
    processes, cores_each, divisor = CASES[case]
    size = batch_size * processes // divisor
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    started = []
    for rank in range(processes):
        environment = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        if processes > 1:
            environment |= {
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": str(processes),
                "KERAS_DISTRIBUTION_PROCESS_ID": str(rank),
                "JAX_COORDINATOR_BIND_ADDRESS": address,
            }
        own = cores[rank * cores_each : (rank + 1) * cores_each]
        settings = ("--batch-size", size, "--rounds", rounds, "--cores", *own)
        started.append(own_process.start(__file__, name, *settings, **environment))
    found = [own_process.result(process) for process in started]
    return None if None in found else max(found, key=lambda result: result["step"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", metavar="model", default=MODELS)
    parser.add_argument("--batch-size", type=int, default=32, help="of all processes together")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="RR-ViT, small batch, few steps")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    parser.add_argument("--cores", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cores:
        os.sched_setaffinity(0, options.cores)  # before JAX counts them
        print(json.dumps(measure(options.models[0], options.batch_size, options.rounds)))
        return
    if options.quick:
        options.models, options.batch_size, options.rounds = ("rr_vit",), 8, 2
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2 or options.batch_size % 2:
        raise SystemExit("Expected: two cores and an even batch size.")
    facts = own_process.facts(options, SIZE) | {"versions": installed("keras", "jax")}
    print(f"{facts['cores']} cores, load {facts['load_before']:.2f}, ms per step, at {SIZE} px")
    titles = "".join(f"{title:>9s}" for title in (*CASES, "batch", "one/two", "cores/two"))
    print(f"{'model':20s}{titles}  gradient MB")
    rows = []
    for name in options.models:
        found = {}
        for case in CASES:
            result = run_case(case, name, options.batch_size, options.rounds, cores)
            if result is None:
                raise SystemExit(f"{name}, {case}: failed")
            found[case] = result
        row = {case: result["step"] for case, result in found.items()}
        row |= {"batch": found["one"]["batch"], "gradient": found["one"]["gradient"]}
        rows.append({"model": name, **row})
        times = "".join(f"{1e3 * row[key]:9.1f}" for key in (*CASES, "batch"))
        speed_ups = "".join(f"{row[case] / row['two']:9.2f}" for case in ("one", "cores"))
        print(f"{name:20s}{times}{speed_ups}{row['gradient'] / 1e6:13.1f}", flush=True)
        if options.json:
            write_json(options.json, {**facts, "rows": rows})


if __name__ == "__main__":
    sys.exit(main())
