"""How many phantom images one core simulates in a second.

Counts the processor time of this process, all its threads together, so that waiting for a core does
not count. Neighbours still slow it somewhat, through the shared cache. Takes about ten seconds::

    python benchmarks/phantom_speed.py
    python benchmarks/phantom_speed.py --sizes 64 224 --seconds 5
"""

import argparse
import platform
import time

import numpy as np

from xraylab import phantom

GOALS = {64: 300, 224: 40}
"""Images a second and core that the project wants."""

PIXELS_A_CALL = 1 << 21


def images_a_second(size, seconds):
    """Return simulated images a second of processor time, over at least ``seconds`` of it."""
    count = max(8, PIXELS_A_CALL // size**2)
    phantom.simulate(np.arange(4), size=size)  # imports and tables, which are paid once
    made, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        phantom.simulate(np.arange(made, made + count), size=size)
        made += count
    return made / (time.process_time() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[28, 64, 128, 224])
    parser.add_argument("--seconds", type=float, default=2.0, help="processor time a size")
    options = parser.parse_args()
    print(f"phantom version {phantom.VERSION}, NumPy {np.__version__}, {platform.platform()}")
    for size in options.sizes:
        goal = f"   goal {GOALS[size]}" if size in GOALS else ""
        print(f"{size:5} px: {images_a_second(size, options.seconds):7.0f} images/s/core{goal}")


if __name__ == "__main__":
    main()
