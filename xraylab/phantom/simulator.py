"""Films made to order: any index, any size, the same bytes every time."""

import operator
from dataclasses import dataclass

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom.anatomy import draw_anatomy, draw_patients, lay_out
from xraylab.phantom.draws import uniform
from xraylab.phantom.exposure import expose
from xraylab.phantom.labels import check_indices, check_labels, draw_labels
from xraylab.phantom.signs import ALTER, PAINT

VERSION = 3
"""Number of the simulator; it changes whenever the bytes of the films do."""

SMALLEST, LARGEST = 28, 1024
"""Bounds of the films' sides in pixels."""

BOX_DTYPE = np.dtype(
    [
        ("film", np.int64),
        ("finding", np.int64),
        ("x_min", np.float32),
        ("y_min", np.float32),
        ("x_max", np.float32),
        ("y_max", np.float32),
    ]
)
"""One box: place of the film, column of the label, sides as fractions of the film's side."""

FACT_DTYPE = np.dtype([("sex", "U1"), ("age", np.int64), ("projection", "U2")])
"""What is known of a film's patient: ``F`` or ``M``, years, ``PA`` or ``AP``."""

_BATCH_PIXELS = 1 << 17
"""Pixels drawn at once: few enough that the intermediate pictures stay in the processor's cache."""


@dataclass(frozen=True)
class Films:
    """Simulated films and the truth about them.

    Shapes:
        images: (n, size, size) uint8, 0 to 255.
        labels: (n, 14) uint8, 0 or 1.
        masks: (n, 14, size, size) bool, the pixels of each finding; None unless asked for.
        boxes: (number of findings on all films,) of :data:`BOX_DTYPE`; the box encloses the mask.
        facts: (n,) of :data:`FACT_DTYPE`.
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None
    boxes: np.ndarray
    facts: np.ndarray


def films(indices, size=224, seed=0, *, labels=None, masks=False):
    """Simulate chest films.

    A film depends on its index, the seed, the size and its labels alone, not on the films beside
    it. At another size it shows the same patient with the same findings; the noise differs.

    Args:
        indices: (n,) numbers of the films, whole and at least 0.
        size: side in pixels, from 28 to 1024.
        seed: whole number of at least 0; another seed gives another population.
        labels: (n, 14) zeros and ones, to decide the findings; by default they are drawn from
            ChestMNIST's joint label distribution.
        masks: whether to return the masks too, 14 times the pixels of the films.

    Returns:
        :class:`Films`. They are simulated: nothing measured on them says anything about patients.

    Raises:
        ValueError: if an argument is out of range; the message names it.
    """
    size, seed = _whole("size", size, SMALLEST, LARGEST), _whole("seed", seed, 0, 2**63 - 1)
    indices = check_indices(indices)
    labels = draw_labels(indices, seed) if labels is None else check_labels(labels, len(indices))
    chunk = max(1, _BATCH_PIXELS // size**2)
    parts = [
        _draw(indices[start : start + chunk], size, seed, labels[start : start + chunk], masks)
        for start in range(0, len(indices), chunk)
    ]
    for number, (_, _, boxes, _) in enumerate(parts):
        boxes["film"] += number * chunk
    images, truth, boxes, facts = (
        None if part[0] is None else np.concatenate(part) for part in zip(*parts, strict=True)
    )
    return Films(images, labels, truth, boxes, facts)


def _draw(indices, size, seed, labels, want_masks):
    """Draw a few films at once; return images, masks or None, boxes and facts."""
    patients = draw_patients(indices, seed)
    numbers = {name: uniform(seed, indices, f"sign {name}", 12) for name in FINDINGS}
    for name, alter in ALTER.items():
        chosen = np.flatnonzero(labels[:, FINDINGS.index(name)])
        some = patients.rows(chosen)
        alter(some, numbers[name][chosen])
        for attribute, values in vars(some).items():
            getattr(patients, attribute)[chosen] = values
    chest = lay_out(patients, indices, seed, size)
    draw_anatomy(chest)

    masks = np.zeros((len(indices), len(FINDINGS), size, size), bool) if want_masks else None
    boxes = []
    for column, name in enumerate(FINDINGS):
        chosen = np.flatnonzero(labels[:, column])
        if not len(chosen):
            continue
        added, truth = PAINT[name](chest.rows(chosen), numbers[name][chosen])
        chest.attenuation[chosen] += added
        inside = _where(truth)
        boxes.append(_boxes(inside, chosen, column))
        if want_masks:
            masks[chosen, column] = inside
    return expose(chest), masks, _in_order(boxes), _table(patients)


def _where(truth):
    """Return the pixels of a finding; its strongest one where it is too small for any."""
    strongest = truth.max(axis=(1, 2), keepdims=True)
    return truth >= np.minimum(strongest, 0.5)


def _boxes(inside, films_, column):
    """Return the boxes of one finding."""
    size = inside.shape[-1]
    across, down = inside.any(axis=1), inside.any(axis=2)
    boxes = np.zeros(len(films_), BOX_DTYPE)
    boxes["film"], boxes["finding"] = films_, column
    boxes["x_min"], boxes["y_min"] = across.argmax(axis=1) / size, down.argmax(axis=1) / size
    boxes["x_max"] = 1 - across[:, ::-1].argmax(axis=1) / size
    boxes["y_max"] = 1 - down[:, ::-1].argmax(axis=1) / size
    return boxes


def _in_order(boxes):
    """Return all boxes of a batch, film by film."""
    joined = np.concatenate([np.zeros(0, BOX_DTYPE), *boxes])
    return joined[np.lexsort((joined["finding"], joined["film"]))]


def _table(patients):
    """Return what is known of the patients."""
    table = np.zeros(len(patients.age), FACT_DTYPE)
    table["sex"] = np.where(patients.sex == 1, "M", "F")
    table["age"] = patients.age
    table["projection"] = np.where(patients.portable == 1, "AP", "PA")
    return table


def _whole(name, value, least, most):
    """Return a whole number, or say why it is none."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most}; {value!r} came")
    return number
