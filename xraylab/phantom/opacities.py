"""Findings that make the lung denser: air gives way to fluid, cells or scar.

Terms follow the glossary of the Fleischner Society (``hansell2008``); edema and the shapes of
collapsed lobes follow ``goodman2015``. Every function returns the centimetres of water to add and
the truth, a field (n, size, size) that is above 0.5 where the finding is.
"""

import numpy as np

from xraylab.phantom.patient import LEFT, RIGHT
from xraylab.phantom.shapes import band, column, dome, ellipse, smooth_field, step
from xraylab.phantom.sign import cloud, fill, hilum_of, place_in_lung, texture
from xraylab.phantom.strokes import blur, bow, tube


def atelectasis_alter(patient, sign):
    """Volume loss: the mediastinum moves to that side; below a lost lower lobe the dome rises."""
    loss = 0.3 + 2.4 * sign.severity * (0.5 + 0.5 * sign.u[:, 0])
    low = (sign.u[:, 1] >= 0.4) & (sign.u[:, 1] < 0.88)
    _raise_domes(patient, sign, np.where(low, loss, 0.4 * loss))
    patient.shift = patient.shift + sign.side * 0.5 * loss


def _raise_domes(patient, sign, rise):
    """Raise the diaphragm by (n,) cm on the side of the sign, or on both."""
    patient.dome_right = patient.dome_right - np.where(sign.side <= 0, rise, 0)
    patient.dome_left = patient.dome_left - np.where(sign.side >= 0, rise, 0)


def atelectasis(chest, sign):
    """Less volume: plates level with the diaphragm, a collapsed lobe, or a dense base.

    Plate-like (Fleischner): linear, usually above the diaphragm. Lobar (``goodman2015``): an upper
    lobe on the right draws its fissure upwards, on the left it fades downwards, having none; a
    lower lobe folds to a triangle behind the heart.
    """
    side = sign.sides
    lung = chest.lung_of(side)
    kind = sign.u[:, 1][:, np.newaxis, np.newaxis]
    reach = chest.reach
    slope = sign.between(2, -0.12, 0.25) * (chest.beside - 6)
    level = chest.lower - sign.between(3, 1.0, 4.0) - slope
    narrow = sign.graded(0.35, 0.8)
    wide = np.maximum(narrow, 0.9 * column(chest.pitch))  # no plate falls between two pixels
    plate = band(chest.y - level, wide)
    second = band(chest.y - level + sign.between(4, 1.2, 2.5), wide) * sign.chance(5, 0.5)
    span = step(sign.between(6, 0.6, 0.95) - reach, 0.08) * step(reach - 0.22, 0.08)
    plates = np.maximum(plate, second) * span

    hilum_x, hilum_y = hilum_of(chest, np.where(side == 0, 1.0, side))
    fold = np.abs(hilum_x) - 0.5 + sign.between(2, 0.25, 0.6) * (chest.y - hilum_y)
    lower = step(fold - chest.beside, 0.3) * step(chest.y - hilum_y, 0.8)
    fissure = hilum_y - 0.3 - 0.3 * sign.between(3, 0.0, 1.0) * (chest.beside - 3.5)
    upper = step(fissure - sign.graded(0.0, 3.0) - chest.y, np.where(chest.x > 0, 2.5, 0.3))
    base = step(chest.y - chest.lower + sign.graded(2.0, 5.0), 1.5)

    is_plate, is_lower, is_upper = kind < 0.4, (kind >= 0.4) & (kind < 0.6), kind >= 0.88
    shape = np.where(is_plate, plates, np.where(is_lower, lower, np.where(is_upper, upper, base)))
    thick = np.where(is_plate, sign.graded(1.5, 4.0) * narrow / wide, sign.graded(2.5, 8.0))
    # Behind the heart there is lung to collapse, too, though little of it is seen.
    behind = ((side == 0) | (side * chest.x > 0)) * step(chest.lower - chest.y, chest.soft)
    here = np.where(is_lower, behind, lung)
    truth = shape * here
    return fill(chest, thick) * truth, truth * 1.4


def _haze(chest, sign, name, *, blobs, radius, thick, cells, low=0.2, high=0.9):
    """Return water and truth of some clouds with uneven edges in one lung or both."""
    total = np.zeros_like(chest.x)
    for number in range(blobs):
        place = 6 * number
        side = sign.one_side(number)
        x, y = place_in_lung(chest, sign, place, side, low, high)
        wide = sign.between(place + 2, *radius)
        one = cloud(chest, x, y, wide, wide * sign.between(place + 3, 0.7, 1.4))
        there = sign.another(number, place + 4, 0.75)
        total = np.maximum(total, one * there * ((side * chest.x) > 0))
    truth = np.minimum(total, 1.0) * chest.lung
    uneven = 0.35 + 1.2 * texture(chest, name, cells)
    return fill(chest, sign.graded(*thick) * truth * uneven), truth * 1.4


def infiltration(chest, sign):
    """Ill-defined, patchy opacity (an older term for what is no better described; Fleischner)."""
    return _haze(
        chest, sign, "infiltration", blobs=4, radius=(2.5, 5.5), thick=(1.8, 6.5), cells=16
    )


def pneumonia(chest, sign):
    """Patchy consolidation, more often below, with branches of air left in it (Fleischner)."""
    added, truth = _haze(
        chest, sign, "pneumonia", blobs=3, radius=(1.8, 4.2), thick=(3.0, 9.5), cells=20, low=0.4
    )
    return added * (1 - 0.45 * np.minimum(_bronchi(chest, sign) / 0.4, 1.0)), truth


def _bronchi(chest, sign):
    """Return cm of air in branches that fan out from the hilum, on the side of the sign or both."""
    number = np.arange(6)
    total = np.zeros_like(chest.x)
    for side in (RIGHT, LEFT):
        x, y = (v[:, :, 0] for v in hilum_of(chest, np.full((len(sign.u), 1, 1), side)))
        angle = 0.1 + 0.26 * number + 0.3 * (sign.u[:, 24:30] - 0.5)
        length = 7.0 + 3.0 * sign.u[:, 30:36]
        end = x + side * length * np.cos(angle), y + length * np.sin(angle)
        start = x + 0 * angle, y + 0 * angle
        lines = bow(start, end, 0.3 * (sign.u[:, 24:30] - 0.5), max(24, chest.size // 2))
        total += tube(chest, lines, np.full(angle.shape, 0.22), np.full(angle.shape, 0.44))
    return blur(total, 1.3 * chest.size / 224)


def consolidation(chest, sign):
    """Homogeneous opacity that hides the vessels, with a fissure for an edge (Fleischner)."""
    side = sign.one_side()
    x, y = place_in_lung(chest, sign, 1, side, 0.2, 0.9)
    radius = sign.graded(2.5, 5.5) * sign.between(3, 0.8, 1.2)
    inside = ellipse(chest.x, chest.y, x, y, radius * 1.15, radius)
    uneven = 0.5 * (texture(chest, "consolidation", 12) - 0.5)
    mass_ = step(1 + uneven - np.sqrt(inside), 0.35)
    upper = np.where(sign.chance(4, 0.5), np.float32(-1), np.float32(1))
    fissure = chest.y - y + sign.between(5, -0.3, 0.3) * (chest.x - x)
    edge = step(upper * fissure + 0.3 * radius, 0.25)
    both = sign.sides == 0
    mirrored = ellipse(chest.x, chest.y, -x, y + 1.0, radius * 0.9, radius)
    again = both * step(1 + uneven - np.sqrt(mirrored), 0.35)
    near = (side * chest.x) > 0
    truth = np.where(near, mass_ * edge, again) * chest.lung
    hidden = chest.vessels * truth * 0.8
    return fill(chest, sign.graded(4.0, 9.0) * truth) - hidden, truth


def _ball(chest, sign, number, radius, lumpy, dense):
    """Return water and truth of a round opacity with an edge somewhere in a lung.

    Args:
        number: of the ball, from 0; each has six random numbers of its own.
        radius: half its longest diameter, (n, 1, 1) cm.
        lumpy: how far its edge stands out of the ellipse, or, below 0, in.
        dense: cm of water in a cm of it.
    """
    place, side = 6 * number, sign.one_side(number)
    x, y = place_in_lung(chest, sign, place, side, 0.12, 0.92)
    # A ball narrower than a pixel would fall between the pixels' centres: it is drawn as wide as a
    # pixel and as much fainter, so that it weakens the beam as much in all.
    drawn = np.maximum(radius, 0.9 * column(chest.pitch))
    faint = (radius / drawn) ** 2
    short, tilt = drawn * sign.between(place + 2, 0.75, 1.0), sign.between(place + 3, 0.0, np.pi)
    inside = ellipse(chest.x, chest.y, x, y, drawn, short, tilt)
    inside = inside * (1 - lumpy * texture(chest, f"edge {number}", 22))
    soft = np.maximum(0.25, column(chest.pitch) * 0.7 / drawn)
    truth = step(1 - inside, soft) * ((side * chest.x) > 0)
    truth = truth * step(chest.lower + 0.7 - chest.y, chest.soft)
    return fill(chest, dense * 2 * radius * faint * np.sqrt(dome(inside * 0.9)) * truth), truth


def mass(chest, sign):
    """A round opacity of more than 3 cm (Fleischner): half its longest diameter 1.6 to 4.4 cm."""
    return _ball(chest, sign, 0, sign.graded(1.6, 3.8) * sign.between(8, 1.0, 1.15), 0.3, 1.0)


def nodule(chest, sign):
    """A round opacity of at most 3 cm (Fleischner): half its longest diameter 0.6 to 1.5 cm.

    There may be several. They are half again as dense as water, as if they held some calcium.
    """
    radius = sign.graded(0.65, 1.4) * sign.between(36, 0.92, 1.07)
    added, truth = np.zeros_like(chest.x), np.zeros_like(chest.x)
    for number in range(5):
        there = sign.another(number, 37, 0.35 - 0.05 * number)
        size = radius * (1.0 - 0.1 * number)
        again, where = _ball(chest, sign, number, size, -0.2, 1.5)
        added, truth = added + there * again, np.maximum(truth, there * where)
    return added, truth


def edema_alter(patient, sign):
    """Fluid overload: a larger heart, full vessels, above as wide as below (cephalisation)."""
    largest = 0.50 + 0.03 * patient.portable  # more is cardiomegaly, which has its own label
    wider = np.minimum(patient.heart_ratio + 0.02 + 0.05 * sign.severity, largest)
    patient.heart_ratio = np.maximum(patient.heart_ratio, wider)
    patient.vessels = patient.vessels * (1.2 + 0.5 * sign.severity)
    patient.upper = np.maximum(patient.upper, 0.9 + 0.4 * sign.u[:, 1])


def edema(chest, sign):
    """Haze about both hila that spares the rim, Kerley's lines at the bases (``goodman2015``)."""
    p = chest.patient
    wings = np.zeros_like(chest.x)
    for side in (RIGHT, LEFT):
        x, y = hilum_of(chest, np.full((len(p.sex), 1, 1), side, np.float32))
        one = cloud(
            chest, x + side * 1.8, y + sign.between(2, 0.0, 3.0),
            sign.between(3, 3.2, 5.5), sign.between(4, 4.5, 7.5),
        )  # fmt: skip
        wings = np.maximum(wings, one)
    everywhere = sign.between(5, 0.1, 0.5)
    truth = (wings + everywhere * (1 - wings)) * chest.lung
    uneven = 0.5 + 0.9 * texture(chest, "edema", 24)
    added = fill(chest, sign.graded(1.2, 5.0) * truth * uneven)
    return added + _kerley(chest, sign) * chest.lung, wings * chest.lung * 1.4


def _kerley(chest, sign):
    """Return short level lines at the chest wall above the angles: thickened septa."""
    p = chest.patient
    n = len(p.sex)
    number = np.arange(6)
    floor = np.stack([p.dome_right, p.dome_left], axis=1)[:, np.arange(12) // 6]
    y = floor + 0.8 - np.concatenate([number, number]) * 0.75 + 0.5 * sign.u[:, 6:18]
    side = np.where(np.arange(12) < 6, RIGHT, LEFT)
    start = side * (p.width - 0.25)[:, np.newaxis] * np.ones((n, 12))
    count = max(6, chest.size // 24)
    lines = bow((start, y), (start - side * 1.6, y - 0.1), np.zeros((n, 12)), count)
    wide = 0.08 * sign.severity[:, np.newaxis] * np.ones((n, 12))
    return tube(chest, lines, wide, np.full((n, 12), 1.5))


def fibrosis_alter(patient, sign):
    """Scar shrinks the lung: where it is at the base, the dome of that side rises."""
    _raise_domes(patient, sign, 1.4 * sign.severity * (sign.u[:, 0] < 0.65))


def fibrosis(chest, sign):
    """Reticulation, a net of fine lines, at the bases and the rim or at the tops (Fleischner)."""
    basal = sign.chance(0, 0.65)
    reach = chest.reach
    low = step(chest.height - sign.between(1, 0.4, 0.6), 0.2) * (0.5 + 0.5 * step(reach - 0.6, 0.3))
    where = np.where(basal, low, step(sign.between(1, 0.25, 0.45) - chest.height, 0.15))
    net = np.zeros_like(chest.x)
    for cells in (26, 44):
        field = smooth_field(chest.seed, chest.indices, f"fibrosis {cells}", cells, chest.size)
        net += np.clip(1 - 4.0 * np.abs(field), 0.0, 1.0)
    truth = where * chest.lung_of(sign.sides)
    return fill(chest, sign.graded(1.5, 4.0) * truth * (0.4 + net)), truth
