"""Simulate images by index: equal arguments give equal images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument, require_int
from xraylab.findings import FINDINGS
from xraylab.phantom.appearance import randomise
from xraylab.phantom.config import PhantomConfig
from xraylab.phantom.devices import DEVICES
from xraylab.phantom.exposure import expose
from xraylab.phantom.finding_models import FINDING_MODELS
from xraylab.phantom.labels import apply_label_noise, check_indices, check_labels, sample_labels
from xraylab.phantom.rng import MAX_SEED
from xraylab.phantom.scene import build_scene

VERSION = 7
"""Version of the simulator; it changes whenever the bytes of the images do."""

MIN_SIZE, MAX_SIZE = 28, 1024
"""Bounds of the image size in pixels."""

_SIDES = [(name, np.float32) for name in ("x_min", "y_min", "x_max", "y_max")]
BOX_DTYPE = np.dtype([("image", np.int64), ("finding", np.int64), *_SIDES])
"""One box: index of the image, index of the finding in :data:`xraylab.findings.FINDINGS`, and edges
as fractions of the image's side, from the upper left corner."""

FACT_DTYPE = np.dtype(
    [
        ("sex", "U1"),
        ("age", np.int64),
        ("projection", "U2"),
        ("devices", np.uint8, (len(DEVICES),)),
        ("truth", np.uint8, (len(FINDINGS),)),
        ("side", "U1", (len(FINDINGS),)),
        ("severity", np.float32, (len(FINDINGS),)),
    ]
)
"""Ground truth of an image: sex ``F`` or ``M``, age in years, projection ``PA`` or ``AP``; which of
:data:`xraylab.phantom.DEVICES` it shows; and for each finding whether it is present, on which side
(the patient's ``R`` or ``L``, ``B`` bilateral, ``M`` midline, empty if absent) and its severity
from 0 to 1 (0 if absent)."""

_BATCH_PIXELS = 1 << 17
"""Pixels simulated at once: few enough that intermediate arrays stay in the processor's cache."""


@dataclass(frozen=True)
class SimulatedImages:
    """Simulated images and their ground truth.

    Shapes:
        images: (n, size, size) uint8, 0 to 255.
        labels: (n, 14) uint8, 0 or 1: the labels of the report, equal to ``facts["truth"]`` unless
            ``sensitivity`` or ``specificity`` is below 1.
        masks: (n, 14, size, size) bool, the pixels of each finding; None unless requested.
        boxes: (number of findings on all images,) of :data:`BOX_DTYPE`, enclosing the masks.
        facts: (n,) of :data:`FACT_DTYPE`.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None
    boxes: np.ndarray
    facts: np.ndarray


def simulate(
    indices: ArrayLike,
    size: int = 224,
    seed: int = 0,
    *,
    labels: ArrayLike | None = None,
    masks: bool = False,
    **parameters: Any,
) -> SimulatedImages:
    """Simulate chest X-rays.

    An image depends on its index, the seed, the size, its findings and the parameters, not on the
    other images of the call. (On another type of processor, a rare pixel differs by one grey
    level.) Another size shows the same patient with the same findings but other noise. A parameter
    changes only the property it describes.

    Args:
        indices: (n,) indices of the images: integers, at least 0.
        size: side of the images in pixels, from 28 to 1024.
        seed: integer, at least 0; another seed gives another population.
        labels: (n, 14) zeros and ones, the findings on the images; by default they are sampled from
            ChestMNIST's joint label distribution.
        masks: whether to return the masks, which have 14 times as many pixels as the images.
        **parameters: fields of :class:`PhantomConfig`, such as ``severity=(0.5, 1)``.

    Returns:
        :class:`SimulatedImages`. Measurements on them say nothing about patients.

    Raises:
        ValueError: if an argument is invalid, or parameters contradict each other.
    """
    indices, config = check_indices(indices), PhantomConfig(**parameters)
    size, seed, findings = _check_arguments(indices, size, seed, labels, config)
    step = max(1, _BATCH_PIXELS // size**2)
    batches = []
    for start in range(0, len(indices), step):
        rows = slice(start, start + step)
        *arrays, boxes = _simulate_batch(indices[rows], size, seed, findings[rows], masks, config)
        boxes["image"] += start
        batches.append((*arrays, boxes))
    images, all_masks, facts, boxes = map(np.concatenate, zip(*batches, strict=True))
    noisy_labels = apply_label_noise(findings, indices, seed, config)
    return SimulatedImages(images, noisy_labels, all_masks if masks else None, boxes, facts)


def layers(
    index: int,
    size: int = 224,
    seed: int = 0,
    *,
    labels: ArrayLike | None = None,
    **parameters: Any,
) -> dict[str, np.ndarray]:
    """Decompose one image into the layers whose attenuations add up along the rays.

    Args:
        index: index of the image, at least 0.
        size: as for :func:`simulate`.
        seed: as for :func:`simulate`.
        labels: (14,) zeros and ones; sampled by default.
        **parameters: as for :func:`simulate`.

    Returns:
        (size, size) float32 arrays by name, in drawing order: ``body`` (soft tissue minus the air),
        ``mediastinum``, ``bones``, ``vessels`` and each finding that is present, in cm of water (a
        finding that modifies the patient also changes the first four); ``metal``, the attenuation
        of devices and markers; and ``image``, from 0 to 1.

    Raises:
        ValueError: as :func:`simulate`.
    """
    indices = np.array([require_int("index", index, 0, MAX_SEED)])
    config = PhantomConfig(**parameters)
    labels = None if labels is None else np.asarray(labels)[np.newaxis]
    size, seed, findings = _check_arguments(indices, size, seed, labels, config)
    scene = build_scene(indices, size, seed, findings, config, keep_layers=True)
    arrays = {**scene.layers, "metal": scene.attenuation}
    arrays["image"] = _grey_levels(scene, config)
    return {name: array[0].astype(np.float32) for name, array in arrays.items()}


def _check_arguments(indices, size, seed, labels, config):
    """Return size, seed and the findings on the images, (n, 14) uint8: the labels, or a sample."""
    size = require_int("size", size, MIN_SIZE, MAX_SIZE)
    seed = require_int("seed", seed, 0, MAX_SEED)
    if labels is None:
        return size, seed, sample_labels(indices, seed, prevalence=config.prevalence)
    if config.prevalence is not None:
        raise invalid_argument("prevalence", "None where labels are given", config.prevalence)
    return size, seed, check_labels(labels, len(indices))


def _simulate_batch(indices, size, seed, findings, with_masks, config):
    """Simulate a batch; return images, masks (of all findings or none), facts and boxes."""
    scene = build_scene(indices, size, seed, findings, config)
    masks = np.zeros((len(indices), len(FINDINGS) if with_masks else 0, size, size), bool)
    boxes = [np.zeros(0, BOX_DTYPE)]
    for column, (rows, soft_mask) in scene.soft_masks.items():
        maximum = soft_mask.max(axis=(1, 2), keepdims=True)
        # Above 0.5, or the maximum if no pixel is.
        mask = (soft_mask > 0) & (soft_mask >= np.minimum(maximum, 0.5))
        boxes.append(_boxes(mask, rows, column))
        if with_masks:
            masks[rows, column] = mask
    boxes = np.concatenate(boxes)
    boxes = boxes[np.lexsort((boxes["finding"], boxes["image"]))]
    grey = _grey_levels(scene, config)
    images = np.clip(np.rint(255 * grey), 0, 255).astype(np.uint8)
    return images, masks, _facts(scene, findings), boxes


def _grey_levels(scene, config):
    """Compute the exposed images of a scene, (n, size, size) from 0 to 1."""
    grey = expose(scene.chest, scene.attenuation, config.exposure)
    if config.appearance == "randomised":
        grey = randomise(grey, scene.chest.indices, scene.chest.seed)
    return grey


def _boxes(mask, rows, column):
    """Return the boxes that enclose the masks of one finding."""
    size = mask.shape[-1]
    across, down = mask.any(axis=1), mask.any(axis=2)
    boxes = np.zeros(len(rows), BOX_DTYPE)
    boxes["image"], boxes["finding"] = rows, column
    boxes["x_min"], boxes["y_min"] = across.argmax(axis=1) / size, down.argmax(axis=1) / size
    boxes["x_max"] = 1 - across[:, ::-1].argmax(axis=1) / size
    boxes["y_max"] = 1 - down[:, ::-1].argmax(axis=1) / size
    return boxes


def _facts(scene, findings):
    """Return the ground truth of the images."""
    patients = scene.chest.patient
    facts = np.zeros(len(findings), FACT_DTYPE)
    facts["sex"] = np.where(patients.sex == 1, "M", "F")
    facts["age"] = patients.age
    facts["projection"] = np.where(patients.portable == 1, "AP", "PA")
    facts["devices"], facts["truth"] = scene.devices, findings
    for column, name in enumerate(FINDINGS):
        letters = np.array(["R", "B", "L"])[scene.findings[name].side + 1]
        facts["side"][:, column] = FINDING_MODELS[name].side or letters
        facts["severity"][:, column] = scene.findings[name].severity
    facts["side"][findings == 0] = ""
    facts["severity"][findings == 0] = 0
    return facts
