"""How fast our networks answer, side by side with torchvision's, in one run on the same cores.

Rounds are interleaved: in each, every network answers once, so that a slow moment of the machine
hits all alike. Printed are medians in milliseconds a batch and the ratio theirs / ours (above 1: we
are faster). Run it where PyTorch is installed (``make parity``); what is missing is skipped::

    python benchmarks/inference.py --sizes 64 --batches 1 --rounds 5       # a minute
    python benchmarks/inference.py --xla --json inference.json             # all, some minutes

Our networks have a hidden layer of 256 in the head, which costs next to nothing. torchvision's
ResNet50 strides in the 3x3 convolution, that of ``keras.applications`` (and ours) in the 1x1 before
it: theirs takes 8 % more multiply-adds at 224 px.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

NETWORKS = {  # name: ours, theirs (package, builder's arguments)
    "resnet50": ("resnet50", ("torchvision", "resnet50")),
    "densenet121": ("densenet121", ("torchvision", "densenet121")),
}


def ours(name, size, xla):
    """Return a function from films to logits: our network, compiled."""
    from xraylab import models

    model = models.build(name, image_size=size)
    model.compile(jit_compile=xla)
    return lambda films: model.predict_on_batch(films)["logits"]


def theirs(package, name, size):
    """Return the same function for a network of PyTorch, or None where it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "parity"))
    from conftest import register_operators

    register_operators(torch)
    try:
        if package == "torchvision":
            import torchvision

            model = torchvision.models.get_model(name, weights=None, num_classes=14)
        else:
            import timm

            model = timm.create_model(name, pretrained=False, num_classes=14, img_size=size)
    except ImportError:
        return None
    model.eval()

    def answer(films):
        with torch.inference_mode():
            colour = torch.from_numpy(films).permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
            return model(colour.contiguous()).numpy()

    return answer


def measure(functions, films, rounds):
    """Return the median seconds of each function over interleaved rounds."""
    for function in functions.values():
        function(films)  # compiles, allocates
        function(films)
    times = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function(films)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[64, 224])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--xla", action="store_true", help="also ours compiled by XLA")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    options = parser.parse_args()
    sys.modules.setdefault("triton", None)  # aborts the process if loaded after TensorFlow
    from xraylab.backend import describe_backend, start_keras

    keras = start_keras()
    print(f"{describe_backend()}, {os.cpu_count()} cores, medians of {options.rounds} rounds")
    print(f"{'model':14s}{'px':>5s}{'batch':>7s}{'ours':>10s}{'XLA':>10s}{'theirs':>10s}  ratio")
    rows = []
    for name in options.models:
        own, public = NETWORKS[name]
        for size in options.sizes:
            functions = {"ours": ours(own, size, False)}
            if options.xla:
                functions["xla"] = ours(own, size, True)
            if other := theirs(*public, size):
                functions["theirs"] = other
            for batch in options.batches:
                films = np.random.default_rng(0).random((batch, size, size, 1), np.float32)
                found = measure(functions, films, options.rounds)
                best = min(found["ours"], found.get("xla", np.inf))
                ratio = found["theirs"] / best if "theirs" in found else None
                rows.append({"model": name, "size": size, "batch": batch, **found, "ratio": ratio})
                cells = "".join(
                    f"{1e3 * found[key]:10.1f}" if key in found else f"{'—':>10s}"
                    for key in ("ours", "xla", "theirs")
                )
                told = f"{ratio:7.2f}" if ratio else "      —"
                print(f"{name:14s}{size:5d}{batch:7d}{cells}{told}", flush=True)
            keras.backend.clear_session()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
