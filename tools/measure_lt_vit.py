"""Measure where the label tokens of LT-ViT attend to on real images, for chapter 14.

::

    python tools/measure_lt_vit.py --real FOLDER

FOLDER holds nih_64.npz, the table of its patients, nih_images.csv, and the polygons of ChestX-Det,
chestx_det_nih.json.gz. The model is the shipped one, and the same untrained. Images that it was
trained on are left out. Only numbers over many images are written.
"""

from math import log

import annotations
import keras
import measure_localization
import numpy as np
import real_images
from keras import ops
from scipy.special import expit

from xraylab import explain, io, models, phantom
from xraylab.backend import compiled
from xraylab.findings import FINDINGS
from xraylab.models.weights import shipped_weights

NAME, SIZE = "lt_vit_tiny", annotations.SIZE
NUM_IMAGES = 400


def main():
    options = real_images.parser(__doc__, "lt_vit.json").parse_args()
    [test] = real_images.load(options.real, "test")
    rows = np.random.default_rng(0).choice(len(test), NUM_IMAGES, replace=False)
    typical = test.arrays()[0][np.sort(rows)]
    outlined = annotations.polygons(options.real)
    values = {
        "about": "Attention of the label tokens of the shipped LT-ViT and of an untrained one on "
        "images that were not trained on: numbers over many images.",
        "weights_sha256": io.sha256(shipped_weights()[NAME, SIZE]),
        "typical": {"images": len(typical), "source": "NIH subset, test split"},
        "outlined": outlined.facts(),
    }
    keras.utils.set_random_seed(0)
    for name, weights in (("trained", "pretrained"), ("untrained", None)):
        model = models.build(NAME, image_size=SIZE, weights=weights)
        values["typical"][name] = attention_statistics(model, typical)
        values["outlined"][name] = localize(model, outlined)
    values["without_selection"] = without_selection(test)
    io.write_json(options.out, measure_localization.rounded(io.to_plain(values)))


def label_attention(model, images):
    """Compute the label tokens' attention by block, mean over heads: (image, label, key)."""
    found = {}
    for start in range(0, len(images), 50):
        out = model(images[start : start + 50], return_intermediates=True)
        for block, maps in out["label_attention"].items():
            found.setdefault(block, []).append(np.asarray(maps, np.float64).mean(axis=1))
    return {block: np.concatenate(parts) for block, parts in found.items()}


def attention_statistics(model, images):
    """Summarize where the label tokens attend to, block by block, over images."""
    results = {}
    vectors, counts = phantom.label_counts()
    y = np.repeat(vectors, counts[:, 0], axis=0).astype(np.float64)
    together = y.T @ y / y.sum(axis=0)[:, None]  # P(column | row) in ChestMNIST
    apart = ~np.eye(len(FINDINGS), dtype=bool)
    for block, maps in label_attention(model, images).items():
        on_image, on_labels = maps[..., : -len(FINDINGS)], maps[..., -len(FINDINGS) :]
        share = on_labels.sum(axis=-1)
        on_image = on_image / on_image.sum(axis=-1, keepdims=True)
        entropy = -(on_image * np.log(np.maximum(on_image, 1e-30))).sum(axis=-1)
        usual = on_image.mean(axis=0)
        between = on_labels.mean(axis=0) / share.mean(axis=0)[:, None]
        results[block] = {
            "on_labels": share.mean(),
            "uniformity": entropy.mean() / log(on_image.shape[-1]),
            "between_images": np.abs(on_image - usual).sum(axis=-1).mean() / 2,
            "between_labels": between,
            "co_occurrence": explain.spearman(between[apart][None], together[apart][None])[0],
        }
    return results


def localize(model, outlined):
    """Score the label maps, the mean of all label blocks and heads."""
    by_block = label_attention(model, outlined.images)
    mean = np.mean(list(by_block.values()), axis=0)[..., : -len(FINDINGS)]
    side = round(mean.shape[-1] ** 0.5)
    maps = mean[outlined.rows, outlined.findings].reshape(-1, side, side)
    found = measure_localization.localize(maps, outlined)
    return {name: found[name] for name in ("pointing", "energy", "iou_half")}


def without_selection(test):
    """Score the trained model, and with attention to patches or to labels made uniform."""
    images = test.arrays()[0]
    model = models.build(NAME, image_size=SIZE, weights="pretrained")

    def predict(uniform):
        def transform(name, maps):
            if uniform is None or not name.endswith("label_attention"):
                return maps
            parts = [maps[..., : -len(FINDINGS)], maps[..., -len(FINDINGS) :]]
            parts[uniform] = ops.mean(parts[uniform], axis=-1, keepdims=True) + 0 * parts[uniform]
            return ops.concatenate(parts, axis=-1)

        run = compiled(lambda x: model(x, attention_transform=transform), model.variables)
        batches = [images[i : i + 47] for i in range(0, len(images), 47)]
        return expit(np.concatenate([np.asarray(run(x)) for x in batches]))

    trained, *changed = (predict(uniform) for uniform in (None, 0, 1))
    return {
        "macro_auc": real_images.macro_auc(test, trained),
        "images": len(test),
        **{
            name: real_images.macro_auc(test, p, minus=trained)
            for name, p in zip(("uniform_patches", "uniform_labels"), changed, strict=True)
        },
    }


if __name__ == "__main__":
    main()
