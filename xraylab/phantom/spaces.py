"""Findings of the heart, of the pleura and of air where there should be none.

Terms follow the glossary of the Fleischner Society (``hansell2008``); cardiomegaly and hernia
follow ``goodman2015``. What is returned is as in :mod:`xraylab.phantom.opacities`.
"""

import numpy as np

from xraylab.phantom.shapes import band, column, ellipse, step
from xraylab.phantom.sign import fill, place_in_lung


def cardiomegaly_alter(patient, sign):
    """The cardiothoracic ratio rises above one half, the limit on a PA image (``goodman2015``)."""
    wide = 0.535 + 0.025 * patient.portable + 0.15 * sign.severity
    patient.heart_ratio = np.maximum(patient.heart_ratio, wide)
    patient.auricle = patient.auricle + 0.6 * sign.u[:, 0]


def cardiomegaly(chest, sign):
    """The heart itself has been drawn wide already; the truth is its outline."""
    right, left = chest.border
    p = chest.patient
    across = step(chest.x - right, 0.2) * step(left - chest.x, 0.2)
    top = column(p.carina + 1.5)
    truth = across * step(chest.y - top, 0.4) * step(chest.lower + 0.8 - chest.y, 0.4)
    return np.zeros_like(chest.x), truth


def effusion_alter(patient, sign):
    """Much fluid on one side pushes the mediastinum away."""
    patient.shift = patient.shift - sign.side * 2.5 * np.maximum(sign.severity - 0.6, 0)


def effusion(chest, sign):
    """Fluid blunts the costophrenic angle and climbs the wall: the meniscus (``goodman2015``).

    Under a patient who lies, half of the AP images here, it spreads behind the lung: a veil that
    grows towards the base.
    """
    p = chest.patient
    lung = chest.lung_of(sign.sides)
    floor = np.where(chest.x < 0, column(p.dome_right), column(p.dome_left)) + column(p.angle)
    across = np.minimum(chest.reach, 1.0)
    # A second side, where there is one, holds less fluid or more.
    more = np.where(chest.x < 0, sign.between(0, 0.6, 1.1), sign.between(1, 0.6, 1.1))
    tall = sign.graded(2.6, 16.0) * more
    surface = floor - tall * (0.5 + 0.5 * across**3)
    sunk = np.maximum(chest.y - surface, 0.0)
    fluid = chest.air * (1 - np.exp(-sunk / 1.1))
    lying = (column(p.portable) == 1) & sign.chance(2, 0.5)
    veil = chest.air * sign.graded(0.15, 0.6) * np.clip(0.15 + chest.height, 0.0, 1.0)
    added = np.where(lying, np.maximum(veil, 0.8 * fluid), fluid) * lung
    truth = np.where(lying, step(chest.height - 0.3, 0.1), step(sunk - 0.25, 0.3)) * lung
    return added, truth


def pneumothorax_alter(patient, sign):
    """Air in the pleura pushes the mediastinum away when there is much of it."""
    patient.shift = patient.shift - sign.side * 1.5 * np.maximum(sign.severity - 0.6, 0)


def pneumothorax(chest, sign):
    """Air beyond a thin visceral line, widest above; no vessels there (Fleischner)."""
    side = sign.sides
    gap = sign.graded(1.0, 6.0) * sign.between(0, 0.85, 1.15)
    gap = gap * (1.35 - 0.9 * np.clip(chest.height, 0.0, 1.0))
    top = chest.y - column(chest.patient.apex) - 0.9 * gap
    inner = np.minimum(chest.outer - chest.beside - gap, top)  # from the line into the lung
    lung = chest.lung_of(side)
    truth = lung * step(-inner, chest.soft)
    # A line narrower than a pixel is drawn wider and fainter.
    wide = np.maximum(0.16, 0.8 * column(chest.pitch))
    line = 0.16 / wide * band(inner, wide) * lung
    # The lung that is left holds less air than it did.
    collapsed = fill(chest, sign.graded(0.3, 2.5)) * lung * (1 - truth)
    # Air is gained where lung tissue was, and the vessels go with it.
    return collapsed + 0.7 * line - truth * (0.85 * _tissue(chest) + chest.vessels), truth


def _tissue(chest):
    """Return cm of lung tissue along each ray, (n, size, size): what of the lung is not air."""
    return chest.air * (1 / column(chest.patient.air) - 1)


def emphysema_alter(patient, sign):
    """Hyperinflation: low, flat domes, a narrow heart and few vessels (Fleischner)."""
    s = sign.severity
    for name in ("dome_right", "dome_left"):
        setattr(patient, name, getattr(patient, name) + 0.2 + 3.0 * s)
    patient.flat = np.clip(patient.flat + 0.15 + 0.55 * s, 0.0, 0.95)
    patient.angle = patient.angle * (1.0 - 0.4 * s)
    patient.apex = patient.apex - 0.8 * s
    patient.heart_ratio = patient.heart_ratio * (0.99 - 0.15 * s)
    patient.vessels = patient.vessels * (0.95 - 0.5 * s)
    patient.air = np.minimum(patient.air * (1.01 + 0.12 * s), 0.9)
    patient.depth = patient.depth * (1.0 + 0.08 * s)


def emphysema(chest, sign):
    """The lungs have been drawn large and dark already; bullae are added. The truth: both lungs."""
    gone = np.zeros_like(chest.x)
    for number in range(3):
        place, side = 6 * number, sign.one_side(number)
        x, y = place_in_lung(chest, sign, place, side, 0.1, 0.6)
        wide = sign.between(place + 2, 1.5, 4.0)
        inside = ellipse(chest.x, chest.y, x, y, wide, wide * 1.2)
        gone = np.maximum(gone, step(1 - inside, 0.5) * sign.chance(place + 3, 0.5))
    gone = gone * chest.lung * sign.graded(0.15, 0.6)
    return -gone * (0.6 * _tissue(chest) + 0.8 * chest.vessels), chest.lung


def pleural_thickening(chest, sign):
    """A band of soft tissue inside the chest wall, a blunt angle or an apical cap (Fleischner)."""
    lung = chest.lung_of(sign.sides)
    kind = sign.u[:, 0][:, np.newaxis, np.newaxis]
    middle = np.where(kind < 0.4, 0.9, np.where(kind < 0.75, sign.between(1, 0.2, 0.8), 0.02))
    reach = band(chest.height - middle, sign.between(2, 0.2, 0.45))
    thick = sign.graded(0.5, 2.0) * reach
    wall = np.minimum(chest.outer - chest.beside, (chest.y - column(chest.patient.apex)) * 0.8)
    base = np.where(kind < 0.4, chest.lower - chest.y + 0.3, 9.0) * 1.5
    truth = lung * step(thick - np.minimum(wall, base), chest.soft) * step(reach - 0.04, 0.04)
    return fill(chest, sign.graded(3.0, 7.0)) * truth, truth


def hernia(chest, sign):
    """Stomach above the diaphragm behind the heart, often with air on fluid (``goodman2015``)."""
    p = chest.patient
    radius = sign.graded(2.0, 4.2)
    x = sign.between(0, -0.6, 2.6)
    y = column(np.minimum(p.dome_right, p.dome_left)) + 0.4 - 0.75 * radius
    inside = ellipse(chest.x, chest.y, x, y, radius * sign.between(1, 1.0, 1.3), radius)
    truth = step(1 - inside, 0.12)
    level = y - sign.between(2, -0.2, 0.4) * radius
    standing = np.where(column(p.portable) == 1, 0.5, step(level - chest.y, 0.15))
    air = truth * standing * sign.chance(3, 0.8)
    wall = band(np.sqrt(inside) - 0.96, 0.12)
    body = np.sqrt(np.clip(1 - inside, 0.0, 1.0)) * radius
    return 1.2 * body * (truth - air) - 0.6 * body * air + 0.6 * wall, truth
