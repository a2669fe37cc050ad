"""The random numbers, the severity and the side with which a finding is drawn."""

from dataclasses import dataclass

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom.anatomy import Chest, lung_contour
from xraylab.phantom.patient import LEFT, RIGHT
from xraylab.phantom.rng import uniform
from xraylab.phantom.shapes import per_image

Layer = tuple[np.ndarray, np.ndarray]
"""The water that a finding adds, in cm, and its soft mask, both (n, size, size)."""


@dataclass
class Finding:
    """One finding on a batch of images.

    Random numbers are addressed by their column in ``u`` (``slot``). Methods return (n, 1, 1), for
    broadcasting over pixels.

    Shapes:
        u: (n, 40) uniform numbers of this finding alone.
        severity: (n,) in [0, 1]. side: (n,) -1 right, 1 left, 0 bilateral.
    """

    u: np.ndarray
    severity: np.ndarray
    side: np.ndarray

    def take(self, rows: np.ndarray) -> "Finding":
        """Return the finding on some of the images."""
        return Finding(self.u[rows], self.severity[rows], self.side[rows])

    def uniform(self, slot: int, low: float, high: float) -> np.ndarray:
        """Return random numbers, uniform in [low, high)."""
        return per_image(low + (high - low) * self.u[:, slot])

    def bernoulli(self, slot: int, probability: float) -> np.ndarray:
        """Return bool, each true with the given probability."""
        return (self.u[:, slot] < probability)[:, np.newaxis, np.newaxis]

    def by_severity(self, low: float, high: float) -> np.ndarray:
        """Interpolate from ``low`` at severity 0 to ``high`` at severity 1."""
        return per_image(low + (high - low) * self.severity)

    @property
    def sides(self) -> np.ndarray:
        """The sides, for broadcasting over pixels."""
        return per_image(self.side)

    def lesion_side(self, lesion: int = 0) -> np.ndarray:
        """Return the side of a lesion; the lesions of a bilateral finding alternate."""
        first = np.where(self.u[:, -1] < 0.5, RIGHT, LEFT) * (-1) ** lesion
        return per_image(np.where(self.side == 0, first, self.side))

    def has_lesion(self, lesion: int, slot: int, probability: float) -> np.ndarray:
        """Return whether the lesion exists.

        The first lesion always exists, as does the second of a bilateral finding.
        """
        if lesion == 0:
            return np.ones((len(self.u), 1, 1), bool)
        required = (self.sides == 0) & (lesion == 1)
        return required | self.bernoulli(slot, probability)


def sample_finding(indices, seed, name, severity, bilateral) -> Finding:
    """Sample a finding that is bilateral with probability ``bilateral``."""
    u = uniform(seed, indices, f"sign {name}", 40)
    v = uniform(seed, indices, f"side {name}", 2)
    side = np.where(v[:, 0] < bilateral, 0, np.where(v[:, 1] < 0.54, RIGHT, LEFT))
    return Finding(u, severity, side)


def sample_severities(indices: np.ndarray, seed: int, bounds: tuple[float, float]) -> np.ndarray:
    """Sample the severity that each finding has, or would have if present: (n, 14) float64."""
    low, high = bounds
    severities = low + (high - low) * uniform(seed, indices, "severity", len(FINDINGS))
    return np.minimum(severities, high)  # rounding may exceed the bound


def sample_lung_position(chest, finding, slot, side, low=0.2, high=0.85):
    """Sample a point in a lung, x and y as (n, 1, 1), from two numbers beginning at ``slot``.

    ``low`` and ``high`` bound y, as fractions of the way from the lung's top to the diaphragm.
    """
    p, c = chest.patient, chest.patient.columns
    dome = np.where(side < 0, c.right_dome, c.left_dome)
    fraction = finding.uniform(slot, low, high)
    y = c.lung_top + fraction * (dome + 0.5 - c.lung_top)
    height = np.clip((y - c.lung_top) / (dome + 3.0 - c.lung_top), 0.0, 1.0)
    return side * lung_contour(p, height) * finding.uniform(slot + 1, 0.32, 0.85), y


def diffuse_opacity(chest: Chest, x: np.ndarray, y: np.ndarray, radius_x, radius_y) -> np.ndarray:
    """Return an opacity without an edge: 1 at its center, 1/e at its radii."""
    return np.exp(-(chest.squared_radius(x, y, radius_x, radius_y) ** 1.1))
