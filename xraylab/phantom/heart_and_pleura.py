"""Findings of the heart and the pleura, and abnormal air.

Terms follow the glossary of the Fleischner Society (``hansell2008``); cardiomegaly and hiatal
hernia follow ``goodman2015``. The functions return what those of
:mod:`xraylab.phantom.lung_opacities` return.
"""

import numpy as np

from xraylab.phantom.anatomy import Chest
from xraylab.phantom.finding import Finding, Layer, sample_lung_position
from xraylab.phantom.patient import Patient
from xraylab.phantom.shapes import biweight, half_chord, per_image, smoothstep


def modify_for_cardiomegaly(patient: Patient, finding: Finding) -> None:
    """The cardiothoracic ratio exceeds one half, the limit on a PA image (``goodman2015``)."""
    ratio = 0.535 + 0.04 * patient.portable + 0.14 * finding.severity
    patient.cardiothoracic_ratio = np.maximum(patient.cardiothoracic_ratio, ratio)
    patient.left_auricle += 0.6 * finding.u[:, 0]


def draw_heart(chest: Chest, finding: Finding) -> Layer:
    """Add nothing, as the heart is part of the chest; the mask is its silhouette."""
    x, y = chest.x, chest.y
    across = smoothstep(x - chest.right_border, 0.2) * smoothstep(chest.left_border - x, 0.2)
    top = smoothstep(y - per_image(chest.patient.carina_y + 1.5), 0.4)
    return np.zeros_like(x), across * top * smoothstep(chest.diaphragm_y + 0.8 - y, 0.4)


def modify_for_effusion(patient: Patient, finding: Finding) -> None:
    """A large unilateral effusion shifts the mediastinum to the opposite side."""
    patient.mediastinal_shift -= finding.side * 2.5 * np.maximum(finding.severity - 0.6, 0)


def draw_effusion(chest: Chest, finding: Finding) -> Layer:
    """Fluid blunts the costophrenic angle and forms a meniscus (``goodman2015``).

    In supine patients, here two thirds of the AP images, it layers behind the lung: a veil that is
    denser towards the base.
    """
    c = chest.patient.columns
    right = chest.x < 0
    angle_y = np.where(right, c.right_dome, c.left_dome) + c.angle_depth
    # The two sides of a bilateral effusion hold different amounts.
    amount = np.where(right, finding.uniform(0, 0.6, 1.1), finding.uniform(1, 0.6, 1.1))
    meniscus = 0.5 + 0.5 * np.minimum(chest.lateral_fraction, 1.0) ** 3
    surface_y = angle_y - finding.by_severity(2.6, 16.0) * amount * meniscus
    depth = np.maximum(chest.y - surface_y, 0.0)
    fluid = chest.air * (1 - np.exp(-depth / 1.1))
    veil = chest.air * finding.by_severity(0.15, 0.6) * np.clip(0.15 + chest.height, 0.0, 1.0)
    supine = (c.portable == 1) & finding.bernoulli(2, 0.65)
    lung = chest.lung_on(finding.sides)
    added = np.where(supine, np.maximum(veil, 0.8 * fluid), fluid)
    mask = np.where(supine, smoothstep(chest.height - 0.3, 0.1), smoothstep(depth - 0.25, 0.3))
    return added * lung, mask * lung


def modify_for_pneumothorax(patient: Patient, finding: Finding) -> None:
    """A large pneumothorax shifts the mediastinum to the opposite side."""
    patient.mediastinal_shift -= finding.side * 1.5 * np.maximum(finding.severity - 0.6, 0)


def draw_pneumothorax(chest: Chest, finding: Finding) -> Layer:
    """Air outside the visceral pleural line, widest at the apex, without vessels (Fleischner)."""
    gap = finding.by_severity(0.5, 4.5) * finding.uniform(0, 0.85, 1.15)
    gap = gap * np.maximum(1.35 - finding.uniform(1, 0.9, 2.0) * chest.height.clip(0.0, 1.0), 0.0)
    top = chest.y - chest.patient.columns.lung_top - 0.9 * gap
    inside = np.minimum(chest.rib_x - chest.abs_x - gap, top)  # distance from the line
    lung = chest.lung_on(finding.sides)
    mask = lung * smoothstep(-inside, chest.edge_width)
    # A line narrower than a pixel is drawn wider and proportionally fainter.
    width = np.maximum(0.16, 0.8 * per_image(chest.pixel_size))
    line = 0.16 / width * biweight(inside, width) * lung
    # The remaining lung contains less air.
    collapsed = chest.airspace_fluid(finding.by_severity(0.3, 2.5)) * lung * (1 - mask)
    # Air replaces lung tissue and vessels.
    return collapsed + 0.7 * line - mask * (0.85 * _lung_tissue(chest) + chest.vessels), mask


def _lung_tissue(chest):
    """Return the lung tissue along each ray, that is, the lung without its air, in cm."""
    return chest.air * (1 / chest.patient.columns.air_fraction - 1)


def modify_for_emphysema(patient: Patient, finding: Finding) -> None:
    """Hyperinflation: low, flat diaphragm, narrow heart and attenuated vessels (Fleischner)."""
    s = finding.severity
    patient.right_dome = patient.right_dome + 0.2 + 3.0 * s
    patient.left_dome = patient.left_dome + 0.2 + 3.0 * s
    patient.dome_flatness = np.clip(patient.dome_flatness + 0.15 + 0.55 * s, 0.0, 0.95)
    patient.angle_depth *= 1.0 - 0.4 * s
    patient.lung_top -= 0.8 * s
    patient.cardiothoracic_ratio *= 0.99 - 0.15 * s
    patient.vascularity *= 0.95 - 0.5 * s
    patient.air_fraction = np.minimum(patient.air_fraction * (1.01 + 0.12 * s), 0.9)
    patient.half_depth *= 1.0 + 0.08 * s


def draw_bullae(chest: Chest, finding: Finding) -> Layer:
    """Add bullae to the hyperinflated lungs; the mask is both lungs."""
    bullae = np.zeros_like(chest.x)
    for lesion in range(3):
        slot, side = 6 * lesion, finding.lesion_side(lesion)
        x, y = sample_lung_position(chest, finding, slot, side, 0.1, 0.6)
        radius = finding.uniform(slot + 2, 1.5, 4.0)
        bulla = smoothstep(1 - chest.squared_radius(x, y, radius, radius * 1.2), 0.5)
        bullae = np.maximum(bullae, bulla * finding.bernoulli(slot + 3, 0.5))
    bullae = bullae * chest.lung * finding.by_severity(0.15, 0.6)
    return -bullae * (0.6 * _lung_tissue(chest) + 0.8 * chest.vessels), chest.lung


def draw_pleural_thickening(chest: Chest, finding: Finding) -> Layer:
    """A band of soft tissue inside the ribs, a blunted angle or an apical cap (Fleischner)."""
    kind = finding.u[:, 0, np.newaxis, np.newaxis]
    is_basal = kind < 0.55
    center = np.where(is_basal, 0.9, np.where(kind < 0.8, finding.uniform(1, 0.2, 0.8), 0.02))
    profile = biweight(chest.height - center, finding.uniform(2, 0.2, 0.45))
    below_top = chest.y - chest.patient.columns.lung_top
    to_wall = np.minimum(chest.rib_x - chest.abs_x, below_top * 0.8)
    to_diaphragm = np.where(is_basal, chest.diaphragm_y - chest.y + 0.3, 9.0) * 1.5
    depth = finding.by_severity(0.6, 2.6) * profile - np.minimum(to_wall, to_diaphragm)
    mask = chest.lung_on(finding.sides) * smoothstep(depth, chest.edge_width)
    mask = mask * smoothstep(profile - 0.04, 0.04)
    return chest.airspace_fluid(finding.by_severity(4.0, 8.0)) * mask, mask


def draw_hernia(chest: Chest, finding: Finding) -> Layer:
    """Hiatal hernia: retrocardiac stomach, often with an air-fluid level (``goodman2015``)."""
    p = chest.patient
    radius = finding.by_severity(2.0, 4.2)
    x = finding.uniform(0, -0.6, 2.6)
    y = per_image(np.minimum(p.right_dome, p.left_dome)) + 0.4 - 0.75 * radius
    r2 = chest.squared_radius(x, y, radius * finding.uniform(1, 1.0, 1.3), radius)
    mask = smoothstep(1 - r2, 0.12)
    fluid_y = y - finding.uniform(2, -0.2, 0.4) * radius
    above_fluid = np.where(p.columns.portable == 1, 0.5, smoothstep(fluid_y - chest.y, 0.15))
    air = mask * above_fluid * finding.bernoulli(3, 0.8)
    wall = biweight(np.sqrt(r2) - 0.96, 0.12)
    thickness = half_chord(r2) * radius
    return 1.8 * thickness * (mask - air) - 0.9 * thickness * air + 0.9 * wall, mask
