"""What every sign of a finding is drawn with: its own random numbers, its severity, its side."""

from dataclasses import dataclass

import numpy as np

from xraylab.phantom.anatomy import lung_contour
from xraylab.phantom.draws import uniform
from xraylab.phantom.patient import LEFT, RIGHT
from xraylab.phantom.shapes import column, ellipse, smooth_field
from xraylab.phantom.vessels import hila


@dataclass
class Sign:
    """One finding on some images.

    Shapes:
        u: (n, 40) uniform numbers of this finding alone, so that switching it on changes nothing
        else; severity: (n,) in [0, 1]; side: (n,) -1 right, 1 left, 0 both.
    """

    u: np.ndarray
    severity: np.ndarray
    side: np.ndarray

    def rows(self, chosen):
        """Return the sign on some of the images."""
        return Sign(self.u[chosen], self.severity[chosen], self.side[chosen])

    def between(self, place, low, high):
        """Return the random number at a place as (n, 1, 1), uniform between two bounds."""
        return column(low + (high - low) * self.u[:, place])

    def graded(self, low, high):
        """Return what grows from ``low`` to ``high`` with severity, as (n, 1, 1)."""
        return column(low + (high - low) * self.severity)

    def chance(self, place, probability):
        """Return truths (n, 1, 1), each with a probability."""
        return (self.u[:, place] < probability)[:, np.newaxis, np.newaxis]

    def one_side(self, number=0):
        """Return a side as (n, 1, 1): the sign's own or, where it is on both, each in turn."""
        first = np.where(self.u[:, -1] < 0.5, RIGHT, LEFT) * (-1) ** number
        return column(np.where(self.side == 0, first, self.side))

    def another(self, number, place, probability):
        """Return truths (n, 1, 1): whether there is a part of that number.

        There always is a first, and a second where the sign is on both sides.
        """
        if number == 0:
            return np.ones((len(self.u), 1, 1), bool)
        needed = (self.side == 0)[:, np.newaxis, np.newaxis] & (number == 1)
        return needed | self.chance(place, probability)

    @property
    def sides(self):
        """Return the sides as (n, 1, 1)."""
        return column(self.side)


def draw_sign(indices, seed, name, severity, both):
    """Return the sign of one finding on some images; ``both``: share of them on both sides."""
    u = uniform(seed, indices, f"sign {name}", 40)
    own = uniform(seed, indices, f"side {name}", 2)
    side = np.where(own[:, 0] < both, 0, np.where(own[:, 1] < 0.54, RIGHT, LEFT))
    return Sign(u, severity, side)


def texture(chest, purpose, cells):
    """Return a smooth random field between 0 and 1, ``cells`` cells to the image's side."""
    field = smooth_field(chest.seed, chest.indices, purpose, cells, chest.size)
    return np.clip(0.5 + 0.6 * field, 0.0, 1.0)


def place_in_lung(chest, sign, place, side, low=0.2, high=0.85):
    """Return a random point in a lung, x and y as (n, 1, 1); uses two numbers from ``place``."""
    p = chest.patient
    floor = np.where(side < 0, column(p.dome_right), column(p.dome_left))
    share = sign.between(place, low, high)
    y = column(p.apex) + share * (floor + 0.5 - column(p.apex))
    height = np.clip((y - column(p.apex)) / (floor + 3.0 - column(p.apex)), 0.0, 1.0)
    return side * lung_contour(p, height) * sign.between(place + 1, 0.32, 0.85), y


def hilum_of(chest, side):
    """Return x and y, (n, 1, 1), of the hilum on a side (n, 1, 1)."""
    (xr, yr), (xl, yl) = (hila(chest.patient)[s] for s in (RIGHT, LEFT))
    return np.where(side < 0, column(xr), column(xl)), np.where(side < 0, column(yr), column(yl))


def cloud(chest, x, y, radius_x, radius_y, tilt=0.0):
    """Return a haze that is 1 in its middle and 0.37 at its radii, without an edge."""
    return np.exp(-(ellipse(chest.x, chest.y, x, y, radius_x, radius_y, tilt) ** 1.1))


def fill(chest, thickness):
    """Return the water added where lung of a thickness in cm fills with fluid: no more than air."""
    return np.minimum(thickness * column(chest.patient.air), chest.air)
