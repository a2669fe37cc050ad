"""A chest without findings: what a patient is like, and what weakens the beam on its way.

Lengths are fractions of the film's side; x runs to the right of the film, which is the patient's
left, and y downwards. Attenuations add up along the ray, in units in which the mediastinum is
about 1.
"""

from dataclasses import dataclass, replace

import numpy as np

from xraylab.phantom.draws import uniform
from xraylab.phantom.shapes import band, column, dome, ellipse, smooth_field, step

RIGHT, LEFT = -1, 1
"""The patient's sides, as the sign of x on the film."""


@dataclass
class Patient:
    """What varies from patient to patient; every attribute is (n,), findings may change them.

    ``sex`` is 0 for women and 1 for men, ``age`` in years, ``portable`` 1 for an AP film taken at
    the bedside. The rest are lengths and factors, explained where they are used.
    """

    sex: np.ndarray
    age: np.ndarray
    portable: np.ndarray
    width: np.ndarray
    apex: np.ndarray
    base: np.ndarray
    base_right: np.ndarray
    base_left: np.ndarray
    dome_height: np.ndarray
    heart_width: np.ndarray
    heart_height: np.ndarray
    thickness: np.ndarray
    aeration: np.ndarray
    vessels: np.ndarray
    ribs: np.ndarray
    shift: np.ndarray
    turn: np.ndarray
    zoom: np.ndarray
    move_x: np.ndarray
    move_y: np.ndarray
    roundness: np.ndarray
    stomach: np.ndarray

    def rows(self, chosen):
        """Return some of the patients."""
        return replace(self, **{name: value[chosen] for name, value in vars(self).items()})


def draw_patients(indices, seed):
    """Return the patients of some films."""
    u = uniform(seed, indices, "patient", 36).T

    def between(low, high, place):
        return low + (high - low) * u[place]

    def about(centre, spread, place):
        """A bell of three uniforms, from centre - spread to centre + spread."""
        return centre + spread * (2 * (u[place] + u[place + 1] + u[place + 2]) / 3 - 1)

    portable = (u[0] < 0.4).astype(float)
    age = 18 + 72 * (u[1] + u[2] + u[3]) / 3
    breath = about(0.0, 1.0, 4)  # from shallow to deep
    return Patient(
        sex=(u[7] < 0.56).astype(float),
        age=age,
        portable=portable,
        width=about(0.37, 0.06, 8),
        apex=about(0.11, 0.05, 11),
        base=0.72 + 0.07 * breath - 0.05 * portable,
        base_right=between(-0.03, 0.0, 14),
        base_left=between(0.0, 0.03, 15),
        dome_height=between(0.035, 0.075, 16),
        heart_width=0.44 + 0.05 * portable + 0.0006 * (age - 50) + between(-0.04, 0.04, 17),
        heart_height=between(0.11, 0.14, 18),
        thickness=between(0.75, 1.3, 19),
        aeration=1.0 + 0.1 * breath,
        vessels=between(0.7, 1.3, 20),
        ribs=between(0.7, 1.2, 21),
        shift=np.zeros(len(u[0])),
        turn=np.radians(between(-4, 4, 22)),
        zoom=about(1.0, 0.12, 23),
        move_x=about(0.0, 0.05, 26),
        move_y=about(0.0, 0.05, 29),
        roundness=between(2.0, 3.6, 32),
        stomach=between(0.0, 1.0, 33),
    )


@dataclass
class Chest:
    """The drawn chests of some patients; pictures are (n, size, size) float32.

    ``x`` and ``y`` are where each pixel lies in the patient, ``lung`` how much of a pixel is lung
    (0 to 1) on either side, ``depth`` how thick the lung is there, ``lower_edge`` where the
    diaphragm runs, ``attenuation`` the sum along the ray.
    """

    patient: Patient
    size: int
    seed: int
    indices: np.ndarray
    x: np.ndarray
    y: np.ndarray
    sides: dict[int, np.ndarray]
    lower_edge: dict[int, np.ndarray]
    outer_edge: np.ndarray
    depth: np.ndarray
    attenuation: np.ndarray

    @property
    def lung(self):
        """How much of each pixel is lung, of either side."""
        return self.sides[RIGHT] + self.sides[LEFT]

    def rows(self, chosen):
        """Return some of the chests; ``attenuation`` is a copy."""
        return replace(
            self,
            patient=self.patient.rows(chosen),
            indices=self.indices[chosen],
            sides={side: lung[chosen] for side, lung in self.sides.items()},
            lower_edge={side: edge[chosen] for side, edge in self.lower_edge.items()},
            **{
                name: getattr(self, name)[chosen]
                for name in ("x", "y", "outer_edge", "depth", "attenuation")
            },
        )


def lay_out(patient, indices, seed, size):
    """Return chests with coordinates and lungs in place and nothing attenuating yet."""
    grid = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5)[np.newaxis]
    across, down = grid[:, np.newaxis, :], grid[:, :, np.newaxis]
    cosine, sine = column(np.cos(patient.turn)), column(np.sin(patient.turn))
    zoom = column(patient.zoom)
    x = (across * cosine + down * sine) * zoom - column(patient.move_x)
    y = (down * cosine - across * sine) * zoom - column(patient.move_y) + 0.5

    width, apex, base = (column(getattr(patient, n)) for n in ("width", "apex", "base"))
    height = np.clip((y - apex) / (base - apex), 0.0, 1.3)  # 0 at the apex, 1 at the base
    outer = width * np.sqrt(
        np.clip(1 - (1 - np.minimum(height, 1.0)) ** column(patient.roundness), 0.0, 1.0)
    )
    outer = outer * (0.82 + 0.18 * height)
    inner = 0.045 + 0.03 * height
    middle = column(patient.shift)
    edge = np.maximum(0.006, 0.7 / size)
    sides, lower_edges = {}, {}
    for side, raised in ((RIGHT, patient.base_right), (LEFT, patient.base_left)):
        beside = side * (x - middle * (1 - height))  # distance from the middle, on this side
        bow = (beside - 0.5 * (inner + width)) / (0.5 * width)
        lower = base + column(raised) + column(patient.dome_height) * (1.6 * bow * bow - 0.6)
        lung = step(outer - beside, edge) * step(beside - inner, edge * 1.5)
        sides[side] = lung * step(lower - y, edge) * step(y - apex, 0.02)
        lower_edges[side] = np.broadcast_to(lower, x.shape)
    # Lungs are thick in their middle and thin towards the ribs and the apex.
    beside = np.abs(x)
    depth = np.sqrt(np.clip(1 - ((beside - 0.2 * width) / (0.85 * width)) ** 2, 0.05, 1.0))
    depth = depth * np.clip(0.55 + 0.75 * height, 0.0, 1.0)
    # Where the heart is, there is little lung before and behind it.
    depth = depth * (1 - 0.8 * np.sqrt(dome(ellipse(x, y, *heart_ellipses(patient)))))
    return Chest(
        patient, size, seed, indices, x, y, sides, lower_edges, outer, depth, np.zeros_like(x)
    )


def draw_anatomy(chest):
    """Add everything a chest without findings holds to its attenuation, and return that."""
    parts = (soft_tissue, spine_and_mediastinum, bones, lung_markings)
    for part in parts:
        chest.attenuation += part(chest)
    return chest.attenuation


def soft_tissue(chest):
    """The body around the lungs: chest wall, shoulders, neck, abdomen, breasts; less the air."""
    p, x, y = chest.patient, chest.x, chest.y
    width = column(p.width)
    shoulder = 0.16 + 0.34 * step(y - column(p.apex) + 0.01, 0.1)
    half_width = np.minimum(shoulder, width * 1.22 + 0.035 * column(p.thickness))
    half_width = half_width + 0.25 * step(0.22 - y, 0.12) * step(y - column(p.apex) + 0.02, 0.08)
    body = step(half_width - np.abs(x), 0.012)
    thick = column(p.thickness) * body * (0.66 + 0.16 * dome((x / (half_width + 0.05)) ** 2))
    below = step(y - column(p.base) + 0.02, 0.05)
    tissue = thick + 0.20 * column(p.thickness) * body * below
    breast = column((1 - p.sex) * (0.10 + 0.10 * (p.thickness - 0.75)))
    for side in (RIGHT, LEFT):
        shadow = ellipse(x, y, side * width * 0.62, column(p.base) - 0.08, width * 0.5, 0.15)
        tissue = tissue + breast * dome(shadow)
    size = column(0.4 + p.stomach)
    stomach = ellipse(x, y, width * 0.5, column(p.base) + 0.07, 0.06 * size, 0.035 * size)
    air = dome(stomach) * step(y - chest.lower_edge[LEFT] - 0.01, 0.01)
    tissue = tissue - column(np.where(p.stomach > 0.35, 0.12 + 0.10 * p.stomach, 0.0)) * air
    return tissue - 0.58 * column(p.aeration) * chest.lung * chest.depth


def spine_and_mediastinum(chest):
    """Spine, great vessels with the aortic arch, heart, hila; the trachea as a column of air."""
    p, x, y = chest.patient, chest.x, chest.y
    middle = column(p.shift) * (1 - np.clip(y, 0, 1))
    spine = 0.13 * band(x - middle, 0.055) * (1 + 0.10 * np.cos(2 * np.pi * y / 0.055))
    great = 0.30 * step(0.055 + 0.02 * y - np.abs(x - middle), 0.022)
    great = great * step(y - column(p.apex) + 0.02, 0.08)
    old = np.clip((p.age - 40) / 40, 0, 1)
    arch = ellipse(x, y, 0.055 + 0.012 * column(old), column(p.apex) + 0.17, 0.04, 0.045)
    trachea = band(x - 2.2 * middle, 0.022) * step(column(p.apex) + 0.19 - y, 0.03)
    # What lies side by side in one shadow does not add up: the larger of them counts.
    total = spine + np.maximum(np.maximum(great, heart(chest)), 0.30 * dome(arch)) - 0.14 * trachea
    for side, drop in ((RIGHT, 0.27), (LEFT, 0.25)):
        hilum = ellipse(x, y, side * 0.095 + middle, column(p.apex) + drop, 0.045, 0.065)
        total = total + 0.13 * column(p.vessels) * np.exp(-1.2 * hilum)
    return total


def heart_ellipses(patient):
    """Return centre x, centre y, radius x, radius y and tilt of the heart, each (n, 1, 1).

    The heart's width is ``heart_width`` (the cardiothoracic ratio) times that of the chest; two
    thirds of it lie to the patient's left.
    """
    across = column(patient.heart_width * patient.width)  # half its width
    down = column(patient.heart_height * (0.6 + 0.9 * patient.heart_width))
    centre_y = column(patient.base - 0.02) - 0.75 * down
    return column(patient.shift) * 0.5 + across / 3, centre_y, across, down, 0.35


def heart(chest):
    """The heart: a tilted ellipsoid, lost in the shadow of the diaphragm below."""
    inside = dome(ellipse(chest.x, chest.y, *heart_ellipses(chest.patient)))
    return 0.30 * np.sqrt(inside) * step(chest.lower_edge[LEFT] + 0.01 - chest.y, 0.04)


def bones(chest):
    """Ribs behind (falling outwards) and in front (falling inwards), and clavicles."""
    p, x, y = chest.patient, chest.x, chest.y
    beside, width = np.abs(x), column(p.width)
    spacing = (column(p.base) - column(p.apex)) / 8.5
    cage = step(chest.outer_edge * 1.04 + 0.01 - beside, 0.012) * step(y - column(p.apex), 0.03)
    cage = cage * (1 - 0.75 * step(y - column(p.base), 0.04))
    behind = (y - 0.55 * beside + 0.5 * beside**2 / width) / spacing
    before = (y + 0.75 * beside - 0.4 * beside**2 / width) / spacing
    ribs = 0.085 * _stripes(behind, 0.30) * step(beside - 0.035, 0.02)
    ribs = ribs + 0.05 * _stripes(before, 0.36) * step(beside - 0.3 * width, 0.05)
    edge = band(beside - chest.outer_edge, 0.02)  # there the ribs run along the beam
    total = column(p.ribs) * cage * (ribs * (1 + 0.5 * edge) + 0.04 * edge)
    collar = y - column(p.apex) - 0.055 + 0.25 * (beside - 0.04) - 0.5 * (beside - 0.12) ** 2
    scapula = band(beside - 0.9 * chest.outer_edge - 0.25 * (y - 0.3), 0.02)
    scapula = scapula * step(y - column(p.apex) - 0.06, 0.03) * step(0.45 - y, 0.08)
    total = total + 0.07 * scapula * column(1.2 - 0.7 * (1 - p.portable))
    clavicle = band(collar, 0.018) * step(beside - 0.03, 0.01) * step(0.36 - beside, 0.02)
    return total + 0.13 * column(p.ribs) * clavicle


def _stripes(phase, share):
    """Return soft stripes, one a unit of ``phase``, each ``share`` of the distance wide."""
    return band(phase - np.floor(phase) - 0.5, share)


def lung_markings(chest):
    """Vessels: ridges of smooth random fields, dense about the hila and fading outwards."""
    p = chest.patient
    ridges = np.zeros_like(chest.x)
    for cells, strength in ((9, 1.0), (17, 0.8), (31, 0.5)):
        field = smooth_field(chest.seed, chest.indices, f"vessels {cells}", cells, chest.size)
        ridges += strength * np.clip(1 - 5.0 * np.abs(field), 0.0, 1.0)
    beside = np.abs(chest.x) / column(p.width)
    fading = np.clip(1.15 - beside, 0.0, 1.0) * np.clip(0.4 + chest.y, 0.0, 1.0)
    return 0.075 * column(p.vessels) * chest.lung * fading * ridges
