"""A chest without findings: how many centimetres of water stand in the way of each ray.

All that lies along a ray adds up, as in the law of Beer and Lambert. Soft tissue and fluid count as
water; lung is mostly air; bone counts as the water that weakens the beam as much. What is written
in (n, size, 1) depends on the height alone, which makes most of the geometry cheap.
"""

from dataclasses import dataclass, replace

import numpy as np

from xraylab.phantom.patient import Patient
from xraylab.phantom.shapes import band, bump, column, ellipse, smooth_field, step

NECK = 2.6
"""Half the width in cm of the mediastinum above the heart."""


@dataclass
class Chest:
    """The chests of some patients, laid out on the image's pixels; lengths in centimetres.

    Shapes:
        x: (n, size, size), y: (n, size, 1), where each pixel lies in the patient.
        height: (n, size, 1), 0 at the lungs' tops and 1 at the costophrenic angles.
        outer: (n, size, 1), from the midline to the inside of the ribs.
        border: the mediastinum's right and left border, each (n, size, 1).
        lower: (n, size, size), y of the diaphragm there. beside: |x|.
        lung: (n, size, size), share of the pixel that is lung seen free of heart and diaphragm.
        air: (n, size, size), cm of air along the ray. water: (n, size, size), cm of water.
        vessels: (n, size, size), cm of water that the vessels hold.
    """

    patient: Patient
    size: int
    seed: int
    indices: np.ndarray
    x: np.ndarray
    y: np.ndarray
    beside: np.ndarray
    height: np.ndarray
    outer: np.ndarray
    border: tuple
    lower: np.ndarray
    lung: np.ndarray
    air: np.ndarray
    water: np.ndarray
    vessels: np.ndarray

    @property
    def pitch(self):
        """Side of a pixel in cm, (n,)."""
        return self.patient.field / self.size

    @property
    def soft(self):
        """Half the width in cm of an edge that is as sharp as a pixel allows, (n, 1, 1)."""
        return column(np.maximum(0.12, 0.7 * self.pitch))

    @property
    def reach(self):
        """Share of the way from the midline to the ribs, (n, size, size); above 1 beyond them."""
        return self.beside / self.outer.clip(1.0)  # at the lungs' tops the ribs meet the midline

    def to_pixels(self, x, y):
        """Return the column and row, from the centre of the first pixel, of points (n, m)."""
        p = self.patient
        turn, move_x, move_y, pitch = (
            v[:, np.newaxis] for v in (p.turn, p.move_x, p.move_y, self.pitch)
        )
        middle = self.size / 2 - 0.5
        return (x + turn * y + move_x) / pitch + middle, (y + move_y) / pitch + middle

    def lung_of(self, side):
        """Return the lung of one side an image; ``side`` (n, 1, 1): -1 right, 1 left, 0 both."""
        return self.lung * ((side == 0) | (side * self.x > 0))

    def rows(self, chosen):
        """Return some of the chests."""
        pictures = {
            name: value[chosen]
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray)
        }
        border = tuple(edge[chosen] for edge in self.border)
        return replace(self, patient=self.patient.rows(chosen), border=border, **pictures)


def lay_out(patient, indices, seed, size):
    """Return chests with every outline in place, the air in the lungs and the water of the body."""
    p = patient
    grid = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * column(p.field)
    y = np.swapaxes(grid, 1, 2) - column(p.move_y)
    x = grid - column(p.turn) * y - column(p.move_x)
    beside = np.abs(x)
    floor = column(np.maximum(p.dome_right, p.dome_left) + p.angle)
    height = (y - column(p.apex)) / (floor - column(p.apex))
    inside = np.clip(height, 0.0, 1.0)
    outer = lung_contour(p, inside)
    border = mediastinal_borders(p, y)
    left = step(x, 3.0)  # the two domes pass into each other behind the heart
    dome = column(p.dome_right) + column(p.dome_left - p.dome_right) * left
    # From the top of the dome the diaphragm falls to the angle outside, and less to the heart.
    crest = column(p.width * 0.45)
    fall = (beside - crest) / (column(p.width) - crest)
    fall = np.where(fall > 0, fall, 0.3 * fall)
    lower = dome + column(p.angle * (1 - p.flat)) * np.minimum(fall * fall, 1.2)
    soft = column(np.maximum(0.4, 0.8 * p.field / size))
    top = step(y - column(p.apex), 0.5)
    above = step(lower - y, np.maximum(soft, column(p.haze)))
    cage = step(outer - beside, soft) * top
    path, middle = lung_path(p, beside, outer, inside)
    # Behind and in front of the dome the lung reaches lower than its top: air seen through it.
    behind = 0.30 * np.exp(-np.maximum(y - lower, 0.0) / 1.8)
    held = middle_thickness(p, x, y, border, path)
    air = cage * (path - held) * np.maximum(above, behind) * column(p.air)
    free = cage * above * (1 - np.minimum(held / (0.5 * middle + 1.0), 1.0))
    outlines = x, y, beside, height, outer, border, lower, free, air
    return Chest(p, size, seed, indices, *outlines, np.zeros_like(x), np.zeros_like(x))


def lung_contour(patient, height):
    """Return the cm from the midline to the ribs' inside, shaped as the heights, 0 to 1."""
    p = patient
    return column(p.width) * (1 - (1 - height) ** column(p.shape)) ** column(p.taper)


def lung_path(patient, beside, outer, height):
    """Return the length of each ray inside the rib cage, and that of the longest one in its row."""
    p = patient
    deep = 2 * column(p.depth) * np.minimum(0.35 + 1.6 * height, 1.0)
    across = beside / (1.02 * outer + 1e-3)
    across = across * np.sqrt(across)  # squarer than an ellipse
    return deep * np.sqrt(np.clip(1 - across * across, 0.0, 1.0)), deep


def mediastinal_borders(patient, y):
    """Return x of the right and left border of heart and great vessels, each (n, size, 1).

    From above, on the right: superior vena cava, ascending aorta, right atrium; on the left: aortic
    knob, pulmonary trunk, left auricle, left ventricle (``goodman2015``).
    """
    p = patient
    low = column(np.minimum(p.dome_right, p.dome_left + 0.6))
    carina = column(p.carina)
    width = column(2 * p.width * p.heart_ratio)
    to_left, to_right = width * column(p.heart_left), width * column(1 - p.heart_left)
    neck = NECK - 0.3 * step(column(p.apex) + 3 - y, 3.0)
    # The ventricle: from the hilum it swings out to the apex of the heart, near the diaphragm.
    tip = low - 1.2 + 0.12 * (width - 11)
    start = carina + 1.2
    rise = np.clip((y - start) / (tip - start), 0.0, 1.0)
    swing = np.where(
        y < tip,
        np.sin(0.5 * np.pi * rise) ** 1.5,
        np.sqrt(np.clip(1 - ((y - tip) / 4.2) ** 2, 0.0, 1.0)),
    )
    left = neck + (to_left - NECK) * swing + column(p.knob) * bump(y - carina + 2.9, 1.7)
    left = left + column(p.pulmonary) * bump(y - carina - 1.0, 1.8)
    left = left + column(p.auricle) * bump(y - carina - 3.4, 1.8)
    atrium = np.clip((y - carina) / (low + 1.0 - carina), 0.0, 1.3)
    round_ = np.maximum(np.sin(np.pi * np.minimum(atrium, 1.0) ** 1.2), 0.0) ** 0.7
    round_ = np.where(atrium < 0.56, round_, np.maximum(round_, 0.8))
    right = neck + (to_right - NECK) * round_ + column(p.ascending) * bump(y - carina + 1.2, 2.6)
    middle = column(p.shift) * np.clip(1.0 - 0.03 * (y - low), 0.5, 1.6)
    lean = column(p.twist) * 0.45
    return -right + middle + lean, left + middle + lean


def middle_thickness(patient, x, y, border, path):
    """Return how many cm of each ray inside the cage the mediastinum takes up."""
    p = patient
    right, left = border
    centre, half = 0.5 * (left + right), 0.5 * (left - right)
    u = (x - centre) / half
    chord = np.clip(1 - u * u, 0.0, 1.0) ** 0.85
    wide = np.clip((half - 2.4) / 3.0, 0.0, 1.0)  # vessels above, the heart below
    deep = column(p.depth) * (1.45 + 0.25 * wide)
    core = step(1.6 - np.abs(x - column(p.shift)), 1.5)  # spine, oesophagus: no lung at all
    return np.minimum(np.maximum(chord * deep, core * (path - 1.0)), path)


def body(chest):
    """The body's thickness from front to back, less what the rib cage holds of air."""
    p, y, beside = chest.patient, chest.y, chest.beside
    wall = column(p.wall)
    full = column(p.width) + wall
    waist = chest.height - 1.0
    neck = 6.0 + 0.35 * wall
    trunk = neck + (full * (1 - 0.07 * step(waist, 0.3)) - neck) * step(y - column(p.apex) + 1, 3.5)
    deep = 9.0 + (column(p.depth) + 0.75 * wall - 9.0) * step(y - column(p.apex) - 2, 6.0)
    round_ = np.minimum(beside / trunk, 1.0) ** 2
    thick = 2 * deep * np.sqrt(1 - round_ * round_)
    # Shoulders slope from the neck; the arms hang from them, or are lifted out of the way.
    slope = column(p.apex) - 6.0 + 0.30 * np.maximum(beside - 5.5, 0.0)
    shoulder = 15.0 * np.sqrt(np.clip((y - slope) / 5.5, 0.0, 1.0))
    reach = full + 7.5 + 2.5 * column(p.arms)
    armpit = column(p.apex) + 7.5 + 4.0 * column(p.arms)
    shoulder = shoulder * step(armpit + 3.0 - y, 5.0) * step(reach - beside, 1.0)
    apart = full + 4.2 + (1.0 + 3.0 * column(p.arms)) * np.clip(1 + (y - armpit) / 12, 0.0, 3.0)
    away = np.where(p.portable == 1, 0.0, 40.0 * (p.arms > 0.65))
    arm = (beside - apart - column(away) * step(y - armpit - 1, 4.0)) / 4.4
    arm = 12.0 * np.sqrt(np.clip(1 - arm * arm, 0.0, 1.0)) * step(y - armpit + 4, 3.0)
    thick = np.maximum(np.maximum(thick, shoulder), arm)
    thick = thick + 4.0 * step(y - chest.lower - 2.5, 3.0) * (thick > 0)
    thick = thick + column(p.breast) * breast_shape(chest)
    # Muscle, fat and skin are uneven.
    fine = smooth_field(chest.seed, chest.indices, "tissue", 40, chest.size)
    coarse = smooth_field(chest.seed, chest.indices, "fat", 11, chest.size)
    thick = thick + (0.3 * fine + 0.5 * coarse) * np.minimum(thick * 0.1, 1.0)
    return thick - chest.air - stomach_air(chest)


def breast_shape(chest):
    """Breast shadows, round below: 1 where they are thickest."""
    p = chest.patient
    centre_y = column(p.dome_right - 0.2 - 0.5 * p.breast)
    u = (chest.beside - column(p.width * 0.68)) / column(p.width * 0.52)
    v = (chest.y - centre_y) / np.where(chest.y > centre_y, 4.2, 8.0)
    return np.sqrt(np.clip(1 - u * u - v * v, 0.0, 1.0))


def stomach_air(chest):
    """Air in the stomach under the left dome: a bubble with a level if the patient stands."""
    p = chest.patient
    size = column(np.clip(p.stomach, 0.0, 1.0))
    centre_y = column(p.dome_left) + 1.0 + 2.2 * size
    bubble = ellipse(
        chest.x, chest.y, column(p.width * 0.5), centre_y, 1.2 + 3.8 * size, 0.8 + 2.2 * size
    )
    level = np.where(column(p.portable) == 1, 1.0, step(centre_y + 0.8 * size - chest.y, 0.15))
    return (size > 0) * 5.0 * np.sqrt(np.clip(1 - bubble, 0.0, 1.0)) * level * (0.4 + 0.6 * size)


def mediastinum(chest):
    """The spine with its discs, and the trachea, a column of air."""
    p, x, y = chest.patient, chest.x, chest.y
    gap = column(p.rib_gap)
    spine = 1.8 * band(x, 2.5) * (1 + 0.14 * np.cos(2 * np.pi * y / gap))
    spine = spine + 0.5 * (band(x - 1.9, 0.5) + band(x + 1.9, 0.5))  # pedicles, end on
    carina = column(p.carina)
    off = x - column(trachea_x(p))
    trachea = 1.7 * np.sqrt(np.clip(1 - (off / 0.95) ** 2, 0.0, 1.0))
    trachea = trachea * step(carina - y, 0.8)
    return column(p.bone) * spine - trachea


def trachea_x(patient):
    """Return x of the trachea, (n,): a little to the right, moved with mediastinum and patient."""
    return patient.shift + 0.3 * patient.twist - 0.15


def bones(chest):
    """Ribs behind and in front, clavicles, shoulder blades and the bones of the upper arm."""
    p, beside, y = chest.patient, chest.beside, chest.y
    gap, slant = column(p.rib_gap), column(p.rib_slant)
    across = np.minimum(beside / (chest.outer + 0.5), 1.15)
    squared = across * across
    start = column(p.apex + 0.7)
    # Behind, a rib leaves the spine level and falls ever more; in front it falls to the middle.
    behind = (y - start - slant * (3.2 * squared * across - 0.4)) / gap
    before = (y - start - 2.2 - slant * 6.5 * (1.0 - 0.9 * squared)) / gap
    cage = step(chest.outer + 0.7 - beside, 0.4) * step(chest.height + 0.02, 0.03)
    cage = cage * (1 - 0.65 * step(chest.height - 0.95, 0.15))
    ribs = 0.8 * rib_profile(behind) * step(beside - 1.5, 0.5)
    ribs = ribs + 0.35 * rib_profile(before) * step(across - 0.42, 0.12)
    edge = band(chest.outer + 0.1 - beside, 0.9)  # there the ribs run along the ray
    total = cage * (ribs * (1 + 0.2 * edge) + 0.5 * edge)
    lean = column(p.twist)
    inner = np.abs(chest.x - lean) - 1.6
    rise = column(p.apex) + 3.1 - 0.30 * inner + 0.35 * np.sin(inner / 2.1)
    clavicle = band(y - rise + 0.6 * column(p.arms), 0.75) * step(inner, 0.4)
    total = total + 1.4 * clavicle * step(14.5 - inner, 0.5)
    return column(p.bone) * (total + shoulder_bones(chest))


def shoulder_bones(chest):
    """The shoulder blade, out of the way unless the image is AP, and the head of the humerus."""
    p, beside, y = chest.patient, chest.beside, chest.y
    top = column(p.apex)
    joint = column(p.width + p.wall * 0.5 + 2.6 + 1.4 * p.arms)
    inward = column(np.where(p.portable == 1, 0.30, 0.12) + 0.12 * p.arms)
    down = y - top - 4.0
    outline = joint - 1.5 - inward * down
    span = step(down + 1.5, 1.2) * step(11.0 - down, 1.5)
    blade = 0.35 * step(outline - beside, 0.4) * step(beside - outline + 8.0 - 0.55 * down, 0.8)
    total = span * (blade + 0.8 * band(beside - outline, 0.55))
    head = ellipse(beside, y, joint + 1.6, top + 4.3, 2.5, 2.6)
    total = total + 2.6 * np.sqrt(np.clip(1 - head, 0.0, 1.0))
    shaft = joint + 2.6 + (0.10 + 0.15 * column(p.arms)) * (y - top - 5)
    return total + 1.8 * band(beside - shaft, 1.3) * step(y - top - 5.0, 1.0)


def rib_profile(phase):
    """Return the thickness across a rib, one rib a unit of ``phase``: denser at its edges."""
    off = np.abs(phase - np.floor(phase) - 0.5)
    return step(0.26 - off, 0.05) * (0.55 + 0.45 * band(off - 0.2, 0.12))
