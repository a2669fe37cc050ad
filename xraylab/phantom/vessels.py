"""The lungs' vessels: from each hilum trunks that branch twice, wider below than above."""

import numpy as np

from xraylab.phantom.draws import uniform
from xraylab.phantom.patient import LEFT, RIGHT
from xraylab.phantom.shapes import column
from xraylab.phantom.strokes import blur, bow, tube

TRUNKS = 9
"""Trunks that leave one hilum."""

USUAL_FIELD = 37.0
"""Side in cm of a usual image, by which vessels are blurred: all images of a batch alike."""


def hila(patient):
    """Return x and y of the right and the left hilum, (n,) each; the left lies a little higher."""
    p = patient
    shift = p.shift + 0.45 * p.twist
    return {RIGHT: (-3.6 + shift, p.carina + 2.2), LEFT: (3.7 + shift, p.carina + 1.2)}


def vessels(chest):
    """Return the water that the vessels hold, (n, size, size) cm."""
    p = chest.patient
    levels = [np.zeros_like(chest.x) for _ in range(3)]
    haze = np.zeros_like(chest.x)
    for side, (x, y) in hila(p).items():
        for level, drawn in zip(levels, _tree(chest, side, x, y), strict=True):
            level += drawn
        # What of the hila is too fine or too deep to be drawn: a haze about them.
        away = ((chest.x - column(x)) / 2.6) ** 2 + ((chest.y - column(y)) / 3.6) ** 2
        haze += 1.6 * np.exp(-away)
    # A blur for each calibre; the thick pass through all of them.
    total = np.zeros_like(chest.x)
    for level, radius in zip(levels, (0.22, 0.12, 0.07), strict=True):
        total = blur(total + level, radius * chest.size / USUAL_FIELD)
    return column(p.vessels * p.air) * (total + haze) * np.sqrt(chest.lung)


def _tree(chest, side, x, y):
    """Return the trunks, branches and twigs of one lung, each (n, size, size)."""
    p = chest.patient
    fine = max(1.0, chest.size / 96)
    u = uniform(chest.seed, chest.indices, f"vessels {side}", 16 * TRUNKS) - 0.5
    u = u.reshape(len(x), 16, TRUNKS)
    angle = np.linspace(-1.25, 1.35, TRUNKS) + 0.35 * u[:, 0]  # from upwards to downwards
    floor = np.where(side == RIGHT, p.dome_right, p.dome_left) + 0.5
    # How far it is to the edge of the lung in that direction, roughly: an ellipse.
    up, down = (v[:, np.newaxis] for v in (y - p.apex, np.maximum(floor - y, 4.0)))
    across = np.cos(angle) / (0.78 * p.width[:, np.newaxis])
    far = (0.66 + 0.25 * u[:, 1]) / np.hypot(across, np.sin(angle) / np.where(angle < 0, up, down))
    calibre = np.where(angle < -0.15, p.upper[:, np.newaxis], 1.0) * (1 + 0.5 * u[:, 2])
    start = x[:, np.newaxis] + 0 * angle, y[:, np.newaxis] + 1.6 * np.sin(angle)
    end = start[0] + side * far * np.cos(angle), start[1] + far * np.sin(angle)
    parents = bow(start, end, 0.35 * u[:, 3] * side, int(20 * fine))
    drawn = [_tapering(chest, parents, 0.40 * calibre)]

    for radius, count, shares in ((0.22, 11, (0.3, 0.5, 0.7, 0.9)), (0.14, 6, (0.45, 0.85))):
        starts, ends, bends, angles, lengths = [], [], [], [], []
        for number, share in enumerate(shares):
            turn, long, bend = (u[:, 4 + 3 * number + k] for k in range(3))
            at = int(share * parents[0].shape[-1])
            way = angle + (1 if number % 2 else -1) * (0.65 + 0.5 * turn)
            length = far * (0.42 + 0.3 * long) * (1.1 - 0.5 * share)
            start = np.stack([parents[0][..., at], parents[1][..., at]])
            starts.append(start)
            ends.append(start + length * np.stack([side * np.cos(way), np.sin(way)]))
            bends.append(0.3 * bend)
            angles.append(way)
            lengths.append(length)
        calibre = np.concatenate([calibre] * len(shares), axis=1)
        u = np.concatenate([u] * len(shares), axis=2)[:, ::-1]
        angle, far = np.concatenate(angles, axis=1), np.concatenate(lengths, axis=1)
        starts, ends = np.concatenate(starts, axis=2), np.concatenate(ends, axis=2)
        parents = bow(starts, ends, np.concatenate(bends, axis=1), int(count * fine))
        drawn.append(_tapering(chest, parents, radius * calibre))
    return drawn


def _tapering(chest, points, radius):
    """Return the thickness that vessels add which narrow from their start to their end."""
    x, y, spacing = points
    taper = np.linspace(1.4, 0.4, x.shape[-1])
    return tube(chest, (x, y, spacing * taper), radius, 1.6 * radius)
