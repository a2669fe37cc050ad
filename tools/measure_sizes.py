"""Score the shipped weights, of 64 pixels, on images of 128 pixels, for chapter 15.

::

    python tools/measure_sizes.py --real FOLDER

FOLDER holds the images of the NIH subset at both sizes and the table of their patients. Each model
predicts the images that exist at 128 pixels, at 64 pixels and at 128, without further training. The
weights that ``models.build`` refuses are assigned here nevertheless, with attention biases resized,
which shows what the refusal prevents; DBCT also with its sinusoidal positions resized. Intervals
and paired differences are by patient. Only numbers are written.
"""

import warnings
from typing import Any

import numpy as np
import real_images

from xraylab import evaluation, io, models
from xraylab.layers.tokens import resize_positions
from xraylab.models.weights import shipped_weights

SMALL, LARGE = 64, 128


def main():
    options = real_images.parser(__doc__, "sizes.json").parse_args()
    splits = {
        size: real_images.load(options.real, "val", "test", name=name)
        for size, name in ((SMALL, real_images.SHARED), (LARGE, "nih_128.npz"))
    }
    for small, large in zip(*splits.values(), strict=True):
        np.testing.assert_array_equal(small.labels, large.labels)
    values = {
        "about": "Shipped weights, trained on images of 64 px, on the same images of the NIH "
        "subset at 64 and at 128 px: macro AUC, computed by tools/measure_sizes.py.",
        "sizes": [SMALL, LARGE],
        "num_images": {split.split: len(split) for split in splits[LARGE]},
        "models": {},
    }
    for name in sorted(name for name, size in shipped_weights() if size == SMALL):
        values["models"][name] = measure(name, splits)
        print(name, flush=True)
    real_images.write(options.out, values)


def measure(name, splits):
    """Score one model at both sizes."""
    small = models.build(name, SMALL, weights="pretrained")
    path = shipped_weights()[name, SMALL]
    found = {"weights_sha256": io.sha256(path), "refused": None}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", f".*weights for images of {SMALL} px")
            large = models.build(name, LARGE, weights="pretrained")
    except ValueError as error:
        found["refused"] = str(error).replace(str(path), path.name)
        large = models.build(name, LARGE)
        assign(small, large)
    for of_small, of_large in zip(splits[SMALL], splits[LARGE], strict=True):
        before = evaluation.predict(small, of_small)
        after = evaluation.predict(large, of_large)
        scores: dict[str, Any] = {
            "small": real_images.macro_auc(of_small, before),
            "large": real_images.macro_auc(of_large, after),
            "difference": real_images.macro_auc(of_large, after, minus=before),
        }
        if name == "dbct":
            scores["positions_resized"] = positions_resized(small, large, of_large, before)
        found[of_large.split] = scores
    return found


def assign(small, large):
    """Assign the weights of a model to one for larger images, and resize attention biases."""
    weights = [
        w if w.shape == v.shape else resize_positions(w.T, v.shape[1]).T
        for w, v in zip(small.get_weights(), large.weights, strict=True)
    ]
    large.set_weights(weights)


def positions_resized(small, large, split, before):
    """Score DBCT with the fixed positions of the smaller grid, resized to the larger."""
    copy = models.build("dbct", LARGE)  # predictions are compiled with the table of the first call
    copy.set_weights(large.get_weights())
    copy.positions.table = resize_positions(small.positions.table, len(copy.positions.table))
    after = evaluation.predict(copy, split)
    return {
        "large": real_images.macro_auc(split, after),
        "difference": real_images.macro_auc(split, after, minus=before),
    }


if __name__ == "__main__":
    main()
