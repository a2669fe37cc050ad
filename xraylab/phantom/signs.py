"""The 14 findings as they show on a film.

A sign has up to two parts: what it changes in the patient before the chest is drawn (a large heart,
a flat diaphragm), and what it adds to the attenuation of the drawn chest. Both use only the sign's
own random numbers ``u`` (n, 12), so that switching a sign on changes nothing else. The second part
returns the attenuation to add and the truth: a field (n, size, size), above 0.5 where the sign is.

The definitions follow the glossary of the Fleischner Society (``hansell2008``) where it has the
term, and textbook radiography (``goodman2015``) for cardiomegaly, edema and hernia.
"""

import numpy as np

from xraylab.phantom.anatomy import LEFT, RIGHT, heart_ellipses
from xraylab.phantom.shapes import band, column, dome, ellipse, smooth_field, step


def _between(u, place, low, high):
    """Return one random number a film, uniform between two bounds, as (n, 1, 1)."""
    return column(low + (high - low) * u[:, place])


def _side(u, place, share_right=0.5):
    """Return a random side a film as (n, 1, 1): -1 the patient's right, 1 the left."""
    return column(np.where(u[:, place] < share_right, RIGHT, LEFT))


def _lung_of(chest, side):
    """Return the lung of one side a film."""
    return np.where(side == RIGHT, chest.sides[RIGHT], chest.sides[LEFT])


def _edge_of(chest, side):
    """Return where the diaphragm runs on one side a film."""
    return np.where(side == RIGHT, chest.lower_edge[RIGHT], chest.lower_edge[LEFT])


def _place_in_lung(chest, u, side, low=0.25, high=0.85):
    """Return a random point in a lung: x, y, each (n, 1, 1)."""
    p = chest.patient
    y = column(p.apex) + _between(u, 1, low, high) * column(p.base - p.apex)
    return side * column(p.width) * _between(u, 2, 0.38, 0.78), y


def _texture(chest, purpose, cells):
    """Return a smooth random field between about 0 and 1."""
    field = smooth_field(chest.seed, chest.indices, purpose, cells, chest.size)
    return np.clip(0.5 + 0.6 * field, 0.0, 1.0)


def atelectasis_alter(patient, u):
    """Volume loss: the diaphragm of that side rises and the mediastinum moves towards it."""
    side = np.where(u[:, 0] < 0.5, RIGHT, LEFT)
    loss = 0.02 + 0.05 * u[:, 3]
    patient.base_right = patient.base_right - np.where(side == RIGHT, loss, 0)
    patient.base_left = patient.base_left - np.where(side == LEFT, loss, 0)
    patient.shift = patient.shift + side * 0.35 * loss


def atelectasis(chest, u):
    """Plate-like: one or two dense lines, nearly level, above the diaphragm."""
    side = _side(u, 0)
    level = _edge_of(chest, side) - _between(u, 4, 0.05, 0.11)
    slope = _between(u, 5, -0.25, 0.25) * (np.abs(chest.x) - 0.15)
    plate = band(chest.y - level - slope, _between(u, 6, 0.010, 0.022))
    second = band(chest.y - level - slope + 0.045, 0.010) * (u[:, 7] < 0.5)[:, None, None]
    truth = np.maximum(plate, second) * _lung_of(chest, side)
    truth = truth * step(column(chest.patient.width) * 0.85 - np.abs(chest.x), 0.03)
    return _between(u, 8, 0.14, 0.26) * truth, truth * 1.6


def cardiomegaly_alter(patient, u):
    """The cardiothoracic ratio rises well above one half."""
    patient.heart_width = np.maximum(patient.heart_width, 0.52) + 0.02 + 0.13 * u[:, 0]


def cardiomegaly(chest, u):
    """The heart itself has been drawn wide already; the truth is its outline."""
    inside = ellipse(chest.x, chest.y, *heart_ellipses(chest.patient))
    return np.zeros_like(chest.x), step(1 - inside, 0.05)


def effusion(chest, u):
    """Fluid that fills the costophrenic angle and climbs the chest wall: a meniscus."""
    side = _side(u, 0)
    height = _between(u, 3, 0.05, 0.26)
    outward = np.clip(side * chest.x / column(chest.patient.width), 0.0, 1.0)
    surface = _edge_of(chest, side) + 0.03 - height * (0.35 + 0.65 * outward**3)
    lung = _lung_of(chest, side)
    truth = lung * step(chest.y - surface, 0.012) * step(outward - 0.15, 0.1)
    return _between(u, 4, 0.42, 0.62) * truth * np.maximum(chest.depth, 0.5), truth


def _haze(chest, u, name, *, extent, dense, cells, low=0.25, high=0.85):
    """A cloud with an uneven edge somewhere in one lung."""
    side = _side(u, 0)
    centre_x, centre_y = _place_in_lung(chest, u, side, low, high)
    radius_x, radius_y = _between(u, 3, *extent), _between(u, 4, *extent)
    cloud = np.exp(-(ellipse(chest.x, chest.y, centre_x, centre_y, radius_x, radius_y) ** 1.2))
    truth = cloud * _lung_of(chest, side)
    uneven = 0.35 + 1.1 * _texture(chest, name, cells)
    return _between(u, 5, *dense) * truth * uneven, truth * 1.4


def infiltration(chest, u):
    """Ill-defined, patchy opacity in one lung or both."""
    added, truth = _haze(
        chest, u, "infiltration", extent=(0.08, 0.16), dense=(0.10, 0.22), cells=14
    )
    both = (u[:, 6] < 0.4)[:, np.newaxis, np.newaxis]
    again, truth_again = _haze(
        chest, 1 - u, "infiltration 2", extent=(0.07, 0.14), dense=(0.08, 0.20), cells=14
    )
    return added + both * again, np.maximum(truth, both * truth_again)


def _ball(chest, u, radius, dense):
    """A round opacity with a sharp edge in one lung."""
    side = _side(u, 0)
    centre_x, centre_y = _place_in_lung(chest, u, side, 0.2, 0.8)
    flat = _between(u, 4, 0.85, 1.15)
    # A ball narrower than a pixel would fall between the pixels' centres: it is drawn as wide as a
    # pixel and as much fainter, so that it weakens the beam as much in all.
    drawn = np.maximum(radius, 0.9 / chest.size)
    dense, radius = dense * (radius / drawn) ** 2, drawn
    inside = ellipse(chest.x, chest.y, centre_x, centre_y, radius * flat, radius / flat)
    truth = step(1 - inside, np.maximum(0.25, 0.01 / radius))
    return dense * truth * (0.4 + 0.6 * dome(inside)), truth


def mass(chest, u):
    """A round opacity of more than 3 cm: the film is about 36 cm wide, so a radius from 0.045."""
    return _ball(chest, u, _between(u, 3, 0.045, 0.085), _between(u, 5, 0.18, 0.34))


def nodule(chest, u):
    """A round opacity of at most 3 cm."""
    return _ball(chest, u, _between(u, 3, 0.016, 0.038), _between(u, 5, 0.16, 0.32))


def pneumonia(chest, u):
    """Patchy consolidation of part of a lobe, with branches of air left in it."""
    added, truth = _haze(
        chest, u, "pneumonia", extent=(0.06, 0.12), dense=(0.18, 0.34), cells=20, low=0.45, high=0.9
    )
    air = np.abs(smooth_field(chest.seed, chest.indices, "pneumonia air", 16, chest.size))
    return added * (1 - 0.5 * np.clip(1 - 6 * air, 0, 1)), truth


def consolidation(chest, u):
    """Dense and even opacity with a clear edge on one side, as against a fissure."""
    side = _side(u, 0)
    centre_x, centre_y = _place_in_lung(chest, u, side, 0.3, 0.85)
    radius = _between(u, 3, 0.08, 0.14)
    cloud = step(1 - ellipse(chest.x, chest.y, centre_x, centre_y, radius * 1.1, radius), 0.45)
    fissure = chest.y - centre_y + _between(u, 6, -0.3, 0.3) * (chest.x - centre_x)
    upper = column(np.where(u[:, 7] < 0.5, -1.0, 1.0))
    truth = cloud * step(upper * fissure + 0.02, 0.008) * _lung_of(chest, side)
    return _between(u, 4, 0.28, 0.46) * truth * np.maximum(chest.depth, 0.5), truth


def pneumothorax(chest, u):
    """Air beyond a thin visceral line along the outer and upper lung; no vessels there."""
    side = _side(u, 0)
    p = chest.patient
    gap = _between(u, 3, 0.018, 0.09)
    height = np.clip((chest.y - column(p.apex)) / column(p.base - p.apex), 0, 1)
    gap = gap * (1.25 - 0.75 * height)
    from_wall = chest.outer_edge - side * chest.x
    lung = _lung_of(chest, side)
    truth = lung * step(gap - from_wall, 0.006) * step(1.02 - height, 0.1)
    line = band(from_wall - gap, np.maximum(0.006, 0.8 / chest.size)) * lung
    return -_between(u, 4, 0.12, 0.22) * truth + 0.08 * line, truth


def edema_alter(patient, u):
    """Fluid overload: the heart is somewhat large and the vessels are full."""
    patient.heart_width = patient.heart_width + 0.05 * u[:, 0]
    patient.vessels = patient.vessels * (1.3 + 0.5 * u[:, 1])


def edema(chest, u):
    """Haze about both hila that spares the rim of the lungs: the wings of a bat."""
    p = chest.patient
    centre_y = column(p.apex + 0.5 * (p.base - p.apex)) + _between(u, 2, -0.03, 0.05)
    cloud = np.zeros_like(chest.x)
    for side in (RIGHT, LEFT):
        wing = ellipse(
            chest.x, chest.y, side * 0.13, centre_y, _between(u, 3, 0.09, 0.13), 0.19, 0.0
        )
        cloud = np.maximum(cloud, np.exp(-(wing**1.3)))
    truth = cloud * chest.lung
    uneven = 0.5 + 0.9 * _texture(chest, "edema", 24)
    return _between(u, 4, 0.12, 0.26) * truth * uneven, truth * 1.4


def emphysema_alter(patient, u):
    """Hyperinflation: low, flat domes, a narrow heart and few vessels."""
    patient.base = patient.base + 0.03 + 0.05 * u[:, 0]
    patient.apex = patient.apex - 0.01 * u[:, 0]
    patient.dome_height = patient.dome_height * (0.15 + 0.3 * u[:, 1])
    patient.heart_width = patient.heart_width * (0.82 + 0.1 * u[:, 2])
    patient.vessels = patient.vessels * (0.35 + 0.25 * u[:, 3])
    patient.aeration = patient.aeration * (1.10 + 0.12 * u[:, 4])


def emphysema(chest, u):
    """The lungs themselves have been drawn large and dark already; the truth is both lungs."""
    return np.zeros_like(chest.x), chest.lung


def fibrosis(chest, u):
    """A net of fine lines at the bases or the apices."""
    p = chest.patient
    height = np.clip((chest.y - column(p.apex)) / column(p.base - p.apex), 0, 1)
    basal = (u[:, 0] < 0.65)[:, np.newaxis, np.newaxis]
    where = np.where(basal, step(height - 0.62, 0.2), step(0.33 - height, 0.18))
    net = np.zeros_like(chest.x)
    for cells in (26, 40):
        field = smooth_field(chest.seed, chest.indices, f"fibrosis {cells}", cells, chest.size)
        net += np.clip(1 - 4.0 * np.abs(field), 0.0, 1.0)
    truth = where * chest.lung
    return _between(u, 1, 0.09, 0.19) * truth * (0.25 + net), truth


def pleural_thickening(chest, u):
    """A band of soft tissue along the inside of the chest wall, or a cap over the apex."""
    side = _side(u, 0)
    p = chest.patient
    height = np.clip((chest.y - column(p.apex)) / column(p.base - p.apex), 0, 1)
    from_wall = chest.outer_edge - side * chest.x
    middle = _between(u, 1, 0.1, 0.8)
    reach = band(height - middle, _between(u, 2, 0.25, 0.5))
    thick = _between(u, 3, 0.018, 0.04) * reach
    truth = _lung_of(chest, side) * step(thick - from_wall, 0.008) * step(reach - 0.05, 0.05)
    return _between(u, 4, 0.20, 0.34) * truth, truth


def hernia(chest, u):
    """A rounded opacity behind the heart above the diaphragm, with air above a fluid level."""
    p = chest.patient
    radius = _between(u, 0, 0.055, 0.095)
    centre_x = _between(u, 1, -0.01, 0.07)
    centre_y = column(p.base - p.dome_height * 0.6) - radius * 0.75
    inside = ellipse(chest.x, chest.y, centre_x, centre_y, radius * 1.15, radius)
    truth = step(1 - inside, 0.12)
    air = truth * step(centre_y - 0.1 * radius - chest.y, 0.004)
    wall = band(np.sqrt(inside) - 1, 0.16)
    fluid = truth - air
    return 0.16 * fluid - _between(u, 3, 0.16, 0.30) * air + 0.10 * wall, truth


ALTER = {
    "atelectasis": atelectasis_alter,
    "cardiomegaly": cardiomegaly_alter,
    "edema": edema_alter,
    "emphysema": emphysema_alter,
}
"""What a finding changes in the patient before the chest is drawn."""

PAINT = {
    "atelectasis": atelectasis,
    "cardiomegaly": cardiomegaly,
    "effusion": effusion,
    "infiltration": infiltration,
    "mass": mass,
    "nodule": nodule,
    "pneumonia": pneumonia,
    "pneumothorax": pneumothorax,
    "consolidation": consolidation,
    "edema": edema,
    "emphysema": emphysema,
    "fibrosis": fibrosis,
    "pleural_thickening": pleural_thickening,
    "hernia": hernia,
}
"""What a finding adds to the drawn chest, and where it is."""
