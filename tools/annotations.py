"""Images with masks of their findings; real ones with those that readers drew by hand."""

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from xraylab import explain
from xraylab.data.nih14 import read_boxes
from xraylab.findings import FINDINGS, title

SIZE, SOURCE_SIZE = 64, 1024
"""Sides in pixels of the images, and of those in whose pixels the polygons are given."""


class Annotated(NamedTuple):
    """Pairs of an image and one of its findings, with the mask of the finding.

    Attributes:
        images: (images, size, size, 1) float32 in [0, 1].
        rows, findings: (pairs,), indices of the image and the finding.
        masks: (pairs, size, size) bool, neither empty nor full.
        patients: (pairs,), the patient of each image.
        source: where the images and the masks come from.
    """

    images: np.ndarray
    rows: np.ndarray
    findings: np.ndarray
    masks: np.ndarray
    patients: np.ndarray
    source: str

    def subset(self, chosen):
        """Return some of the pairs, with all images."""
        names = ("rows", "findings", "masks", "patients")
        return self._replace(**{name: getattr(self, name)[chosen] for name in names})

    def facts(self):
        """Describe the pairs by numbers."""
        found, counts = np.unique(self.findings, return_counts=True)
        return {
            "source": self.source,
            "size": SIZE,
            "pairs": len(self.rows),
            "images": len(self.images),
            "patients": len(np.unique(self.patients)),
            "by_finding": {FINDINGS[k]: int(n) for k, n in zip(found, counts, strict=True)},
            "mask_area": float(self.masks.mean()),
        }


def annotate(images, rows, findings, masks, patients, min_patients, source) -> Annotated:
    """Pair images with findings, but leave out empty and full masks, and findings of few patients.

    Args:
        images: (images, size, size) uint8; those without a pair are left out.
        rows, findings, masks, patients, source: as in :class:`Annotated`.
        min_patients: of each finding.
    """
    valid = masks.any(axis=(1, 2)) & ~masks.all(axis=(1, 2))
    for k in np.unique(findings):
        if len(np.unique(patients[valid & (findings == k)])) < min_patients:
            valid &= findings != k
    used, rows = np.unique(rows[valid], return_inverse=True)
    shown = images[used][..., None] / np.float32(255)
    return Annotated(shown, rows, findings[valid], masks[valid], patients[valid], source)


def polygons(folder: Path) -> Annotated:
    """Load the findings that radiologists outlined, those of at least 10 patients.

    References: ChestX-Det (``lian2021``).
    """
    images, table = _held_out(folder)
    row_of = {name: row for row, name in enumerate(table["image_index"])}
    finding_of = {title(name).lower(): k for k, name in enumerate(FINDINGS)}
    with gzip.open(folder / "chestx_det_nih.json.gz", "rt") as stream:
        annotated = json.load(stream)["images"]
    drawn = {}
    for entry in annotated:
        for found in entry["findings"]:
            pair = row_of.get(entry["image"]), finding_of.get(found["finding"].lower())
            if None not in pair:
                drawn.setdefault(pair, []).append(found["polygon"])
    masks = [polygon_mask(outlines) for outlines in drawn.values()]
    return _held_out_pairs(images, table, [*drawn], masks, 10, "polygons of ChestX-Det")


def boxes(folder: Path) -> Annotated:
    """Load the findings in NIH's list of boxes, those of at least 3 patients.

    References: ``wang2017``.
    """
    images, table = _held_out(folder)
    listed = read_boxes(folder, [*table["image_index"]])
    pairs, masks = [], []
    for k in np.unique(listed["finding"]):
        rows, found = explain.box_masks(listed, SIZE, k)
        pairs += [(row, k) for row in rows]
        masks += [*found]
    return _held_out_pairs(images, table, pairs, masks, 3, "NIH's hand-drawn boxes")


def polygon_mask(polygons: list, size: int = SIZE) -> np.ndarray:
    """Return the pixels (size, size) of which polygons, in source pixels, cover at least half."""
    canvas = Image.new("1", (SOURCE_SIZE, SOURCE_SIZE))
    for polygon in polygons:
        ImageDraw.Draw(canvas).polygon([tuple(point) for point in polygon], fill=1)
    cell = SOURCE_SIZE // size
    covered = np.asarray(canvas, np.float32).reshape(size, cell, size, cell).mean(axis=(1, 3))
    return covered >= 0.5


def _held_out(folder):
    """Return the images (n, 64, 64) of the validation and the test split, and their table."""
    table = pd.read_csv(folder / "nih_images.csv", dtype={"patient": str, "row_64": "Int64"})
    table = table.dropna(subset="row_64")
    parts = [table[table["split"] == split] for split in ("val", "test")]
    with np.load(folder / "nih_64.npz") as file:
        images = [file[f"{rows['split'].iloc[0]}_images"][rows["row_64"]] for rows in parts]
    return np.concatenate(images), pd.concat(parts, ignore_index=True)


def _held_out_pairs(images, table, pairs, masks, min_patients, masks_from):
    """Annotate the images of :func:`_held_out`; pairs have the row and the finding of each mask."""
    rows, findings = np.array(pairs).T
    patients = table["patient"].to_numpy()[rows]
    source = f"NIH subset, validation and test split, {masks_from}"
    return annotate(images, rows, findings, np.array(masks), patients, min_patients, source)
