"""Images made to order: any index, any size, the same bytes every time."""

from dataclasses import dataclass

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom.devices import DEVICES
from xraylab.phantom.drawing import draw
from xraylab.phantom.exposure import expose
from xraylab.phantom.knobs import Knobs, read_reports
from xraylab.phantom.labels import (
    MOST_SEED,
    check_indices,
    check_labels,
    check_whole,
    draw_labels,
)
from xraylab.phantom.signs import TABLE

VERSION = 6
"""Number of the simulator; it changes whenever the bytes of the images do."""

SMALLEST, LARGEST = 28, 1024
"""Bounds of the images' sides in pixels."""

BOX_DTYPE = np.dtype(
    [
        ("image", np.int64),
        ("finding", np.int64),
        ("x_min", np.float32),
        ("y_min", np.float32),
        ("x_max", np.float32),
        ("y_max", np.float32),
    ]
)
"""One box: place of the image, column of the label, sides as fractions of the image's side."""

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
"""What is known of an image: sex ``F`` or ``M``, age in years, projection ``PA`` or ``AP``; which of
:data:`xraylab.phantom.DEVICES` it shows; and for each finding whether it is there, on which side
(the patient's ``R`` or ``L``, ``B`` for both, ``M`` for the middle, empty where it is not there)
and how severe it is, from 0 to 1 (0 where it is not there)."""

_BATCH_PIXELS = 1 << 17
"""Pixels drawn at once: few enough that the intermediate pictures stay in the processor's cache."""


@dataclass(frozen=True)
class SimulatedImages:
    """Simulated images and the truth about them.

    Shapes:
        images: (n, size, size) uint8, 0 to 255.
        labels: (n, 14) uint8, 0 or 1: what the report says, which is the truth unless the knobs
            ``sensitivity`` and ``specificity`` say otherwise.
        masks: (n, 14, size, size) bool, the pixels of each finding; None unless asked for.
        boxes: (number of findings on all images,) of :data:`BOX_DTYPE`; the box encloses the mask.
        facts: (n,) of :data:`FACT_DTYPE`.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None
    boxes: np.ndarray
    facts: np.ndarray


def simulate(indices, size=224, seed=0, *, labels=None, masks=False, **knobs):
    """Simulate chest X-rays.

    An image depends on its index, the seed, the size, its findings and the knobs alone, not on the
    images beside it. (On another kind of processor a rare pixel is one grey level off.) At another
    size it shows the same patient with the same findings; the noise differs. What a knob does not
    touch stays as it was.

    Args:
        indices: (n,) numbers of the images, whole and at least 0.
        size: side in pixels, from 28 to 1024.
        seed: whole number of at least 0; another seed gives another population.
        labels: (n, 14) zeros and ones, to decide the findings; by default they are drawn from
            ChestMNIST's joint label distribution.
        masks: whether to return the masks too, 14 times the pixels of the images.
        knobs: attributes of :class:`Knobs` by name, such as ``severity=(0.5, 1)``.

    Returns:
        :class:`SimulatedImages`. They are simulated: nothing measured on them says anything about patients.

    Raises:
        ValueError: if an argument is out of range, or knobs contradict; the message names it.
    """
    size = check_whole("size", size, SMALLEST, LARGEST)
    seed = check_whole("seed", seed, 0, MOST_SEED)
    indices, knobs = check_indices(indices), Knobs.of(**knobs)
    truth = _truth_of(indices, seed, labels, knobs)
    chunk = max(1, _BATCH_PIXELS // size**2)
    parts = [
        _make(indices[start:stop], size, seed, truth[start:stop], masks, knobs)
        for start, stop in ((s, s + chunk) for s in range(0, len(indices), chunk))
    ]
    for number, (_, _, boxes, _) in enumerate(parts):
        boxes["image"] += number * chunk
    images, drawn, boxes, facts = (
        None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True)
    )
    return SimulatedImages(images, read_reports(truth, indices, seed, knobs), drawn, boxes, facts)


def _make(indices, size, seed, truth, want_masks, knobs):
    """Make a few images at once; return images, masks or None, boxes and facts."""
    drawing = draw(indices, size, seed, truth, knobs)
    masks = np.zeros((len(indices), len(FINDINGS), size, size), bool) if want_masks else None
    boxes = []
    for finding, (chosen, where) in drawing.found.items():
        inside = _where(where)
        boxes.append(_boxes(inside, chosen, finding))
        if want_masks:
            masks[chosen, finding] = inside
    grey = expose(drawing.chest, drawing.metal, knobs.exposure)
    images = np.clip(np.rint(255 * grey), 0, 255).astype(np.uint8)
    return images, masks, _in_order(boxes), _table(drawing, truth)


def layers(index, size=224, seed=0, *, labels=None, **knobs):
    """Take one image apart: what each layer adds up to along the rays.

    Args:
        index: number of the image.
        labels: (14,) zeros and ones; the rest is as for :func:`simulate`.

    Returns:
        A dictionary of (size, size) float32 pictures in the order in which they are drawn: ``body``
        (soft tissue less the air), ``mediastinum``, ``bones``, ``vessels`` and each finding that is
        there, all in centimetres of water (what a finding changes in the patient shows in the first
        four); ``metal``, devices and marks, as an attenuation; and ``image``, from 0 to 1.

    Raises:
        ValueError: as :func:`simulate`.
    """
    size = check_whole("size", size, SMALLEST, LARGEST)
    seed = check_whole("seed", seed, 0, MOST_SEED)
    indices = np.array([check_whole("index", index, 0, MOST_SEED)])
    knobs = Knobs.of(**knobs)
    if labels is not None and np.shape(labels) != (len(FINDINGS),):
        raise ValueError(
            f"labels must be ({len(FINDINGS)},) zeros and ones, one a finding; "
            f"{np.shape(labels)} came"
        )
    given = None if labels is None else np.asarray(labels)[np.newaxis]
    truth = _truth_of(indices, seed, given, knobs)
    drawing = draw(indices, size, seed, truth, knobs, keep_layers=True)
    pictures = {**drawing.layers, "metal": drawing.metal}
    pictures["image"] = expose(drawing.chest, drawing.metal, knobs.exposure)
    return {name: picture[0].astype(np.float32) for name, picture in pictures.items()}


def _truth_of(indices, seed, labels, knobs):
    """Return the findings of some images, (n, 14) uint8."""
    if labels is None:
        return draw_labels(indices, seed, prevalence=knobs.prevalence)
    if knobs.prevalence is not None:
        raise ValueError(
            "prevalence must be None where labels are given, because the labels decide the "
            f"findings; {knobs.prevalence!r} came"
        )
    return check_labels(labels, len(indices))


def _where(truth):
    """Return the pixels of a finding; its strongest one where it is too small for any."""
    strongest = truth.max(axis=(1, 2), keepdims=True)
    return (truth > 0) & (truth >= np.minimum(strongest, 0.5))


def _boxes(inside, chosen_rows, column):
    """Return the boxes of one finding."""
    size = inside.shape[-1]
    across, down = inside.any(axis=1), inside.any(axis=2)
    boxes = np.zeros(len(chosen_rows), BOX_DTYPE)
    boxes["image"], boxes["finding"] = chosen_rows, column
    boxes["x_min"], boxes["y_min"] = across.argmax(axis=1) / size, down.argmax(axis=1) / size
    boxes["x_max"] = 1 - across[:, ::-1].argmax(axis=1) / size
    boxes["y_max"] = 1 - down[:, ::-1].argmax(axis=1) / size
    return boxes


def _in_order(boxes):
    """Return all boxes of a batch, image by image."""
    joined = np.concatenate([np.zeros(0, BOX_DTYPE), *boxes])
    return joined[np.lexsort((joined["finding"], joined["image"]))]


def _table(drawing, truth):
    """Return what is known of the images."""
    patients = drawing.chest.patient
    table = np.zeros(len(truth), FACT_DTYPE)
    table["sex"] = np.where(patients.sex == 1, "M", "F")
    table["age"] = patients.age
    table["projection"] = np.where(patients.portable == 1, "AP", "PA")
    table["devices"], table["truth"] = drawing.devices, truth
    for column, name in enumerate(FINDINGS):
        letters = np.array(["R", "B", "L"])[drawing.signs[name].side + 1]
        table["side"][:, column] = TABLE[name].side or letters
        table["severity"][:, column] = drawing.signs[name].severity
    table["side"][truth == 0] = ""
    table["severity"][truth == 0] = 0
    return table
