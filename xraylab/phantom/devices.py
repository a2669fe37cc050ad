"""Tubes, lines, leads and other devices, and the radiographer's side markers."""

import numpy as np

from xraylab.phantom.anatomy import Chest, trachea_x
from xraylab.phantom.patient import LEFT, RIGHT
from xraylab.phantom.rasterize import gaussian_blur, rasterize_tubes, sample_arc
from xraylab.phantom.rng import RandomStream, uniform
from xraylab.phantom.shapes import per_image, smoothstep


def _wire(chest, start, end, bend, radius):
    """Return the attenuation, 1 per cm, of one tube per image along an arc; arguments (n,)."""
    start, end = (tuple(np.reshape(v, (-1, 1)) for v in pair) for pair in (start, end))
    points = sample_arc(start, end, np.reshape(bend, (-1, 1)), 12 + int(1.3 * chest.size))
    radius = np.full((len(chest.x), 1), radius)
    return rasterize_tubes(chest, points, radius, radius * 2)


def _disc(chest, x, y, radius):
    """Return the soft mask of one flat disc per image; x, y: (n,)."""
    distance = np.hypot(chest.x - per_image(x), chest.y - per_image(y))
    return smoothstep(radius - distance, chest.edge_width)


def _ecg_leads(chest, u):
    """Five electrodes, two at the shoulders and three below, each with a wire."""
    p = chest.patient
    total = np.zeros_like(chest.x)
    shoulder = 0.8 * p.lung_top
    electrodes = (RIGHT, shoulder), (LEFT, shoulder), (RIGHT, 8.0), (LEFT, 7.5), (LEFT, 2.0)
    for k, (side, level) in enumerate(electrodes):
        u_x, u_y, u_end, u_direction, u_bend = u[:, 5 * k : 5 * k + 5].T
        x, y = side * p.half_width * (0.55 + 0.5 * u_x), level + 4 * (u_y - 0.5)
        total += 0.5 * _disc(chest, x, y, 0.7)
        end = x + 14 * (u_end - 0.5), y + np.where(u_direction < 0.6, 22, -20)
        total += _wire(chest, (x, y), end, 0.5 * (u_bend - 0.5), 0.13)
    return total


def _endotracheal_tube(chest, u):
    """A tube whose tip lies 2 to 6 cm above the carina."""
    carina_y = chest.patient.carina_y
    x = trachea_x(chest.patient)
    tip = x, carina_y - 2 - 4 * u[:, 0]
    return _wire(chest, (x, carina_y - 18), tip, 0.02 * (u[:, 1] - 0.5), 0.28)


def _gastric_tube(chest, u):
    """A tube through the oesophagus to the stomach under the left dome."""
    p = chest.patient
    start = p.mediastinal_shift + 0.3, p.lung_top - 8
    hiatus = 0.8 + u[:, 0], p.left_dome - 1.0
    tip = 3 + 5 * u[:, 2], hiatus[1] + 5 + 3 * u[:, 3]
    upper = _wire(chest, start, hiatus, 0.05 * (u[:, 1] - 0.5), 0.2)
    return upper + _wire(chest, hiatus, tip, -0.2 * u[:, 4], 0.2)


def _central_line(chest, u):
    """A jugular or subclavian line to the superior vena cava, sometimes with a port."""
    p = chest.patient
    tip = -2.2 + p.mediastinal_shift, p.lung_top + 8.0 + 5 * u[:, 0]
    vein = -1.5 + p.mediastinal_shift, p.lung_top + 3.2
    side = np.where(u[:, 1] < 0.65, RIGHT, LEFT)
    jugular = u[:, 2] < 0.4
    x = np.where(jugular, side * 4, side * (10 + 5 * u[:, 3]))
    y = p.lung_top + np.where(jugular, -6, 1.5)
    total = _wire(chest, vein, tip, 0.04 * (u[:, 4] - 0.5), 0.16)
    total = total + _wire(chest, (x, y), vein, 0.15 * (u[:, 5] - 0.5), 0.16)
    has_port = per_image((u[:, 6] < 0.35) & ~jugular)
    return total + has_port * (0.8 * _disc(chest, x, y + 1.5, 1.2))


def _pacemaker(chest, u):
    """A generator, mostly on the left, and a lead to the apex of the heart."""
    p = chest.patient
    side = np.where(u[:, 0] < 0.85, LEFT, RIGHT)
    x, y = side * (8.5 + 2.5 * u[:, 1]), p.lung_top + 5.0 + 2.5 * u[:, 2]
    dx, dy = chest.x - per_image(x), chest.y - per_image(y)
    generator = smoothstep(1 - (dx / 2.4) ** 4 - (dy / 2.1) ** 4, 0.15)
    vein = -2.0 + p.mediastinal_shift, p.lung_top + 4.5
    tip = 3.5 + 2 * u[:, 3], np.minimum(p.left_dome, p.right_dome) - 0.5
    lead = _wire(chest, (x, y), vein, side * 0.18, 0.16) + _wire(chest, vein, tip, 0.28, 0.16)
    return 1.6 * generator + lead


def _sternal_wires(chest, u):
    """Six wire loops along the sternum, after cardiac surgery."""
    p = chest.patient
    total = np.zeros_like(chest.x)
    for k in range(6):
        y = p.lung_top + 5 + 2.6 * k + 0.5 * u[:, k]
        x = p.rotation + 0.3 * (u[:, 6 + k] - 0.5)
        for bend in (0.5, -0.5):
            total += _wire(chest, (x - 0.8, y), (x + 0.8, y + 0.2), bend * np.ones(len(x)), 0.12)
    return total


def _chest_drain(chest, u):
    """A drain from the lateral chest wall towards the lung apex."""
    p = chest.patient
    side = np.where(u[:, 0] < 0.5, RIGHT, LEFT)
    start = side * (p.half_width + 3), p.right_dome - 2 - 4 * u[:, 1]
    end = side * p.half_width * (0.3 + 0.3 * u[:, 2]), p.lung_top + 3 + 9 * u[:, 3]
    return _wire(chest, start, end, side * (0.1 + 0.15 * u[:, 4]), 0.3)


# Function that draws the device, and how often it is present on PA and on AP images. The
# probabilities are assumptions: devices are more frequent on AP images.
_DEVICES = {
    "ecg_leads": (_ecg_leads, 0.02, 0.55),
    "endotracheal_tube": (_endotracheal_tube, 0.0, 0.18),
    "gastric_tube": (_gastric_tube, 0.01, 0.2),
    "central_line": (_central_line, 0.10, 0.40),
    "pacemaker": (_pacemaker, 0.03, 0.05),
    "sternal_wires": (_sternal_wires, 0.06, 0.10),
    "chest_drain": (_chest_drain, 0.01, 0.08),
}

DEVICES = tuple(_DEVICES)
"""Devices an image may show, in the order of the columns of ``facts["devices"]``."""


def sample_devices(patient, indices, seed, forced) -> np.ndarray:
    """Sample which devices an image shows, (n, 7) uint8.

    Args:
        forced: (n,) 1 to force at least ECG leads, 0 to force no device, -1 to sample.
    """
    pa, ap = np.array([probabilities for _, *probabilities in _DEVICES.values()]).T
    probability = pa + (ap - pa) * patient.portable[:, np.newaxis]
    present = uniform(seed, indices, "devices", len(DEVICES)) < probability
    present[forced == 1, 0] = True
    present[forced == 0] = False
    return present.astype(np.uint8)


def device_attenuation(chest: Chest, devices: np.ndarray, marker: np.ndarray) -> np.ndarray:
    """Return the attenuation (n, size, size) of devices and side markers.

    Args:
        devices: (n, 7), as :func:`sample_devices` returns them.
        marker: (n,) 1 to force the side marker, 0 to force its absence, -1 to sample.
    """
    total = np.zeros_like(chest.x)
    for column, (name, (draw, *_)) in enumerate(_DEVICES.items()):
        rows = np.flatnonzero(devices[:, column])
        if len(rows):
            selected = chest.take(rows)
            total[rows] += draw(selected, uniform(chest.seed, selected.indices, name, 40))
    return gaussian_blur(total + _side_markers(chest, marker), 0.5 * chest.size / 224)


_LETTERS = {  # strokes (x0, y0, x1, y1) in a box of width 1 and height 2
    "L": ((0, 0, 0, 2), (0, 2, 1, 2)),
    "R": ((0, 0, 0, 2), (0, 0, 1, 0), (1, 0, 1, 1), (1, 1, 0, 1), (0.3, 1, 1, 2)),
    "A": ((0, 2, 0.5, 0), (0.5, 0, 1, 2), (0.2, 1.3, 0.8, 1.3)),
    "P": ((0, 0, 0, 2), (0, 0, 1, 0), (1, 0, 1, 1), (1, 1, 0, 1)),
}


def _side_markers(chest, marker):
    """Return an L on the patient's left or an R on the right, with AP on most portable images."""
    rng = RandomStream(chest.seed, chest.indices, "marks", 16)
    shown = np.where(marker < 0, rng.bernoulli(0.85), marker == 1)
    left = rng.bernoulli(0.75)
    to_edge, y = rng.uniform(0.03, 0.12), rng.uniform(0.03, 0.16)
    y = np.where(rng.bernoulli(0.15), y + 0.35, y)  # beside the chest instead of in the corner
    size = rng.uniform(0.022, 0.042)
    x = np.where(left, 1 - to_edge - size, to_edge)
    total = _letter(chest, "L", x, y, size, shown & left)
    total = total + _letter(chest, "R", x, y, size, shown & ~left)
    with_text = shown & (chest.patient.portable == 1) & rng.bernoulli(0.7)
    text_x = np.where(left, x - 3.0 * size, x + 2.0 * size)
    for k, letter in enumerate("AP"):
        total += _letter(chest, letter, text_x + 0.9 * k * size, y, 0.6 * size, with_text)
    return per_image(rng.uniform(0.5, 1.0)) * np.minimum(total, 3.0)


def _letter(chest, letter, x, y, half_height, shown):
    """Return one letter per image; position and size as fractions of the image's side, (n,)."""
    p, half_height = chest.patient, half_height[:, np.newaxis]
    field, tilt, offset_x, offset_y = (
        v[:, np.newaxis] for v in (p.field_size, p.tilt, p.offset_x, p.offset_y)
    )

    def to_cm(stroke_x, stroke_y):
        y_cm = (y[:, np.newaxis] + half_height * stroke_y - 0.5) * field - offset_y
        x_cm = (x[:, np.newaxis] + half_height * 0.75 * stroke_x - 0.5) * field
        return x_cm - tilt * y_cm - offset_x, y_cm

    x0, y0, x1, y1 = np.array(_LETTERS[letter]).T
    start, end = to_cm(x0, y0), to_cm(x1, y1)
    points = sample_arc(start, end, np.zeros(start[0].shape), 6 + chest.size // 8)
    radius = 0.11 * half_height * (p.field_size * shown)[:, np.newaxis]
    radius = np.broadcast_to(radius, start[0].shape)
    return rasterize_tubes(chest, points, radius, np.full_like(radius, 1.6))
