"""Compare the anatomy and the lesions of simulated images with published and annotated ones.

::

    python tools/measure_simulator.py --real FOLDER    # two minutes

Anatomy: 300 simulated patients without a finding, PA and AP, beside statistics of real images that
were computed from public landmarks. The *thorax* is as wide as the lungs, from the first to the
last column that contains lung; the *heart* is as wide as the mask of cardiomegaly, which a patient
without cardiomegaly has, too; its *shift* is the distance of the centers of both, over the width of
the thorax. The *lungs* are the pixels where more than half of the lung is visible, without the part
behind heart and diaphragm.

Lesions: simulated images with one finding each, PA or AP as often as those of ChestX-ray14 with
this finding, beside the polygons that radiologists drew on NIH's images (ChestX-Det). All lesions
of a finding on an image count together. Only quantiles, means and fractions are written.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import real_images
from annotations import polygon_mask

from xraylab import phantom
from xraylab.findings import FINDINGS, title
from xraylab.phantom.heart_and_pleura import draw_heart
from xraylab.phantom.scene import build_scene

PATIENTS, ANATOMY_SIZE, LESION_SIZE, BATCH = 300, 128, 128, 100
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
ONE_SIDE = 0.9
"""Fraction of its area on one half of the image from which a finding counts as unilateral."""

JSRT = "JSRT, n = 246"
PADCHEST = "PadChest, n = 137"
PUBLISHED = {
    "heart/thorax width": {JSRT: (0.472, 0.055), PADCHEST: (0.552, 0.055)},
    "lungs, fraction of the image": {JSRT: (0.305, 0.055), PADCHEST: (0.204, 0.044)},
    "right/left lung area": {"landmarks": (1.24, 0.13)},
    "heart shift to the left/thorax width": {"landmarks": (0.065, 0.025)},
}
"""Mean and standard deviation on real images, computed from the landmarks of ``gaggion2022``. It is
not known from which of the data sets the last two are, nor how the shift was defined."""


def columns(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first column of each mask (n, size, size), and the one after its last."""
    occupied = masks.any(axis=1)
    return occupied.argmax(axis=1), masks.shape[-1] - occupied[:, ::-1].argmax(axis=1)


def anatomy(hearts: np.ndarray, lungs: np.ndarray, on_left: np.ndarray) -> dict[str, np.ndarray]:
    """Return the quantities of PUBLISHED, (n,) each.

    Shapes:
        hearts, lungs: (n, size, size) bool. on_left: the same, which pixels lie on the patient's
        left of the midline.
    """
    heart_start, heart_stop = columns(hearts)
    start, stop = columns(lungs)
    width = stop - start
    left = (lungs & on_left).sum(axis=(1, 2))
    values = (
        (heart_stop - heart_start) / width,
        lungs.mean(axis=(1, 2)),
        (lungs.sum(axis=(1, 2)) - left) / left,
        (heart_start + heart_stop - start - stop) / 2 / width,
    )
    return dict(zip(PUBLISHED, values, strict=True))


def simulated_anatomy(projection: str) -> dict[str, np.ndarray]:
    """Return the quantities of PUBLISHED of simulated patients without a finding, (n,) each."""
    parts = []
    config = phantom.PhantomConfig(projection=projection)
    for rows in np.split(np.arange(PATIENTS), PATIENTS // BATCH):
        healthy = np.zeros((len(rows), len(FINDINGS)), np.uint8)
        scene = build_scene(rows, ANATOMY_SIZE, 0, healthy, config)
        hearts = draw_heart(scene.chest, scene.findings["cardiomegaly"])[1] > 0.5
        parts.append(anatomy(hearts, scene.chest.lung > 0.5, scene.chest.x > 0))
    return {name: np.concatenate([part[name] for part in parts]) for name in PUBLISHED}


def spread(values: np.ndarray) -> dict:
    """Return mean, standard deviation and QUANTILES of values (n,)."""
    quantiles = np.quantile(values, QUANTILES)
    return {"mean": values.mean(), "sd": values.std(), "quantiles": quantiles}


def describe(masks: np.ndarray) -> dict:
    """Return size, mean position and laterality of masks (n, size, size) bool, none empty.

    x and y are of the center of mass, as fractions of the image from its left and its upper border;
    the patient's right is at the left of the image.
    """
    area = masks.mean(axis=(1, 2))
    at = (np.arange(masks.shape[-1]) + 0.5) / masks.shape[-1]
    x, y = ((masks.mean(axis=axis) * at).mean(axis=1) / area for axis in (1, 2))
    right = masks[..., : masks.shape[-1] // 2].mean(axis=(1, 2)) / 2 / area
    return {
        "images": len(masks),
        "area": spread(area),
        "x": x.mean(),
        "y": spread(y),
        "right": (right >= ONE_SIDE).mean(),
        "left": (right <= 1 - ONE_SIDE).mean(),
    }


def annotated_masks(folder: Path) -> dict[str, np.ndarray]:
    """Return the masks of ChestX-Det by finding, one for each image with the finding."""
    with gzip.open(folder / "chestx_det_nih.json.gz", "rt") as stream:
        images = json.load(stream)["images"]
    found = {}
    for name in FINDINGS:
        drawn = [
            [f["polygon"] for f in image["findings"] if f["finding"].lower() == title(name).lower()]
            for image in images
        ]
        masks = [polygon_mask(polygons, LESION_SIZE) for polygons in drawn if polygons]
        if masks:
            found[name] = np.array([mask for mask in masks if mask.any()])
    return found


def simulated_masks(name: str) -> np.ndarray:
    """Return the masks of a finding on simulated images that have no other one."""
    column = FINDINGS.index(name)
    labels = np.zeros((PATIENTS, len(FINDINGS)), np.uint8)
    labels[:, column] = 1
    options = {"labels": labels, "masks": True, "projection": "NIH"}
    return phantom.simulate(np.arange(PATIENTS), LESION_SIZE, **options).masks[:, column]


def main():
    options = real_images.parser(__doc__, "simulator.json").parse_args()
    annotated = annotated_masks(options.real)
    lesions = {
        name: {"annotated": describe(masks), "SIMULATED": describe(simulated_masks(name))}
        for name, masks in annotated.items()
    }
    by_view = {view: simulated_anatomy(view) for view in ("PA", "AP")}
    compared = {
        name: {source: {"mean": mean, "sd": sd} for source, (mean, sd) in published.items()}
        | {f"SIMULATED, {view}": spread(found[name]) for view, found in by_view.items()}
        for name, published in PUBLISHED.items()
    }
    facts = {"simulator": phantom.VERSION, "patients": PATIENTS, "quantiles": QUANTILES}
    real_images.write(options.out, {**facts, "anatomy": compared, "lesions": lesions})


if __name__ == "__main__":
    main()
