"""Measure where the label tokens of LT-ViT attend to on real images, for chapter 14.

::

    python tools/measure_lt_vit.py --real FOLDER

FOLDER holds nih_64.npz, the table of its patients, nih_images.csv, and the polygons of ChestX-Det,
chestx_det_nih.json.gz. The model is the shipped one, and the same untrained. Images that it was
trained on are left out. Only numbers over many images are written.
"""

import csv
import gzip
import json
from dataclasses import asdict
from math import log
from pathlib import Path

import keras
import numpy as np
import real_images
from keras import ops
from PIL import Image, ImageDraw
from scipy.special import expit

from xraylab import evaluation, explain, io, models, phantom
from xraylab.backend import compiled
from xraylab.findings import FINDINGS, title
from xraylab.models.weights import shipped_weights

OUT = Path(__file__).resolve().parents[1] / "book" / "measured" / "lt_vit.json"
NAME, SIZE, SOURCE_SIZE = "lt_vit_tiny", 64, 1024
NUM_IMAGES = 400


def main():
    options = real_images.parser(__doc__, OUT).parse_args()
    splits = dict(zip(("val", "test"), real_images.load(options.real, "val", "test"), strict=True))
    images = {name: split.arrays()[0] for name, split in splits.items()}
    rows = np.random.default_rng(0).choice(len(images["test"]), NUM_IMAGES, replace=False)
    typical = images["test"][np.sort(rows)]
    pairs = outlined_pairs(options.real, images)
    _, rows, findings, masks, patients = pairs
    values = {
        "about": "Attention of the label tokens of the shipped LT-ViT and of an untrained one on "
        "images that were not trained on: numbers over many images.",
        "weights_sha256": io.sha256(shipped_weights()[NAME, SIZE]),
        "typical": {"images": len(typical), "source": "NIH subset, test split"},
        "outlined": {
            "source": "NIH subset, validation and test split, polygons of ChestX-Det",
            "pairs": len(rows),
            "images": len(np.unique(rows)),
            "patients": len(np.unique(patients)),
            "mask_area": masks.mean(),
            "by_finding": {FINDINGS[k]: int((findings == k).sum()) for k in np.unique(findings)},
        },
    }
    keras.utils.set_random_seed(0)
    for name, weights in (("trained", "pretrained"), ("untrained", None)):
        model = models.build(NAME, image_size=SIZE, weights=weights)
        values["typical"][name] = attention_statistics(model, typical)
        values["outlined"][name] = localize(model, *pairs)
    values["without_selection"] = without_selection(splits["test"])
    io.write_json(options.out, rounded(io.to_plain(values)))


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
        side = round(on_image.shape[-1] ** 0.5)
        usual = on_image.mean(axis=0)
        between = on_labels.mean(axis=0) / share.mean(axis=0)[:, None]
        results[block] = {
            "on_labels": share.mean(),
            "uniformity": entropy.mean() / log(on_image.shape[-1]),
            "between_images": np.abs(on_image - usual).sum(axis=-1).mean() / 2,
            "between_labels": between,
            "co_occurrence": explain.spearman(between[apart][None], together[apart][None])[0],
            "usual_maps": usual.reshape(-1, side, side),
        }
    return results


def outlined_pairs(folder, images):
    """Load the pairs of an image and a finding with polygons; 10 patients a finding or more."""
    with (folder / "nih_images.csv").open(newline="") as stream:
        known = {row["image_index"]: row for row in csv.DictReader(stream)}
    with gzip.open(folder / "chestx_det_nih.json.gz", "rt") as stream:
        annotated = json.load(stream)["images"]
    by_title = {title(name).lower(): k for k, name in enumerate(FINDINGS)}
    inputs, rows, findings, masks, patients = [], [], [], [], []
    for entry in annotated:
        row = known.get(entry["image"], {"split": "train"})
        outlines = {}
        for found in entry["findings"]:
            if (k := by_title.get(found["finding"].lower())) is not None:
                outlines.setdefault(k, []).append(found["polygon"])
        if row["split"] == "train" or not outlines:
            continue
        for k, polygons in outlines.items():
            rows.append(len(inputs))
            findings.append(k)
            masks.append(mask_of(polygons))
            patients.append(row["patient"])
        inputs.append(images[row["split"]][int(row["row_64"])])
    rows, findings, masks = np.array(rows), np.array(findings), np.array(masks)
    patients = np.array(patients)
    valid = masks.any(axis=(1, 2)) & ~masks.all(axis=(1, 2))
    for k in np.unique(findings):
        if len(np.unique(patients[valid & (findings == k)])) < 10:
            valid &= findings != k
    return np.stack(inputs), rows[valid], findings[valid], masks[valid], patients[valid]


def mask_of(polygons):
    """Draw polygons in 1024-pixel coordinates as a mask of the small image."""
    canvas = Image.new("1", (SOURCE_SIZE, SOURCE_SIZE))
    for polygon in polygons:
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in polygon], fill=1)
    cell = SOURCE_SIZE // SIZE
    covered = np.asarray(canvas, np.float32).reshape(SIZE, cell, SIZE, cell).mean(axis=(1, 3))
    return covered >= 0.5


def localize(model, inputs, rows, findings, masks, patients):
    """Score the label maps, the mean of all label blocks and heads."""
    by_block = label_attention(model, inputs)
    mean = np.mean(list(by_block.values()), axis=0)[..., : -len(FINDINGS)]
    side = round(mean.shape[-1] ** 0.5)
    maps = explain.resize_maps(mean[rows, findings].reshape(-1, side, side), SIZE)

    found = explain.localization(maps, masks, groups=findings, patients=patients)
    return {name: asdict(found[name]) for name in ("pointing", "energy", "iou_half")}


def without_selection(test):
    """Score the trained model, and with attention to patches or to labels made uniform."""
    images, labels = test.arrays()
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

    arguments = {"patients": test.table["patient"], "progress": False, "scores": ["macro_auc"]}
    trained, *changed = (predict(uniform) for uniform in (None, 0, 1))
    return {
        "macro_auc": evaluation.bootstrap(labels, trained, **arguments)["macro_auc"],
        "images": len(test),
        **{
            name: evaluation.compare(labels, trained, p, **arguments)["macro_auc"]
            for name, p in zip(("uniform_patches", "uniform_labels"), changed, strict=True)
        },
    }


def rounded(values):
    """Round the numbers of plain values to five digits."""
    if isinstance(values, dict):
        return {name: rounded(value) for name, value in values.items()}
    if isinstance(values, list):
        return [rounded(value) for value in values]
    return round(values, 5) if isinstance(values, float) else values


if __name__ == "__main__":
    main()
