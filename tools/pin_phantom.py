"""Write down what ChestPhantom draws, so that a change of its images cannot go unnoticed.

python tools/pin_phantom.py

One image a finding and one without any, as means over 8x8 blocks: coarse enough to agree between
processors, whose exponentials may differ in the last bit.
"""

import json
from pathlib import Path

import numpy as np

from xraylab import phantom

PINNED = Path(__file__).resolve().parents[1] / "tests" / "phantom" / "pinned.json"


def blocks():
    """Return the block means, (15, 8, 8), of the pinned images."""
    labels = np.vstack([np.eye(14, dtype=np.uint8), np.zeros((1, 14), np.uint8)])
    images = phantom.simulate(np.arange(15), size=64, labels=labels).images
    return images.reshape(15, 8, 8, 8, 8).mean(axis=(2, 4))


def main():
    pinned = {"version": phantom.VERSION, "blocks": np.round(blocks(), 1).tolist()}
    PINNED.write_text(json.dumps(pinned) + "\n", encoding="utf-8")
    print(f"{PINNED}: version {phantom.VERSION}")


if __name__ == "__main__":
    main()
