"""The pulmonary vessels: trunks from each hilum that branch twice, wider at the bases."""

import numpy as np

from xraylab.phantom.patient import LEFT, RIGHT
from xraylab.phantom.rasterize import gaussian_blur, rasterize_tubes, sample_arc
from xraylab.phantom.rng import uniform
from xraylab.phantom.shapes import per_image

TRUNKS = 9
"""Trunks of one hilum."""

TYPICAL_FIELD = 37.0
"""Side of a typical image in cm, which determines the blur of vessels in all images of a batch."""


def hilum_positions(patient):
    """Return x and y, (n,), of the right and of the left hilum, which is slightly higher."""
    shift = patient.mediastinal_shift + 0.45 * patient.rotation
    y = patient.carina_y
    return {RIGHT: (-3.6 + shift, y + 2.2), LEFT: (3.7 + shift, y + 1.2)}


def vessel_thickness(chest):
    """Return the water in the vessels, (n, size, size) in cm."""
    p = chest.patient
    generations = [np.zeros_like(chest.x) for _ in range(3)]
    hila = np.zeros_like(chest.x)
    for side, (x, y) in hilum_positions(p).items():
        for total, vessels in zip(generations, _vascular_tree(chest, side, x, y), strict=True):
            total += vessels
        # Hilar structures that are too fine or too deep to be drawn individually.
        r2 = ((chest.x - per_image(x)) / 2.6) ** 2 + ((chest.y - per_image(y)) / 3.6) ** 2
        hila += 1.6 * np.exp(-r2)
    # Each generation adds its blur; wide vessels are blurred by all of them.
    total = np.zeros_like(chest.x)
    for vessels, radius in zip(generations, (0.22, 0.12, 0.07), strict=True):
        total = gaussian_blur(total + vessels, radius * chest.size / TYPICAL_FIELD)
    return per_image(p.vascularity * p.air_fraction) * (total + hila) * np.sqrt(chest.lung)


def _vascular_tree(chest, side, x, y):
    """Return the three generations of vessels of one lung, each (n, size, size)."""
    p, x, y = chest.patient, x[:, np.newaxis], y[:, np.newaxis]
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
