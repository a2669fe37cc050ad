"""Measure peak memory and time of training steps: Hybrid RR-ViT at three sizes, MedViT at 224 px.

Every case runs in a separate process, so that each has its own peak (VmHWM); about 0.6 GB of each
is Python and the backend. It takes two steps, of which the second is timed. "blocks" is what the
package does with the large maps of Hybrid RR-ViT, "whole" keeps the map of every block of the
network for the backward pass, as a plain implementation does; the maps of MedViT are small. Cases
whose estimate exceeds ``--limit`` are skipped. Inference of Hybrid RR-ViT is timed at 64 and 128
px, for which ``pham2026`` reports 1.36 s and 10.33 s without the number of images::

    python benchmarks/attention_memory.py            # all cases, some minutes
    python benchmarks/attention_memory.py --quick    # training with batch 1 only
    python benchmarks/attention_memory.py --limit 14 # skip what may need more than 14 GB
    python benchmarks/attention_memory.py medvit_small medvit_large --json attention_memory.json

The rows of other models that the file holds already are kept. On a busy machine ``--no-times``
leaves out the times; the peaks are valid.
"""

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import own_process

from xraylab.io import write_json
from xraylab.models.cost import recorded_cost

HYBRID, HEADS, DEPTH, STRIDE = "hybrid_rr_vit", 8, 8, 4
LARGE = [(224, 1), (224, 8)]
TRAINING = {  # model: sizes in pixels and batches
    HYBRID: [(64, 1), (64, 8), (64, 32), (128, 1), (128, 8), *LARGE],
    "medvit_small": LARGE,
    "medvit_large": LARGE,
}
INFERENCE = {HYBRID: [(64, 8), (128, 8)]}
MEDVIT_GB = 1.2  # of an image
STEPS = 2
CUT = 2**20  # entries of an image's map above which the package takes blocks
WHOLE = 2**62  # the same, to take whole maps always


def available_gb() -> float:
    """Return the memory that is available, in GB."""
    report = Path("/proc/meminfo").read_text()
    return int(report.split("MemAvailable:")[1].split()[0]) * 1024 / 1e9


def estimate_gb(model: str, size: int, batch: int, way: str, training: bool) -> float:
    """Estimate the memory of a case, to decide whether to skip it."""
    if model != HYBRID:
        return 1.5 + MEDVIT_GB * batch
    tokens = recorded_cost(model, size).tokens
    kept = DEPTH if training else 0
    maps = (kept + 3) * 4 * batch * HEADS * tokens**2 / 1e9 if way == "whole" else 0
    activations = 50 * 4 * 256 * tokens * batch * (DEPTH if training else 1) / 1e9
    return 1 + maps + activations


def run_case(name: str, size: int, batch: int, way: str, training: bool) -> dict:
    """Measure one case in this process."""
    from xraylab.backend import process_memory, start_keras

    keras = start_keras()
    from xraylab import losses, models
    from xraylab.layers import attention

    if way == "whole":
        attention.LARGEST_MAP = WHOLE
    start = process_memory() / 1e9
    keras.utils.set_random_seed(0)
    model = models.build(name, image_size=size)
    random = np.random.default_rng(0)
    images = random.random((batch, size, size, 1)).astype(np.float32)
    labels = (random.random((batch, 14)) < 0.1).astype(np.float32)
    model.compile(keras.optimizers.AdamW(1e-4), losses.BinaryCrossentropy())

    for _ in range(STEPS):  # the first one compiles
        began = time.perf_counter()
        if training:
            loss = model.train_on_batch(images, labels, return_dict=True)["loss"]
        else:
            loss = model.predict_on_batch(images).mean()
        seconds = time.perf_counter() - began
    if not np.isfinite(loss):
        raise SystemExit("the loss is not finite")
    return {"seconds": seconds, "peak": process_memory(peak=True) / 1e9, "start": start}


def ways(model: str, size: int) -> tuple[str, ...]:
    """Return the ways to compute attention that differ for a model and size."""
    large = model == HYBRID and HEADS * recorded_cost(model, size).tokens ** 2 > CUT
    return ("blocks", "whole") if large else ("whole",)


def report(model: str, cases, options, training: bool) -> list[dict]:
    """Measure and print one table; return its rows, in which a case that failed has no peak."""
    print(f"\n{model}, {'a training step' if training else 'inference'}")
    print("  px  batch  attention   peak     seconds  seconds/image")
    rows = []
    for size, batch in cases:
        for way in ways(model, size):
            head = f"{size:4d} {batch:6d}  {way:9s}"
            needed = estimate_gb(model, size, batch, way, training)
            if needed > options.limit:
                print(f"{head}  skipped: may need {needed:.0f} GB, limit {options.limit:.0f} GB")
                continue
            case = json.dumps([model, size, batch, way, training])
            result = own_process.run(__file__, "--case", case)
            if result and not options.times:
                del result["seconds"]
            facts = {"model": model, "size": size, "tokens": recorded_cost(model, size).tokens}
            facts |= {"batch": batch, "way": way, "training": training}
            rows.append({**facts, **(result or {})})
            if result is None:
                print(f"{head}  failed")
                continue
            seconds = result.get("seconds", math.nan)
            print(
                f"{head}  {result['peak']:5.2f} GB  {seconds:7.2f}  {seconds / batch:9.3f}",
                flush=True,
            )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "models", nargs="*", metavar="model", help=f"default: {', '.join(TRAINING)}"
    )
    parser.add_argument("--quick", action="store_true", help="training with batch 1 only")
    parser.add_argument("--limit", type=float, help="GB a case may need; default 70 %% of the free")
    parser.add_argument("--no-times", dest="times", action="store_false", help="record peaks only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(run_case(*json.loads(options.case))))
        return 0
    names = options.models or list(TRAINING)
    if unknown := ", ".join({*names} - {*TRAINING}):
        parser.error(f"model. Expected: some of {', '.join(TRAINING)}. Received: {unknown}")
    load = os.getloadavg()[0] if options.times else 0.0
    options.limit = options.limit or 0.7 * available_gb()
    print(f"at 64 px the package takes whole maps, too; limit {options.limit:.1f} GB per case")
    rows = []
    if options.json and options.json.exists():
        former = json.loads(options.json.read_text())
        rows = [row for row in former["rows"] if row["model"] not in names]
        load = max(load, former["load_before"])
    found = []
    for name in names:
        cases = [case for case in TRAINING[name] if case[1] == 1 or not options.quick]
        found += report(name, cases, options, training=True)
        if name in INFERENCE:
            found += report(name, INFERENCE[name], options, training=False)
        if options.json:
            facts = {"steps": STEPS, "load_before": load, "rows": rows + found}
            write_json(options.json, facts)
    return 0 if all("peak" in row for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
