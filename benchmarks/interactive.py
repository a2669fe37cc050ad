"""Measure how long the frames of interactive figures take, at 64 px.

Measures the time from a new image or mask to the picture as HTML, without caches. Reports the
median and the maximum of the rounds after a warm-up. One to two minutes::

    python benchmarks/interactive.py
    python benchmarks/interactive.py rr_vit lt_vit_tiny
"""

import argparse
import platform
import statistics
import time

import numpy as np

from xraylab import phantom, plotting
from xraylab.backend import describe_backend, start_keras
from xraylab.widgets.page import picture

SIZE, ROUNDS, WARM_UP = 64, 15, 4
LIMIT = 0.2
"""Seconds that a frame should take: a figure has up to 120."""

MODELS = (
    "rr_vit",
    "hybrid_rr_vit",
    "dbct",
    "lt_vit_tiny",
    "efficientvit_m0",
    "efficientvit_m0_mxa",
    "efficientnet_b0",
    "densenet121",
)


def figures(model):
    """Yield name and function, from image and round to map, of each figure of a model."""
    from xraylab import explain

    if model.transforms_attention:
        yield (
            "attention",
            lambda image, _: next(iter(explain.attention(model, image, "block_0").values()))[0, 0],
        )
        yield (
            "gradient-weighted attention",
            lambda image, _: explain.gradient_attention(model, image, 1)[0, 0],
        )
    if hasattr(model, "decoder"):

        def reconstruction_error(image, number):
            masked = np.random.default_rng(number).random((8, 8)) < 0.5
            return explain.reconstruct(model, image, masked=masked).error[0, ..., 0]

        yield "reconstruction", reconstruction_error
    if hasattr(model, "cross_attention"):

        def first_patch(image, _):
            maps = explain.attention(model, image, "cross_attention")["cross_attention"]
            side = round(maps.shape[-1] ** 0.5)
            return maps[0, 0, 0].reshape(side, side)

        yield "cross-attention", first_patch
    if getattr(model, "num_label_blocks", 0):
        yield "label tokens", lambda image, _: explain.label_maps(model, image)[0, 1]
    if hasattr(model, "mxa_options"):
        yield (
            "boxes and gates",
            lambda image, _: next(iter(explain.regions(model, image).values())).spatial_gates[0],
        )
    if hasattr(model, "classify"):
        yield "Grad-CAM", lambda image, _: explain.grad_cam(model, image, 1)[0, 0]
    yield "occlusion", lambda image, _: explain.occlusion(model, image, 1)[0, 0]


def seconds(draw, images):
    """Measure the time to the picture in every round, in seconds."""
    times = []
    for number in range(ROUNDS + WARM_UP):
        image = images[[number % len(images)]]
        start = time.perf_counter()
        values = draw(image, number)
        limits = 0, max(float(values.max()), 1e-6)
        frame = plotting.overlay_heatmap(image[0, ..., 0], values, limits)
        picture(frame, "An image")
        times.append(time.perf_counter() - start)
    return times[WARM_UP:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    options = parser.parse_args()
    start_keras()
    from xraylab import models

    images = np.float32(phantom.simulate(np.arange(8), size=SIZE).images)[..., None] / 255
    print(f"{describe_backend()}, {platform.machine()}, {SIZE} px, {ROUNDS} rounds")
    for name in options.models:
        model = models.build(name, image_size=SIZE)
        for figure, draw in figures(model):
            times = seconds(draw, images)
            late = "  too slow" if statistics.median(times) > LIMIT else ""
            print(
                f"{name:20s} {figure:28s} {1000 * statistics.median(times):6.0f} ms  "
                f"(slowest {1000 * max(times):.0f}){late}",
                flush=True,
            )


if __name__ == "__main__":
    main()
