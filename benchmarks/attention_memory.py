"""Measure memory and time of attention in blocks, for Hybrid RR-ViT at 64, 128 and 224 px.

Every case runs in a separate process, so that each has its own peak (VmHWM); about 0.6 GB of each
is Python and the backend. "blocks" is what the package does, "whole" keeps the map of every block
of the network for the backward pass, as a plain implementation does. Cases whose estimate exceeds
``--limit`` are skipped. Inference is timed at 64 and 128 px, for which ``pham2026`` reports 1.36 s
and 10.33 s without the number of images::

    python benchmarks/attention_memory.py            # all cases, some minutes
    python benchmarks/attention_memory.py --quick    # training with batch 1 only
    python benchmarks/attention_memory.py --limit 14 # skip what may need more than 14 GB
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import own_process

MODEL, HEADS, DEPTH, STRIDE = "hybrid_rr_vit", 8, 8, 4
TRAINING = [(64, 1), (64, 8), (64, 32), (128, 1), (128, 8), (224, 1), (224, 8)]
INFERENCE = [(64, 8), (128, 8)]
CUT = 2**20  # entries of an image's map above which the package takes blocks
WHOLE = 2**62  # the same, to take whole maps always


def available_gb() -> float:
    """Return the memory that is available, in GB."""
    report = Path("/proc/meminfo").read_text()
    return int(report.split("MemAvailable:")[1].split()[0]) * 1024 / 1e9


def map_gb(size: int, batch: int) -> float:
    """Return the size of the attention maps of one block of the network, float32."""
    tokens = 1 + (size // STRIDE) ** 2
    return 4 * batch * HEADS * tokens**2 / 1e9


def estimate_gb(size: int, batch: int, way: str, training: bool) -> float:
    """Estimate the memory of a case, to decide whether to skip it."""
    tokens = 1 + (size // STRIDE) ** 2
    kept = DEPTH if training else 0
    maps = (kept + 3) * map_gb(size, batch) if way == "whole" else 0
    activations = 50 * 4 * 256 * tokens * batch * (DEPTH if training else 1) / 1e9
    return 1 + maps + activations


def run_case(size: int, batch: int, way: str, training: bool) -> dict:
    """Measure one case in this process."""
    from xraylab.backend import process_memory, start_keras

    keras = start_keras()
    from xraylab import losses, models
    from xraylab.layers import attention

    if way == "whole":
        attention.LARGEST_MAP = WHOLE
    start = process_memory() / 1e9
    keras.utils.set_random_seed(0)
    model = models.build(MODEL, image_size=size)
    random = np.random.default_rng(0)
    images = random.random((batch, size, size, 1)).astype(np.float32)
    labels = (random.random((batch, 14)) < 0.1).astype(np.float32)
    model.compile(keras.optimizers.AdamW(1e-4), losses.BinaryCrossentropy())

    for _ in range(2):  # the first one compiles
        began = time.perf_counter()
        if training:
            loss = model.train_on_batch(images, labels, return_dict=True)["loss"]
        else:
            loss = model.predict_on_batch(images).mean()
        seconds = time.perf_counter() - began
    if not np.isfinite(loss):
        raise SystemExit("the loss is not finite")
    return {"seconds": seconds, "peak": process_memory(peak=True) / 1e9, "start": start}


def report(title: str, cases, limit: float, training: bool) -> list[dict]:
    """Measure and print one table; return its rows, in which a case that failed has no peak."""
    print(f"\n{title}")
    print("  px  tokens  batch  attention  one map   peak     seconds  seconds/image")
    rows = []
    for size, batch in cases:
        tokens = 1 + (size // STRIDE) ** 2
        for way in ("blocks", "whole") if HEADS * tokens**2 > CUT else ("whole",):
            head = f"{size:4d} {tokens:7d} {batch:6d}  {way:9s} {map_gb(size, batch):5.2f} GB"
            needed = estimate_gb(size, batch, way, training)
            if needed > limit:
                print(f"{head}  skipped: may need {needed:.0f} GB, limit {limit:.0f} GB")
                continue
            case = json.dumps([size, batch, way, training])
            result = own_process.run(__file__, "--case", case)
            facts = {"size": size, "tokens": tokens, "batch": batch, "way": way}
            rows.append({**facts, "training": training, **(result or {})})
            if result is None:
                print(f"{head}  failed")
                continue
            seconds = result["seconds"]
            print(
                f"{head}  {result['peak']:5.2f} GB  {seconds:7.2f}  {seconds / batch:9.3f}",
                flush=True,
            )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="training with batch 1 only")
    parser.add_argument("--limit", type=float, help="GB a case may need; default 70 %% of the free")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(run_case(*json.loads(options.case))))
        return 0
    load = os.getloadavg()[0]
    limit = options.limit or 0.7 * available_gb()
    training = [case for case in TRAINING if case[1] == 1] if options.quick else TRAINING
    print(f"{MODEL}; 'one map' is the attention map of one of its {DEPTH} blocks, whole batch")
    print(f"at 64 px the package takes whole maps, too; limit {limit:.1f} GB per case")
    rows = report("A training step", training, limit, training=True)
    rows += report("Inference", INFERENCE, limit, training=False)
    if options.json:
        facts = {"model": MODEL, "load_before": load, "limit": limit}
        options.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")
    return 0 if all("peak" in row for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
