"""Simulated images per second of processor time on one core.

Measures the processor time of this process, so that waiting for a core does not count; other
processes still slow it down through the shared cache. Matrix products run in one thread, because
further ones would count while they wait. The rate is the median over the rounds, which take turns
between the sizes. Takes about half a minute of one core::

    python benchmarks/phantom_speed.py
    python benchmarks/phantom_speed.py --sizes 64 224 --seconds 5
    python benchmarks/phantom_speed.py --json book/measured/phantom_speed.json
"""

import argparse
import os
import statistics
import time
from pathlib import Path

import numpy as np
from machine import installed, processor
from threadpoolctl import threadpool_limits

from xraylab import io, phantom

GOALS = {64: 400, 224: 40}
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
    parser.add_argument("--seconds", type=float, default=2.0, help="per size and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    options = parser.parse_args()
    facts = {"rounds": options.rounds, "seconds": options.seconds, "cores": os.cpu_count()}
    facts |= {"processor": processor(), "load_before": os.getloadavg()[0]}
    facts |= {"versions": installed("numpy", "scipy"), "simulator": phantom.VERSION}
    rates = {size: [] for size in options.sizes}
    with threadpool_limits(1):
        for _ in range(options.rounds):
            for size, found in rates.items():
                found.append(images_per_second(size, options.seconds))
    rows = [
        {"size": size, "images_per_second": statistics.median(found), "goal": GOALS.get(size)}
        for size, found in rates.items()
    ]
    print(f"phantom version {phantom.VERSION}, {', '.join(facts['versions'])}")
    for row in rows:
        goal = f"   goal {row['goal']}" if row["goal"] else ""
        print(f"{row['size']:5} px: {row['images_per_second']:7.0f} images/s/core{goal}")
    if options.json:
        io.write_json(options.json, {**facts, "rows": rows})


if __name__ == "__main__":
    main()
