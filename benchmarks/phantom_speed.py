"""Simulated images per second of processor time on one core.

Measures the processor time of this process, all threads together, so that waiting for a core does
not count; other processes still slow it down through the shared cache. Takes about ten seconds::

    python benchmarks/phantom_speed.py
    python benchmarks/phantom_speed.py --sizes 64 224 --seconds 5
"""

import argparse
import platform
import time

import numpy as np

from xraylab import phantom

GOALS = {64: 300, 224: 40}
"""Targets in images per second and core."""

PIXELS_PER_CALL = 1 << 21


def images_per_second(size, seconds):
    """Return simulated images per second, measured over at least ``seconds`` of processor time."""
    count = max(8, PIXELS_PER_CALL // size**2)
    phantom.simulate(np.arange(4), size=size)  # imports and tables
    made, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        phantom.simulate(np.arange(made, made + count), size=size)
        made += count
    return made / (time.process_time() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[28, 64, 128, 224])
    parser.add_argument("--seconds", type=float, default=2.0, help="processor time per size")
    options = parser.parse_args()
    print(f"phantom version {phantom.VERSION}, NumPy {np.__version__}, {platform.platform()}")
    for size in options.sizes:
        goal = f"   goal {GOALS[size]}" if size in GOALS else ""
        print(f"{size:5} px: {images_per_second(size, options.seconds):7.0f} images/s/core{goal}")


if __name__ == "__main__":
    main()
