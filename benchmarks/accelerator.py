"""Measure training steps on an accelerator: time, fraction of the peak, and peak memory.

Every model trains at 64, 128 and 224 px with its tuned recipe and the precision that the package
chooses, in a separate process, by ``Model.fit`` with one batch that is repeated. The fraction of
the peak counts two operations for each multiply-add, and three forward passes for a step, and
divides by ``--peak`` or by the peak of a known device. Hybrid RR-ViT at 224 px comes first. No case
starts after ``--minutes``; the same command then measures the cases that the file lacks::

    python benchmarks/accelerator.py --json accelerator.json  # no case starts after 8 minutes
    python benchmarks/accelerator.py --json accelerator.json --peak 65e12
    python benchmarks/accelerator.py --json smoke.json --smoke             # small, also on a CPU

A batch has about as many pixels at each size. TensorFlow and, by KERAS_BACKEND=jax, JAX will do.
"""

import argparse
import json
import time
from pathlib import Path

import own_process
from machine import processor
from training_step import MODELS
from two_processes import measure

from xraylab.io import write_json
from xraylab.models.cost import recorded_cost

BATCHES = {64: 128, 128: 32, 224: 8}
LARGEST = ("hybrid_rr_vit", 224)
CASES = [LARGEST, *((name, size) for size in BATCHES for name in MODELS if (name, size) != LARGEST)]
SMOKE = [("rr_vit", 64), ("rr_vit", 128)]
PEAKS = {"T4": 65e12, "A100": 312e12, "H100 80GB HBM3": 989e12, "H200": 989e12}
"""Operations per second in 16 bits without sparsity by part of the device's name, of the data
sheets of NVIDIA."""


def device():
    """Return the name of the accelerator, or of the processor if there is none."""
    import keras

    from xraylab.backend import accelerators

    if not accelerators():
        return processor()
    if keras.backend.backend() == "jax":
        import jax

        return jax.local_devices()[0].device_kind
    import tensorflow as tf

    gpu = tf.config.list_physical_devices("GPU")[0]
    return tf.config.experimental.get_device_details(gpu)["device_name"]


def measure_case(name, size, batch_size, rounds):
    """Measure one case in this process."""
    from xraylab.backend import describe_backend, memory_peak, start_keras

    start_keras()
    from xraylab.training.start import fastest_precision

    precision = fastest_precision()
    step = measure(name, batch_size, rounds, size=size, precision=precision)["step"]
    facts = {"device": device(), "backend": describe_backend(), "precision": precision}
    return {"step": step, "peak_bytes": memory_peak(), **facts}


def fraction_of_peak(row, peak):
    """Return the rate of arithmetic of a step in multiples of the peak, or None if unknown."""
    if peak is None and row["precision"] != "float32":
        peak = next((rate for part, rate in PEAKS.items() if part in row["device"]), None)
    count = recorded_cost(row["model"], row["size"]).multiply_adds
    return peak and 6 * count * row["batch"] / row["step"] / peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", required=True)
    parser.add_argument("--peak", type=float, help="operations per second of the device")
    parser.add_argument("--minutes", type=float, default=8, help="after which no case starts")
    parser.add_argument("--smoke", action="store_true", help="RR-ViT with 8 images, one round")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(measure_case(*json.loads(options.case))))
        return
    end = time.monotonic() + 60 * options.minutes
    rows = json.loads(options.json.read_text())["rows"] if options.json.exists() else []
    failed = [(row["model"], row["size"]) for row in rows if "step" not in row]
    rows = [row for row in rows if "step" in row]
    measured = {(row["model"], row["size"]) for row in rows}
    waiting = [case for case in (SMOKE if options.smoke else CASES) if case not in measured]
    waiting.sort(key=failed.__contains__)  # a case that failed is tried again, after the others
    print(f"{'model':20s}{'px':>5s}{'batch':>7s}{'ms':>9s}{'images/s':>10s}{'of peak':>9s}  GB")
    while waiting and time.monotonic() < end:
        name, size = waiting.pop(0)
        batch, rounds = (8, 1) if options.smoke else (BATCHES[size], 5)
        case = json.dumps([name, size, batch, rounds])
        arguments = ("--json", options.json, "--case", case)
        row = {"model": name, "size": size, "batch": batch}
        row |= own_process.run(__file__, *arguments) or {}
        head = f"{name:20s}{size:5d}{batch:7d}"
        if "step" not in row:
            print(f"{head}  failed", flush=True)
        else:
            row["fraction_of_peak"] = fraction = fraction_of_peak(row, options.peak)
            known = f"{fraction:9.1%}" if fraction else f"{'–':>9s}"
            times = f"{1e3 * row['step']:9.1f}{batch / row['step']:10.0f}"
            print(f"{head}{times}{known}{row['peak_bytes'] / 1e9:6.1f}", flush=True)
        rows.append(row)
        write_json(options.json, {"rows": rows})
    if waiting:
        print(f"{len(waiting)} cases are left: run the same command again.")


if __name__ == "__main__":
    main()
