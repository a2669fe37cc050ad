"""Findings that increase the density of the lung, as fluid, cells or scar replace air.

Terms follow the glossary of the Fleischner Society (``hansell2008``); pulmonary edema and the
shapes of collapsed lobes follow ``goodman2015``. The functions ``draw_*`` return the water to add,
in cm, and the soft mask of the finding, above 0.5 where it is; both (n, size, size).
"""

import numpy as np

from xraylab.phantom.anatomy import Chest
from xraylab.phantom.finding import Finding, Layer, diffuse_opacity, sample_lung_position
from xraylab.phantom.patient import LEFT, RIGHT, Patient
from xraylab.phantom.rasterize import gaussian_blur, rasterize_tubes, sample_arc
from xraylab.phantom.shapes import biweight, half_chord, per_image, smoothstep
from xraylab.phantom.vessels import hilum_position


def modify_for_atelectasis(patient: Patient, finding: Finding) -> None:
    """Volume loss shifts the mediastinum to the same side and elevates the hemidiaphragm."""
    loss = 0.3 + 2.4 * finding.severity * (0.5 + 0.5 * finding.u[:, 0])
    lower_lobe = (finding.u[:, 1] >= 0.3) & (finding.u[:, 1] < 0.9)
    _elevate_diaphragm(patient, finding, np.where(lower_lobe, loss, 0.4 * loss))
    patient.mediastinal_shift += finding.side * 0.5 * loss


def _elevate_diaphragm(patient, finding, elevation):
    """Elevate the diaphragm by (n,) cm on the side of the finding."""
    patient.right_dome -= np.where(finding.side <= 0, elevation, 0)
    patient.left_dome -= np.where(finding.side >= 0, elevation, 0)


def draw_atelectasis(chest: Chest, finding: Finding) -> Layer:
    """Linear (plate) atelectasis, a collapsed lobe, or a dense lung base.

    Linear atelectasis is horizontal and usually lies above the diaphragm (Fleischner). In right
    upper lobe collapse the minor fissure moves up; the left lung has no minor fissure, so the
    opacity fades downwards. A collapsed lower lobe is a triangle behind the heart.
    """
    y, abs_x, side = chest.y, chest.abs_x, finding.sides
    kind = finding.u[:, 1, np.newaxis, np.newaxis]
    is_linear, is_lower, is_upper = kind < 0.3, (kind >= 0.3) & (kind < 0.5), kind >= 0.9

    slope = finding.uniform(2, -0.12, 0.25) * (abs_x - 6)
    plate_y = chest.diaphragm_y - finding.uniform(3, 1.0, 4.0) - slope
    width = finding.by_severity(0.35, 0.8)
    drawn = np.maximum(width, 0.9 * per_image(chest.pixel_size))  # at least a pixel wide
    plate = biweight(y - plate_y, drawn)
    second = biweight(y - plate_y + finding.uniform(4, 1.2, 2.5), drawn)
    plate = np.maximum(plate, second * finding.bernoulli(5, 0.5))
    lateral = chest.lateral_fraction
    extent = smoothstep(finding.uniform(6, 0.6, 0.95) - lateral, 0.08)
    linear = plate * (extent * smoothstep(lateral - 0.22, 0.08))

    hilum_x, hilum_y = map(
        per_image, hilum_position(chest.patient, np.where(finding.side == 0, LEFT, finding.side))
    )
    edge_x = np.abs(hilum_x) - 0.5 + finding.uniform(2, 0.25, 0.6) * (y - hilum_y)
    lower = smoothstep(edge_x - abs_x, 0.3) * smoothstep(y - hilum_y, 0.8)
    fissure_y = hilum_y - 0.3 - 0.3 * finding.uniform(3, 0.0, 1.0) * (abs_x - 3.5)
    fade = np.where(chest.x > 0, 2.5, 0.3)
    upper = smoothstep(fissure_y - finding.by_severity(0.0, 3.0) - y, fade)
    base = smoothstep(y - chest.diaphragm_y + finding.by_severity(2.0, 6.5), 2.5)

    shape = np.select([is_linear, is_lower, is_upper], [linear, lower, upper], base)
    linear_thickness = finding.by_severity(1.5, 4.0) * width / drawn
    thickness = np.where(is_linear, linear_thickness, finding.by_severity(2.5, 8.0))
    # A collapsed lower lobe also lies behind the heart, where little lung is visible.
    same_side = (side == 0) | (side * chest.x > 0)
    retrocardiac = same_side * smoothstep(chest.diaphragm_y - y, chest.edge_width)
    mask = shape * np.where(is_lower, retrocardiac, chest.lung_on(side))
    return chest.airspace_fluid(thickness) * mask, mask * 1.4


def _patchy_opacity(chest, finding, name, lesions, radius, thickness, cells, low=0.2):
    """Draw several ill-defined opacities with an uneven texture in one lung or both.

    Args:
        radius, thickness: bounds in cm. cells: resolution of the texture. low: see
            :func:`sample_lung_position`.
    """
    total = np.zeros_like(chest.x)
    for lesion in range(lesions):
        slot, side = 6 * lesion, finding.lesion_side(lesion)
        x, y = sample_lung_position(chest, finding, slot, side, low, 0.9)
        width = finding.uniform(slot + 2, *radius)
        height = width * finding.uniform(slot + 3, 0.7, 1.4)
        present = finding.has_lesion(lesion, slot + 4, 0.75) * ((side * chest.x) > 0)
        total = np.maximum(total, diffuse_opacity(chest, x, y, width, height) * present)
    mask = np.minimum(total, 1.0) * chest.lung
    uneven = 0.35 + 1.2 * chest.texture(name, cells)
    return chest.airspace_fluid(finding.by_severity(*thickness) * mask * uneven), mask * 1.4


def draw_infiltration(chest: Chest, finding: Finding) -> Layer:
    """Ill-defined, patchy opacities; the term is obsolete and nonspecific (Fleischner)."""
    return _patchy_opacity(chest, finding, "infiltration", 4, (2.5, 5.6), (1.9, 6.8), 16)


def draw_pneumonia(chest: Chest, finding: Finding) -> Layer:
    """Patchy consolidation, mostly basal, with air bronchograms (Fleischner)."""
    added, mask = _patchy_opacity(
        chest, finding, "pneumonia", 3, (1.8, 4.2), (3.0, 9.5), 20, low=0.4
    )
    return added * (1 - 0.45 * np.minimum(_bronchi(chest, finding) / 0.4, 1.0)), mask


def _bronchi(chest, finding):
    """Return the air in bronchi that fan out from both hila, in cm."""
    total = np.zeros_like(chest.x)
    u, v = finding.u[:, 24:30], finding.u[:, 30:36]
    angle = 0.1 + 0.26 * np.arange(6) + 0.3 * (u - 0.5)
    length = 7.0 + 3.0 * v
    radius = np.full(angle.shape, 0.22)
    for side in (RIGHT, LEFT):
        x, y = (per_image(v)[:, :, 0] for v in hilum_position(chest.patient, side))
        start = x + 0 * angle, y + 0 * angle
        end = x + side * length * np.cos(angle), y + length * np.sin(angle)
        arcs = sample_arc(start, end, 0.3 * (u - 0.5), max(24, chest.size // 2))
        total += rasterize_tubes(chest, arcs, radius, 2 * radius)
    return gaussian_blur(total, 1.3 * chest.size / 224)


def draw_consolidation(chest: Chest, finding: Finding) -> Layer:
    """Homogeneous opacity that obscures the vessels and is bounded by a fissure (Fleischner)."""
    side = finding.lesion_side()
    x, y = sample_lung_position(chest, finding, 1, side, 0.2, 0.9)
    radius = finding.by_severity(2.5, 5.5) * finding.uniform(3, 0.8, 1.2)
    uneven = 0.5 * (chest.texture("consolidation", 12) - 0.5)
    r2 = chest.squared_radius(x, y, radius * 1.15, radius)
    opacity = smoothstep(1 + uneven - np.sqrt(r2), 0.35)
    above = np.where(finding.bernoulli(4, 0.5), np.float32(-1), np.float32(1))
    fissure = chest.y - y + finding.uniform(5, -0.3, 0.3) * (chest.x - x)
    opacity = opacity * smoothstep(above * fissure + 0.3 * radius, 0.25)
    r2 = chest.squared_radius(-x, y + 1.0, radius * 0.9, radius)
    contralateral = (finding.sides == 0) * smoothstep(1 + uneven - np.sqrt(r2), 0.35)
    mask = np.where((side * chest.x) > 0, opacity, contralateral) * chest.lung
    obscured = chest.vessels * mask * 0.8
    return chest.airspace_fluid(finding.by_severity(4.0, 9.0) * mask) - obscured, mask


def _round_opacity(chest, finding, lesion, radius, lobulation, density):
    """Draw a round opacity with a sharp edge somewhere in a lung.

    Args:
        lesion: number of the lesion, from 0; each has six slots of random numbers.
        radius: half of the longest diameter, (n, 1, 1) cm.
        lobulation: how far the edge protrudes from an ellipse, or is indented if negative.
        density: cm of water per cm.
    """
    slot, side = 6 * lesion, finding.lesion_side(lesion)
    x, y = sample_lung_position(chest, finding, slot, side, 0.12, 0.92)
    # A lesion narrower than a pixel is drawn as wide as a pixel and proportionally fainter, so that
    # it is not lost between pixel centers and its total attenuation is the same.
    drawn = np.maximum(radius, 0.9 * per_image(chest.pixel_size))
    thickness = density * 2 * radius * (radius / drawn) ** 2
    minor = drawn * finding.uniform(slot + 2, 0.75, 1.0)
    tilt = finding.uniform(slot + 3, 0.0, np.pi)
    r2 = chest.squared_radius(x, y, drawn, minor, tilt)
    rough = 0.7 * chest.texture(f"edge {lesion}", 16) + 0.3 * chest.texture(
        f"spicules {lesion}", 50
    )
    r2 = r2 * (1 - lobulation * rough)
    edge = np.maximum(0.25, per_image(chest.pixel_size) * 0.7 / drawn)
    mask = smoothstep(1 - r2, edge) * ((side * chest.x) > 0)
    mask = mask * smoothstep(chest.diaphragm_y + 0.7 - chest.y, chest.edge_width)
    return chest.airspace_fluid(thickness * np.sqrt(half_chord(r2 * 0.9)) * mask), mask


def draw_mass(chest: Chest, finding: Finding) -> Layer:
    """An opacity of more than 3 cm (Fleischner): half of the longest diameter is 1.6 to 4.4 cm."""
    radius = finding.by_severity(1.6, 3.8) * finding.uniform(8, 1.0, 1.15)
    return _round_opacity(chest, finding, 0, radius, 0.5, 1.0)


def draw_nodules(chest: Chest, finding: Finding) -> Layer:
    """Rounded opacities of at most 3 cm (Fleischner): half of the diameter is 0.6 to 1.5 cm.

    There are up to five. They are denser than water, as if partly calcified.
    """
    radius = finding.by_severity(0.65, 1.4) * finding.uniform(36, 0.92, 1.07)
    added, mask = np.zeros_like(chest.x), np.zeros_like(chest.x)
    for lesion in range(5):
        present = finding.has_lesion(lesion, 37, 0.6 - 0.08 * lesion)
        size = radius * (1.0 - 0.1 * lesion)
        nodule, nodule_mask = _round_opacity(chest, finding, lesion, size, -0.35, 1.9)
        added, mask = added + present * nodule, np.maximum(mask, present * nodule_mask)
    return added, mask


def modify_for_edema(patient: Patient, finding: Finding) -> None:
    """Fluid overload: larger heart, engorged vessels, cephalization."""
    limit = 0.50 + 0.03 * patient.portable  # more is cardiomegaly, which has its own label
    ratio = np.minimum(patient.cardiothoracic_ratio + 0.02 + 0.05 * finding.severity, limit)
    patient.cardiothoracic_ratio = np.maximum(patient.cardiothoracic_ratio, ratio)
    patient.vascularity *= 1.2 + 0.5 * finding.severity
    patient.upper_vascularity = np.maximum(patient.upper_vascularity, 0.9 + 0.4 * finding.u[:, 1])


def draw_edema(chest: Chest, finding: Finding) -> Layer:
    """Perihilar (bat wing) opacities and septal lines at the bases (``goodman2015``)."""
    wings = np.zeros_like(chest.x)
    width, height = finding.uniform(3, 3.2, 5.5), finding.uniform(4, 4.5, 7.5)
    for side in (RIGHT, LEFT):
        x, y = map(per_image, hilum_position(chest.patient, side))
        x, y = x + side * 1.8, y + finding.uniform(2, 0.0, 3.0)
        wings = np.maximum(wings, diffuse_opacity(chest, x, y, width, height))
    opacity = (wings + finding.uniform(5, 0.1, 0.5) * (1 - wings)) * chest.lung
    uneven = 0.5 + 0.9 * chest.texture("edema", 24)
    added = chest.airspace_fluid(finding.by_severity(1.2, 5.0) * opacity * uneven)
    return added + _septal_lines(chest, finding) * chest.lung, wings * chest.lung * 1.4


def _septal_lines(chest, finding):
    """Return Kerley B lines: short horizontal lines at the chest wall above the angles."""
    p, ones = chest.patient, np.ones((len(finding.u), 12))
    side = np.where(np.arange(12) < 6, RIGHT, LEFT)
    dome = np.where(side == RIGHT, p.right_dome[:, np.newaxis], p.left_dome[:, np.newaxis])
    y = dome + 0.8 - (np.arange(12) % 6) * 0.75 + 0.5 * finding.u[:, 6:18]
    x = side * (p.half_width - 0.25)[:, np.newaxis] * ones
    arcs = sample_arc((x, y), (x - side * 1.6, y - 0.1), 0 * ones, max(6, chest.size // 24))
    return rasterize_tubes(chest, arcs, 0.08 * finding.severity[:, np.newaxis] * ones, 1.5 * ones)


def modify_for_fibrosis(patient: Patient, finding: Finding) -> None:
    """Volume loss elevates the hemidiaphragm if the fibrosis is basal."""
    _elevate_diaphragm(patient, finding, 1.4 * finding.severity * (finding.u[:, 0] < 0.65))


def draw_fibrosis(chest: Chest, finding: Finding) -> Layer:
    """Reticular pattern, basal and peripheral or apical (Fleischner)."""
    basal = smoothstep(chest.height - finding.uniform(1, 0.4, 0.6), 0.2)
    basal = basal * (0.5 + 0.5 * smoothstep(chest.lateral_fraction - 0.6, 0.3))
    apical = smoothstep(finding.uniform(1, 0.25, 0.45) - chest.height, 0.15)
    reticulation = np.zeros_like(chest.x)
    for cells in (34, 56):
        field = chest.noise(f"fibrosis {cells}", cells)
        reticulation += np.clip(1 - 4.0 * np.abs(field), 0.0, 1.0)
    mask = np.where(finding.bernoulli(0, 0.65), basal, apical) * chest.lung_on(finding.sides)
    return chest.airspace_fluid(finding.by_severity(1.8, 4.2) * mask * (0.6 + reticulation)), mask
