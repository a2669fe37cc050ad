"""The lungs' vessels: from each hilum trunks that branch twice, wider below than above."""

import numpy as np

from xraylab.phantom.draws import uniform
from xraylab.phantom.patient import LEFT, RIGHT
from xraylab.phantom.shapes import column
from xraylab.phantom.strokes import blur, bow, tube

TRUNKS = 9
"""Trunks that leave one hilum."""


def hila(patient):
    """Return x and y of the right and the left hilum, (n,) each; the left lies a little higher."""
    p = patient
    carina = p.apex + 8.6
    shift = p.shift + 0.45 * p.twist
    return {RIGHT: (-3.6 + shift, carina + 2.2), LEFT: (3.7 + shift, carina + 1.2)}


def vessels(chest):
    """Return the water that the vessels hold, (n, size, size) cm."""
    p = chest.patient
    levels = [np.zeros_like(chest.x) for _ in range(3)]
    for side, (x, y) in hila(p).items():
        for level, drawn in enumerate(_tree(chest, side, x, y)):
            levels[level] += drawn
    pitch = 37.0 / chest.size  # of a usual film: the blur must not depend on the films beside it
    # A blur for each calibre; the thick pass through all of them.
    total = blur(levels[0], 0.22 / pitch) + levels[1]
    total = blur(total, 0.12 / pitch) + levels[2]
    total = blur(total, 0.07 / pitch)
    # What of the hila is too fine or too deep to be drawn: a haze about them.
    for x, y in hila(p).values():
        away = ((chest.x - column(x)) / 2.6) ** 2 + ((chest.y - column(y)) / 3.6) ** 2
        total = total + 1.6 * np.exp(-away)
    return column(p.vessels * p.air) * total * np.sqrt(chest.lung)


def _tree(chest, side, x, y):
    """Return trunks, branches and twigs of one lung, each (n, size, size)."""
    p = chest.patient
    n = len(x)
    fine = max(1.0, chest.size / 96)
    u = uniform(chest.seed, chest.indices, f"vessels {side}", 24 * TRUNKS)
    u = u.reshape(n, 24, TRUNKS) - 0.5
    fan = np.linspace(-1.25, 1.35, TRUNKS)  # from upwards to downwards
    angle = fan + 0.35 * u[:, 0]
    floor = np.where(side == RIGHT, p.dome_right, p.dome_left)[:, np.newaxis] + 0.5
    # How far it is to the edge of the lung in that direction, roughly: an ellipse.
    wide, up, down = p.width[:, np.newaxis] * 0.78, (y - p.apex)[:, np.newaxis], floor - y[:, None]
    tall = np.where(angle < 0, up, np.maximum(down, 4.0))
    far = 1 / np.hypot(np.cos(angle) / wide, np.sin(angle) / tall)
    far = far * (0.66 + 0.25 * u[:, 1])
    calibre = np.where(angle < -0.15, p.upper[:, np.newaxis], 1.0) * (1 + 0.5 * u[:, 2])
    x0, y0 = x[:, np.newaxis] + 0 * angle, y[:, np.newaxis] + 1.6 * np.sin(angle)
    ends = x0 + side * far * np.cos(angle), y0 + far * np.sin(angle)
    trunk = bow((x0, y0), ends, 0.35 * u[:, 3] * side, int(20 * fine))
    taper = np.linspace(1.5, 0.35, trunk[0].shape[-1])
    drawn = [_tube(chest, trunk, 0.40 * calibre, taper)]
    starts, shares = trunk, (0.3, 0.5, 0.7, 0.9)
    reach, heading, place = far, angle, 4
    for radius, count in ((0.22, 11), (0.14, 6)):
        parts = []
        for number, share in enumerate(shares):
            at = int(share * starts[0].shape[-1])
            turn = (1 if number % 2 else -1) * (0.65 + 0.5 * u[:, place])
            long = reach * (0.42 + 0.3 * u[:, place + 1]) * (1.1 - 0.5 * share)
            way = heading + turn
            begin = starts[0][..., at], starts[1][..., at]
            end = begin[0] + side * long * np.cos(way), begin[1] + long * np.sin(way)
            parts.append((begin, end, 0.3 * u[:, place + 2], way, long, calibre))
            place += 3
        joined = [
            np.concatenate([np.broadcast_to(part[k], angle_shape) for part in parts], axis=1)
            for k, angle_shape in ((2, parts[0][3].shape),)
        ]
        begin = tuple(np.concatenate([part[0][k] for part in parts], axis=1) for k in (0, 1))
        end = tuple(np.concatenate([part[1][k] for part in parts], axis=1) for k in (0, 1))
        heading = np.concatenate([part[3] for part in parts], axis=1)
        reach = np.concatenate([part[4] for part in parts], axis=1)
        calibre = np.concatenate([part[5] for part in parts], axis=1)
        starts = bow(begin, end, joined[0], int(count * fine))
        drawn.append(
            _tube(chest, starts, radius * calibre, np.linspace(1.2, 0.4, starts[0].shape[-1]))
        )
        u = np.concatenate([u] * len(shares), axis=2)[:, ::-1]
        shares = (0.45, 0.85)
        place = 4
    return drawn


def _tube(chest, points, radius, taper):
    """Return the thickness that tapering vessels add."""
    x, y, spacing = points
    return tube(chest, (x, y, spacing * taper), radius, 1.6 * radius)
