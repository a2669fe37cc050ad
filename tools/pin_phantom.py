"""Record what ChestPhantom simulates, so that no change of its images goes unnoticed.

python tools/pin_phantom.py

One image per finding and one without findings, as means over blocks of 8 x 8 pixels: coarse enough
to agree between processors, whose exponential functions may differ in the last bit.
"""

import json
from pathlib import Path

import numpy as np

from xraylab import phantom

PINNED = Path(__file__).resolve().parents[1] / "tests" / "phantom" / "pinned.json"


def block_means() -> np.ndarray:
    """Return the block means of the recorded images, (15, 8, 8)."""
    labels = np.vstack([np.eye(14, dtype=np.uint8), np.zeros((1, 14), np.uint8)])
    images = phantom.simulate(np.arange(15), size=64, labels=labels).images
    return images.reshape(15, 8, 8, 8, 8).mean(axis=(2, 4))


def main() -> None:
    pinned = {"version": phantom.VERSION, "blocks": np.round(block_means(), 1).tolist()}
    PINNED.write_text(json.dumps(pinned) + "\n", encoding="utf-8")
    print(f"{PINNED}: version {phantom.VERSION}")


if __name__ == "__main__":
    main()
