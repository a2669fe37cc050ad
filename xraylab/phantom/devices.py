"""What is not the patient: tubes, lines, leads and the marks that the radiographer puts on."""

import numpy as np

from xraylab.phantom.anatomy import trachea_x
from xraylab.phantom.draws import Dice, uniform
from xraylab.phantom.patient import LEFT, RIGHT
from xraylab.phantom.shapes import column, step
from xraylab.phantom.strokes import blur, bow, tube

DEVICES = (
    "ecg_leads",
    "endotracheal_tube",
    "gastric_tube",
    "central_line",
    "pacemaker",
    "sternal_wires",
    "chest_drain",
)
"""Devices an image may show, in the order of the columns of ``facts["devices"]``."""

_SHARES = {  # of PA and of AP images; made up so that AP images show them more often
    "ecg_leads": (0.02, 0.55),
    "endotracheal_tube": (0.0, 0.18),
    "gastric_tube": (0.01, 0.2),
    "central_line": (0.10, 0.40),
    "pacemaker": (0.03, 0.05),
    "sternal_wires": (0.06, 0.10),
    "chest_drain": (0.01, 0.08),
}


def draw_devices(patient, indices, seed, forced):
    """Return which devices an image shows, (n, 7) uint8.

    Args:
        forced: (n,) 1 where at least ECG leads must be there, 0 where nothing may, -1 as drawn.
    """
    portable = patient.portable[:, np.newaxis]
    standing, lying = np.array([_SHARES[name] for name in DEVICES]).T
    share = standing + (lying - standing) * portable
    shown = uniform(seed, indices, "devices", len(DEVICES)) < share
    forced = np.asarray(forced)[:, np.newaxis]
    first = np.arange(len(DEVICES)) == 0
    return np.where(forced == 0, False, shown | ((forced == 1) & first)).astype(np.uint8)


def draw_metal(chest, devices, marked):
    """Return the attenuation (n, size, size) of devices and marks.

    Args:
        devices: (n, 7), as of :func:`draw_devices`.
        marked: (n,) 1 where the side marker must be there, 0 where it must not, -1 as drawn.
    """
    total = np.zeros_like(chest.x)
    for number, name in enumerate(DEVICES):
        chosen = np.flatnonzero(devices[:, number])
        if len(chosen):
            some = chest.rows(chosen)
            total[chosen] += _DRAW[name](some, uniform(some.seed, some.indices, name, 40))
    return blur(total + marks(chest, marked), 0.5 * chest.size / 224)


def _line(chest, start, end, bend, radius):
    """Return the attenuation of one thin tube an image, 1 for each cm of it; arguments (n,)."""
    start, end = (tuple(np.reshape(v, (-1, 1)) for v in pair) for pair in (start, end))
    n = len(chest.x)
    points = bow(start, end, np.reshape(bend, (-1, 1)), 12 + int(1.3 * chest.size))
    radius = np.full((n, 1), radius)
    return tube(chest, points, radius, radius * 2)


def _disc(chest, x, y, radius, strength):
    """Return a flat disc an image; x, y: (n,)."""
    away = np.hypot(chest.x - column(x), chest.y - column(y))
    return strength * step(radius - away, chest.soft)


def _ecg_leads(chest, u):
    """Five electrodes, two at the shoulders and three below, each with its wire."""
    p = chest.patient
    total = np.zeros_like(chest.x)
    places = ((RIGHT, 0.8 * p.apex), (LEFT, 0.8 * p.apex), (RIGHT, 8.0), (LEFT, 7.5), (LEFT, 2.0))
    for number, (side, level) in enumerate(places):
        across, down, swing, way, bend = u[:, 5 * number : 5 * number + 5].T
        x, y = side * p.width * (0.55 + 0.5 * across), level + 4 * (down - 0.5)
        total += _disc(chest, x, y, 0.7, 0.5)
        end = x + 14 * (swing - 0.5), y + np.where(way < 0.6, 22, -20)
        total += _line(chest, (x, y), end, 0.5 * (bend - 0.5), 0.13)
    return total


def _endotracheal_tube(chest, u):
    carina = chest.patient.carina
    x = trachea_x(chest.patient)
    tip = x, carina - 2 - 4 * u[:, 0]
    return _line(chest, (x, carina - 18), tip, 0.02 * (u[:, 1] - 0.5), 0.28)


def _gastric_tube(chest, u):
    p = chest.patient
    low = p.dome_left - 1.0
    down = _line(
        chest, (p.shift + 0.3, p.apex - 8), (0.8 + u[:, 0], low), 0.05 * (u[:, 1] - 0.5), 0.2
    )
    end = 3 + 5 * u[:, 2], low + 5 + 3 * u[:, 3]
    return down + _line(chest, (0.8 + u[:, 0], low), end, -0.2 * u[:, 4], 0.2)


def _central_line(chest, u):
    p = chest.patient
    tip = -2.2 + p.shift, p.apex + 8.0 + 5 * u[:, 0]
    turn = -1.5 + p.shift, p.apex + 3.2
    side = np.where(u[:, 1] < 0.65, -1, 1)
    neck = u[:, 2] < 0.4
    start = np.where(neck, side * 4, side * (10 + 5 * u[:, 3])), p.apex + np.where(neck, -6, 1.5)
    down = _line(chest, turn, tip, 0.04 * (u[:, 4] - 0.5), 0.16)
    total = down + _line(chest, start, turn, 0.15 * (u[:, 5] - 0.5), 0.16)
    port = (u[:, 6] < 0.35) & ~neck
    return total + column(port) * _disc(chest, start[0], start[1] + 1.5, 1.2, 0.8)


def _pacemaker(chest, u):
    p = chest.patient
    side = np.where(u[:, 0] < 0.85, 1, -1)
    x, y = side * (8.5 + 2.5 * u[:, 1]), p.apex + 5.0 + 2.5 * u[:, 2]
    across, down = chest.x - column(x), chest.y - column(y)
    case = step(1 - (across / 2.4) ** 4 - (down / 2.1) ** 4, 0.15)
    turn = -2.0 + p.shift, p.apex + 4.5
    tip = 3.5 + 2 * u[:, 3], np.minimum(p.dome_left, p.dome_right) - 0.5
    leads = _line(chest, (x, y), turn, side * 0.18, 0.16) + _line(chest, turn, tip, 0.28, 0.16)
    return 1.6 * case + leads


def _sternal_wires(chest, u):
    p = chest.patient
    total = np.zeros_like(chest.x)
    for k in range(6):
        y = p.apex + 5 + 2.6 * k + 0.5 * u[:, k]
        x = p.twist + 0.3 * (u[:, 6 + k] - 0.5)
        for bend in (0.5, -0.5):
            total += _line(chest, (x - 0.8, y), (x + 0.8, y + 0.2), bend * np.ones(len(x)), 0.12)
    return total


def _chest_drain(chest, u):
    p = chest.patient
    side = np.where(u[:, 0] < 0.5, RIGHT, LEFT)
    start = side * (p.width + 3), p.dome_right - 2 - 4 * u[:, 1]
    end = side * p.width * (0.3 + 0.3 * u[:, 2]), p.apex + 3 + 9 * u[:, 3]
    return _line(chest, start, end, side * (0.1 + 0.15 * u[:, 4]), 0.3)


_DRAW = {
    "ecg_leads": _ecg_leads,
    "endotracheal_tube": _endotracheal_tube,
    "gastric_tube": _gastric_tube,
    "central_line": _central_line,
    "pacemaker": _pacemaker,
    "sternal_wires": _sternal_wires,
    "chest_drain": _chest_drain,
}

_LETTERS = {  # as strokes from point to point in a box one wide and two high
    "L": ((0, 0, 0, 2), (0, 2, 1, 2)),
    "R": ((0, 0, 0, 2), (0, 0, 1, 0), (1, 0, 1, 1), (1, 1, 0, 1), (0.3, 1, 1, 2)),
    "A": ((0, 2, 0.5, 0), (0.5, 0, 1, 2), (0.2, 1.3, 0.8, 1.3)),
    "P": ((0, 0, 0, 2), (0, 0, 1, 0), (1, 0, 1, 1), (1, 1, 0, 1)),
}


def marks(chest, marked):
    """Return the side marker, on most images, and AP beside it on most portable ones.

    The marker is an L on the patient's left or an R on the right, in an upper corner or beside the
    chest; ``marked`` as for :func:`draw_metal`.
    """
    p = chest.patient
    dice = Dice(chest.seed, chest.indices, "marks", 16)
    drawn = dice.chance(0.85)
    shown = np.where(np.asarray(marked) < 0, drawn, np.asarray(marked) == 1)
    left = dice.chance(0.75)
    across, down = dice.between(0.03, 0.12), dice.between(0.03, 0.16)
    down = np.where(dice.chance(0.15), down + 0.35, down)
    tall = dice.between(0.022, 0.042)
    x, y = np.where(left, 1 - across - tall, across), down
    total = _letter(chest, "L", x, y, tall, shown & left) + _letter(
        chest, "R", x, y, tall, shown & ~left
    )
    text = shown & (p.portable == 1) & dice.chance(0.7)
    beside = np.where(left, x - 3.0 * tall, x + 2.0 * tall)
    for number, letter in enumerate("AP"):
        total += _letter(chest, letter, beside + 0.9 * number * tall, y, 0.6 * tall, text)
    return dice.between(0.5, 1.0)[:, None, None].astype(np.float32) * np.minimum(total, 3.0)


def _letter(chest, letter, x, y, half, shown):
    """Return one letter an image; x, y, half its height as fractions of the image's side; all (n,)."""
    p = chest.patient
    pieces = np.array(_LETTERS[letter])
    ends = []
    for across, down in ((0, 1), (2, 3)):
        fx = x[:, np.newaxis] + half[:, np.newaxis] * 0.75 * pieces[:, across] - 0.5
        fy = y[:, np.newaxis] + half[:, np.newaxis] * pieces[:, down] - 0.5
        cm_y = fy * p.field[:, np.newaxis] - p.move_y[:, np.newaxis]
        cm_x = fx * p.field[:, np.newaxis] - p.turn[:, np.newaxis] * cm_y - p.move_x[:, np.newaxis]
        ends.append((cm_x, cm_y))
    points = bow(ends[0], ends[1], np.zeros(ends[0][0].shape), 6 + chest.size // 8)
    wide = 0.11 * half[:, np.newaxis] * (p.field * shown)[:, np.newaxis]
    radius = np.broadcast_to(wide, ends[0][0].shape)
    return tube(chest, points, radius, np.full_like(radius, 1.6))
