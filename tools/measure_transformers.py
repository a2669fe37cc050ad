"""Measure what DBCT's fusion and RR-ViT's reconstruction use on real images, for chapters 9 and 10.

::

    python tools/measure_transformers.py --real FOLDER

FOLDER holds nih_64.npz and the table of its patients, nih_images.csv. The models are those with
shipped weights, the images those of the test split. Only numbers over many images are written.
"""

import numpy as np
import real_images
from keras import ops
from scipy.special import expit

from xraylab import io, models
from xraylab.backend import compiled
from xraylab.layers import patchify, unpatchify
from xraylab.models.weights import shipped_weights

BATCH = 64
HIDDEN_FRACTION = 0.25
GREYS = (0.3, 0.5, 0.7)


def main():
    options = real_images.parser(__doc__, "transformers.json").parse_args()
    (test,) = real_images.load(options.real, "test")
    values = {
        "about": "DBCT and RR-ViT with shipped weights on the test images of the NIH subset: "
        "numbers over many images, computed by tools/measure_transformers.py.",
        "num_images": len(test),
        "weights_sha256": {
            name: io.sha256(shipped_weights()[name, 64]) for name in ("dbct", "rr_vit")
        },
        "dbct": cross_attention(test),
        "rr_vit": reconstruction(test),
    }
    real_images.write(options.out, values)


def in_batches(function, model, images):
    """Apply a function of a batch to all images; return its results, concatenated."""
    function = compiled(function, model.variables)
    parts = [function(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    return [np.concatenate([np.asarray(x) for x in part]) for part in zip(*parts, strict=True)]


def cross_attention(test):
    """Score DBCT with its cross-attention changed, and describe its maps."""
    images, _ = test.arrays()
    model = models.build("dbct", image_size=64, weights="pretrained")
    changes = {
        "as trained": lambda a: a,
        "same map for all patches": lambda a: ops.mean(a, axis=2, keepdims=True) + 0 * a,
        "uniform map": lambda a: 0 * a + 1 / a.shape[-1],
        "no local tokens": lambda a: 0 * a,
    }

    def predict(change):
        def transform(name, a):
            return change(a) if name == "cross_attention" else a

        def run(batch):
            return (model(batch, attention_transform=transform),)

        return expit(in_batches(run, model, images)[0])

    predicted = {name: predict(change) for name, change in changes.items()}
    auc = {name: real_images.macro_auc(test, p) for name, p in predicted.items()}
    original = predicted.pop("as trained")
    difference = {
        name: real_images.macro_auc(test, p, minus=original) for name, p in predicted.items()
    }

    side = np.arange(16) // 2  # the patch row, or column, of each position of the local map
    own = (side[:, None] * 8 + side).ravel() == np.arange(64)[:, None]

    def describe(batch):
        inside = model(batch, return_intermediates=True)["cross_attention"]["cross_attention"]
        a = ops.mean(inside, axis=1)  # mean of heads: (batch, patch, position)
        apart = ops.sum(ops.abs(a - ops.mean(a, axis=1, keepdims=True)), axis=-1) / 2
        return ops.mean(ops.sum(a * ops.cast(own, a.dtype), axis=-1), axis=1), ops.mean(apart, 1)

    on_own, apart = in_batches(describe, model, images)
    return {
        "macro_auc": auc,
        "difference": difference,
        "attention_on_own_patch": on_own.mean(),
        "uniform_on_own_patch": own.mean(),
        "distance_from_mean_map": apart.mean(),
    }


def reconstruction(test):
    """Describe RR-ViT's reconstruction of patches that are hidden behind a constant grey."""
    images, _ = test.arrays()
    model = models.build("rr_vit", image_size=64, weights="pretrained")
    truth = np.asarray(patchify(images, 8))
    first = np.tile(np.arange(64) < round(64 * HIDDEN_FRACTION), (len(images), 1))
    hidden = np.random.default_rng(0).permuted(first, axis=1)

    def reconstruct(grey):
        covered = np.asarray(unpatchify(np.where(hidden[..., None], grey, truth), 8, 64, 64))

        def run(batch):
            inside = model(batch, return_intermediates=True)
            return (patchify(inside["reconstruction"], 8),)

        return in_batches(run, model, np.float32(covered))[0]

    found = {grey: reconstruct(grey) for grey in GREYS}
    error = ((found[0.5] - truth) ** 2).mean(axis=-1)
    mean_image = ((truth.mean(axis=0) - truth) ** 2).mean(axis=-1)
    change = (found[GREYS[-1]] - found[GREYS[0]]).mean(axis=-1) / (GREYS[-1] - GREYS[0])
    return {
        "hidden_fraction": HIDDEN_FRACTION,
        "error_visible": error[~hidden].mean(),
        "error_hidden": error[hidden].mean(),
        "error_mean_image": mean_image[hidden].mean(),
        "mean_grey": {str(grey): found[grey][hidden].mean() for grey in GREYS},
        "slope_hidden": change[hidden].mean(),
        "slope_visible": change[~hidden].mean(),
        "components_99": components(images),
    }


def components(images):
    """Count the principal components with 99 % of the variance of patches, by patch size."""
    found = {}
    for size in (8, 16, 32):
        patches = np.asarray(patchify(images, size)).reshape(-1, size * size)
        variance = np.linalg.eigvalsh(np.cov(patches, rowvar=False))[::-1]
        share = np.cumsum(variance) / variance.sum()
        found[str(size)] = {
            "components": int((share < 0.99).sum()) + 1,
            "share_of_128": share[min(128, len(share)) - 1],
        }
    return found


if __name__ == "__main__":
    main()
