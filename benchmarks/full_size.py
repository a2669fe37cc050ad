"""Train one epoch on generated images, as many as ChestMNIST has, and measure time and memory.

Writes an archive with ChestMNIST's layout at 64 px and random content, and trains a tuned recipe on
it for one epoch by ``training.fit``, in a separate process. Measured are the preparation, which
unpacks and checks the archive and builds the model; the steps of the epoch, with compilation and
the checkpoints of every minute; the validation after it; and the peak memory of the process, in
which the pages of mapped files count. The callback that takes the times makes Keras wait for each
step, as any callback of batches does. The scores are those of random labels::

    python benchmarks/full_size.py --json full_size.json     # minutes, on two cores
    python benchmarks/full_size.py --quick                   # one image of a hundred
    python benchmarks/full_size.py dbct_64_tuned
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import own_process
from input import write_npz
from machine import installed, processor

from xraylab.io import write_json
from xraylab.phantom import SPLIT_SIZES


def measure(name, archive):
    """Train one epoch in this process; return its times in seconds and its memory in bytes."""
    from xraylab.backend import process_memory, start_keras

    keras = start_keras()
    from xraylab import training
    from xraylab.training import recipes

    marks, before = {}, process_memory()

    def mark(event):
        return lambda *_, **__: marks.update({event: time.perf_counter()})

    clock = keras.callbacks.LambdaCallback(
        on_train_begin=mark("begin"),
        on_train_batch_end=mark("step"),  # the last one stays
        on_epoch_end=mark("validated"),  # after the validation, which is the first callback
    )
    options = {"cache_dir": archive.parent / "cache"}
    recipe = recipes.find(name).replace(data=str(archive), data_options=options, epochs=1)
    start = time.perf_counter()
    run = training.fit(recipe, archive.parent / "run", callbacks=[clock], progress=False)
    return {
        "model": recipe.model,
        "batch_size": recipe.batch_size,
        "preparation": marks["begin"] - start,
        "steps": marks["step"] - marks["begin"],
        "validation": marks["validated"] - marks["step"],
        "before_bytes": before,
        "peak_bytes": run.report["peak_bytes"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", nargs="?", default="rr_vit_64_tuned")
    parser.add_argument("--quick", action="store_true", help="one image of a hundred")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    parser.add_argument("--archive", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.archive:
        print(json.dumps(measure(options.recipe, options.archive)))
        return
    images = {split: count // (100 if options.quick else 1) for split, count in SPLIT_SIZES.items()}
    facts = {"recipe": options.recipe, "images": images, "cores": os.cpu_count()}
    facts |= {"processor": processor(), "load_before": os.getloadavg()[0]}
    facts["versions"] = installed("keras", "tensorflow")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "full_size.npz"
        write_npz(archive, images, 64)
        if (found := own_process.run(__file__, options.recipe, "--archive", archive)) is None:
            raise SystemExit(f"{options.recipe} failed")
    found["images_per_second"] = images["train"] / found["steps"]
    print(json.dumps({**facts, **found}, indent=2))
    if options.json:
        write_json(options.json, {**facts, **found})


if __name__ == "__main__":
    main()
