"""Measure EfficientViT-M5 against timm's at 224 px, batch 1 and 32, where timm is installed.

.venv-parity/bin/python benchmarks/efficientvit_speed.py

Rounds of both alternate, so that whatever else the machine does meets both alike. The median round
is the figure, the ratio is the median of the rounds' ratios. Both use the number of threads that
the first argument names, 2 by default; the second is the number of rounds.
"""

import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 15
SIZE = 224


def main():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.modules.setdefault("triton", None)
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parity"))
    import torch
    from conftest import register_operators

    register_operators(torch)
    torch.set_num_threads(THREADS)
    import keras
    import tensorflow as tf
    import timm

    from xraylab import models

    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    theirs = timm.create_model("efficientvit_m5", pretrained=False, num_classes=14).eval()
    ours = models.build("efficientvit_m5", image_size=SIZE)
    compiled = tf.function(ours, jit_compile=True)
    graph = tf.function(ours)
    print(f"{THREADS} threads, keras {keras.__version__}, tensorflow {tf.__version__}, ", end="")
    print(f"torch {torch.__version__}, timm {timm.__version__}")

    for batch in (1, 32):
        films = np.random.default_rng(0).random((batch, SIZE, SIZE, 1)).astype(np.float32)
        colour = torch.from_numpy(films.transpose(0, 3, 1, 2).copy()).repeat(1, 3, 1, 1)
        films = tf.constant(films)

        def torch_answer(colour=colour):
            with torch.inference_mode():
                theirs(colour)

        runners = {
            "timm": torch_answer,
            "xraylab, graph": lambda films=films: graph(films)["logits"].numpy(),
            "xraylab, XLA": lambda films=films: compiled(films)["logits"].numpy(),
        }
        seconds = {name: [] for name in runners}
        for run in runners.values():
            run()
            run()
        for _ in range(ROUNDS):
            for name, run in runners.items():
                repeats = 4 if batch == 1 else 1
                start = time.perf_counter()
                for _ in range(repeats):
                    run()
                seconds[name].append((time.perf_counter() - start) / repeats)
        for name, times in seconds.items():
            ratio = statistics.median(a / b for a, b in zip(times, seconds["timm"], strict=True))
            print(
                f"batch {batch:2d}  {name:15s} median {1e3 * statistics.median(times):8.1f} ms  "
                f"(from {1e3 * min(times):.1f} to {1e3 * max(times):.1f})  ratio {ratio:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
