"""The pulmonary vessels: trunks from each hilum that branch twice, wider at the bases."""

import numpy as np
from numpy.typing import ArrayLike

from xraylab.phantom.anatomy import Chest
from xraylab.phantom.patient import LEFT, RIGHT, Patient
from xraylab.phantom.rasterize import gaussian_blur, rasterize_tubes, sample_arc
from xraylab.phantom.rng import uniform
from xraylab.phantom.shapes import per_image

TRUNKS = 9
"""Trunks of one hilum."""

TYPICAL_FIELD = 37.0
"""Side of a typical image in cm, which determines the blur of vessels in all images of a batch."""


def hilum_position(patient: Patient, side: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y, (n,), of the hilum on a side, -1 or 1; the left one is slightly higher."""
    right = np.less(side, 0)
    shift = patient.mediastinal_shift + 0.45 * patient.rotation
    return np.where(right, -3.6, 3.7) + shift, patient.carina_y + np.where(right, 2.2, 1.2)


def vessel_thickness(chest: Chest) -> np.ndarray:
    """Return the water in the vessels, (n, size, size) in cm."""
    p = chest.patient
    # Each generation adds its blur; wide vessels are blurred by all of them.
    total, radii = 0.0, (0.22, 0.12, 0.07)
    trees = (_vascular_tree(chest, side) for side in (RIGHT, LEFT))
    for right, left, radius in zip(*trees, radii, strict=True):
        total = gaussian_blur(total + (right + left), radius * chest.size / TYPICAL_FIELD)
    hila = 0.0  # structures that are too fine or too deep to be drawn individually
    for side in (RIGHT, LEFT):
        x, y = map(per_image, hilum_position(p, side))
        hila = hila + 3.2 * np.exp(-chest.squared_radius(x, y, 2.2, 3.4))
    return per_image(1.5 * p.vascularity * p.air_fraction) * (total + hila) * np.sqrt(chest.lung)


def _vascular_tree(chest, side):
    """Return the three generations of vessels of one lung, each (n, size, size)."""
    p = chest.patient
    x, y = (position[:, np.newaxis] for position in hilum_position(p, side))
    density = max(1.0, chest.size / 96)  # of the points along a vessel
    u = uniform(chest.seed, chest.indices, f"vessels {side}", 16 * TRUNKS) - 0.5
    u = u.reshape(len(x), 16, TRUNKS)
    angle = np.linspace(-1.25, 1.35, TRUNKS) + 0.35 * u[:, 0]  # from cranial to caudal
    dome = np.where(side == RIGHT, p.right_dome, p.left_dome)[:, np.newaxis] + 0.5
    # The lung boundary is about an ellipse around the hilum.
    radius_y = np.where(angle < 0, y - p.lung_top[:, np.newaxis], np.maximum(dome - y, 4.0))
    radius_x = 0.78 * p.half_width[:, np.newaxis]
    length = np.hypot(np.cos(angle) / radius_x, np.sin(angle) / radius_y)
    length = (0.66 + 0.25 * u[:, 1]) / length
    caliber = np.where(angle < -0.15, p.upper_vascularity[:, np.newaxis], 1.0)
    caliber = caliber * (1 + 0.5 * u[:, 2])
    start = x + 0 * angle, y + 1.6 * np.sin(angle)
    end = start[0] + side * length * np.cos(angle), start[1] + length * np.sin(angle)
    parents = sample_arc(start, end, 0.35 * u[:, 3] * side, int(20 * density))
    generations = [_tapered_tubes(chest, parents, 0.40 * caliber)]

    for radius, count, branch_points in ((0.22, 11, (0.3, 0.5, 0.7, 0.9)), (0.14, 6, (0.45, 0.85))):
        branches = []
        for k, fraction in enumerate(branch_points):
            u_angle, u_length, u_bend = (u[:, 4 + 3 * k + j] for j in range(3))
            point = int(fraction * parents[0].shape[-1])
            start = np.stack([parents[0][..., point], parents[1][..., point]])
            turned = angle + (1 if k % 2 else -1) * (0.65 + 0.5 * u_angle)
            branch_length = length * (0.42 + 0.3 * u_length) * (1.1 - 0.5 * fraction)
            end = start + branch_length * np.stack([side * np.cos(turned), np.sin(turned)])
            branches.append((start, end, 0.3 * u_bend, turned, branch_length))
        starts, ends, bends, angle, length = (
            np.concatenate(arrays, axis=-1) for arrays in zip(*branches, strict=True)
        )
        caliber = np.concatenate([caliber] * len(branches), axis=1)
        u = np.concatenate([u] * len(branches), axis=2)[:, ::-1]
        parents = sample_arc(starts, ends, bends, int(count * density))
        generations.append(_tapered_tubes(chest, parents, radius * caliber))
    return generations


def _tapered_tubes(chest, points, radius):
    """Rasterize vessels whose cross-section decreases along their course."""
    x, y, spacing = points
    taper = np.linspace(1.4, 0.4, x.shape[-1])
    return rasterize_tubes(chest, (x, y, spacing * taper), radius, 1.6 * radius)
