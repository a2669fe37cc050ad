"""A chest without findings: the water-equivalent thickness, in cm, that each ray passes through.

Thicknesses along a ray add up, by the law of Beer and Lambert. Soft tissue and fluid count as
water, lung is mostly air, and bone counts as the thickness of water with the same attenuation.
Arrays of shape (n, size, 1) depend on the height alone, which makes most of the geometry cheap.
"""

from types import SimpleNamespace

import numpy as np

from xraylab.phantom.patient import Patient
from xraylab.phantom.rng import smooth_noise
from xraylab.phantom.shapes import biweight, half_chord, per_image, smoothstep, squared_radius

NECK = 2.6
"""Half width of the mediastinum above the heart, in cm."""


class Chest(SimpleNamespace):
    """The chests of a batch of patients, projected onto the pixels of their images.

    Attributes:
        patient, seed, indices, size: the :class:`~xraylab.phantom.patient.Patient`, and what
            determines random textures.

    Shapes (lengths in cm):
        x: (n, size, size), y: (n, size, 1), position of each pixel in the patient. abs_x: the
            absolute value of x.
        height: (n, size, 1), 0 at the lung apices and 1 at the costophrenic angles.
        rib_x: (n, size, 1), distance from the midline to the inner side of the ribs.
        right_border, left_border: (n, size, 1), x of the borders of the mediastinum.
        diaphragm_y: (n, size, size), y of the diaphragm.
        lung: (n, size, size), visibility of the lung, 0 where heart or diaphragm cover it.
        air, water: (n, size, size), thickness along the ray. vessels: the water in vessels.
    """

    @property
    def pixel_size(self) -> np.ndarray:
        """Side of a pixel in cm, (n,)."""
        return self.patient.field_size / self.size

    @property
    def edge_width(self) -> np.ndarray:
        """Half width in cm of the sharpest edge that the pixels can represent, (n, 1, 1)."""
        return per_image(np.maximum(0.12, 0.7 * self.pixel_size))

    @property
    def lateral_fraction(self) -> np.ndarray:
        """Distance from the midline over that of the ribs, (n, size, size); above 1 outside."""
        return self.abs_x / self.rib_x.clip(1.0)  # at the lung apices the ribs meet the midline

    def to_pixels(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Convert points (n, m) in cm to columns and rows, integers at the pixel centers."""
        p = self.patient
        tilt, offset_x, offset_y, pixel_size = (
            v[:, np.newaxis] for v in (p.tilt, p.offset_x, p.offset_y, self.pixel_size)
        )
        center = self.size / 2 - 0.5
        return (x + tilt * y + offset_x) / pixel_size + center, (y + offset_y) / pixel_size + center

    def lung_on(self, side: np.ndarray) -> np.ndarray:
        """Return the lung on one side; ``side`` (n, 1, 1): -1 right, 1 left, 0 both."""
        return self.lung * ((side == 0) | (side * self.x > 0))

    def squared_radius(self, x, y, radius_x, radius_y, tilt=None) -> np.ndarray:
        """Return the squared radius of each pixel; see :func:`shapes.squared_radius`."""
        return squared_radius(self.x, self.y, x, y, radius_x, radius_y, tilt)

    def noise(self, stream: str, cells: int) -> np.ndarray:
        """Return smooth random fields, about -1 to 1, with ``cells`` cells along each side."""
        return smooth_noise(self.seed, self.indices, stream, cells, self.size)

    def texture(self, stream: str, cells: int) -> np.ndarray:
        """Return smooth random fields in [0, 1] with ``cells`` cells along each side."""
        return np.clip(0.5 + 0.6 * self.noise(stream, cells), 0.0, 1.0)

    def airspace_fluid(self, thickness: np.ndarray) -> np.ndarray:
        """Return the water added where lung of a thickness in cm fills with fluid."""
        return np.minimum(thickness * self.patient.columns.air_fraction, self.air)

    def take(self, rows: np.ndarray) -> "Chest":
        """Return the chests of some images."""
        arrays = {name: v[rows] for name, v in vars(self).items() if isinstance(v, np.ndarray)}
        return Chest(**vars(self) | arrays | {"patient": self.patient.take(rows)})


def build_chest(patient: Patient, indices: np.ndarray, seed: int, size: int) -> Chest:
    """Project the contours and the air of the lungs; ``water`` and ``vessels`` are still 0."""
    p, c = patient, patient.columns
    chest = Chest(patient=patient, indices=indices, seed=seed, size=size)
    grid = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5) * c.field_size
    chest.y = y = np.swapaxes(grid, 1, 2) - c.offset_y
    chest.x = grid - c.tilt * y - c.offset_x
    chest.abs_x = np.abs(chest.x)
    angle_y = per_image(np.maximum(p.right_dome, p.left_dome) + p.angle_depth)
    chest.height = (y - c.lung_top) / (angle_y - c.lung_top)
    chest.rib_x = lung_contour(p, np.clip(chest.height, 0.0, 1.0))
    chest.right_border, chest.left_border = mediastinal_borders(p, y)
    left = smoothstep(chest.x, 3.0)  # the two domes merge behind the heart
    dome = c.right_dome + per_image(p.left_dome - p.right_dome) * left
    # From its top, the diaphragm descends to the costophrenic angle, and less to the heart.
    dome_x = per_image(p.half_width * 0.4)
    descent = (chest.abs_x - dome_x) / (c.half_width - dome_x)
    descent = np.where(descent > 0, descent, 0.75 * descent)
    depth = per_image(p.angle_depth * (1 - p.dome_flatness))
    chest.diaphragm_y = dome + depth * np.minimum(descent * descent, 1.2)
    edge = per_image(np.maximum(0.4, 0.8 * p.field_size / size))
    above = smoothstep(chest.diaphragm_y - y, np.maximum(edge, c.dome_blur))
    cage = smoothstep(chest.rib_x - chest.abs_x, edge) * smoothstep(y - c.lung_top, 1.2)
    path, longest = cage_path_length(chest)
    solid = mediastinal_depth(chest, path)
    # In front of and behind the dome, the lung extends below its top and is visible through it.
    recess = 0.35 * np.exp(-np.maximum(y - chest.diaphragm_y, 0.0) / 2.4)
    # Rays that pass just above the dome cross less lung, as the dome also curves in depth.
    thinner = 1 - 0.12 * np.exp(-np.maximum(chest.diaphragm_y - y, 0.0) / 3.0)
    filled = np.maximum(above * thinner, recess) * c.air_fraction
    chest.air = cage * (path - solid) * filled
    chest.lung = cage * above * (1 - np.minimum(solid / (0.5 * longest + 1.0), 1.0))
    chest.water, chest.vessels = np.zeros_like(chest.x), np.zeros_like(chest.x)
    return chest


def lung_contour(patient: Patient, height: np.ndarray) -> np.ndarray:
    """Return the distance from the midline to the ribs at heights from 0 to 1."""
    c = patient.columns
    return c.half_width * (1 - (1 - height) ** c.cage_shape) ** c.cage_taper


def cage_path_length(chest: Chest) -> tuple[np.ndarray, np.ndarray]:
    """Return the path length of each ray in the rib cage, and the longest one at its height."""
    height = np.clip(chest.height, 0.0, 1.0)
    longest = 2 * chest.patient.columns.half_depth * np.minimum(0.38 + 1.6 * height, 1.0)
    u = chest.abs_x / (1.02 * chest.rib_x + 1e-3)
    return longest * half_chord(u * u), longest


def mediastinal_borders(patient: Patient, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return x of the right and left border of heart and great vessels, each (n, size, 1).

    From top to bottom, on the right: superior vena cava, ascending aorta, right atrium; on the
    left: aortic knob, pulmonary trunk, left auricle, left ventricle.

    References: ``goodman2015``.
    """
    p, c = patient, patient.columns
    low = per_image(np.minimum(p.right_dome, p.left_dome + 0.6))
    below_carina = y - per_image(p.carina_y)
    width = per_image(2 * p.half_width * p.cardiothoracic_ratio)
    to_left, to_right = width * c.heart_left, width * per_image(1 - p.heart_left)
    # The great vessels of neck and arms widen the mediastinum towards the apices.
    neck = NECK - 0.3 + 1.1 * smoothstep(c.lung_top + 2.5 - y, 3.5)
    # The left ventricle extends from the hilum to the apex of the heart, near the diaphragm.
    apex = low - 1.2 + 0.12 * (width - 11)
    start = per_image(p.carina_y) + 1.2
    rise = np.sin(0.5 * np.pi * np.clip((y - start) / (apex - start), 0.0, 1.0)) ** 1.5
    ventricle = np.where(y < apex, rise, half_chord(((y - apex) / 4.2) ** 2))
    left = neck + (to_left - NECK) * ventricle
    left = left + c.aortic_knob * gaussian_bump(below_carina + 2.9, 1.7)
    left = left + c.pulmonary_trunk * gaussian_bump(below_carina - 1.0, 1.8)
    left = left + c.left_auricle * gaussian_bump(below_carina - 3.4, 1.8)
    u = np.clip(below_carina / (low + 1.0 - per_image(p.carina_y)), 0.0, 1.3)
    atrium = np.maximum(np.sin(np.pi * np.minimum(u, 1.0) ** 1.2), 0.0) ** 0.7
    atrium = np.where(u < 0.56, atrium, np.maximum(atrium, 0.8))
    right = neck + (to_right - NECK) * atrium
    right = right + c.ascending_aorta * gaussian_bump(below_carina + 1.2, 2.6)
    shift = c.mediastinal_shift * np.clip(1.0 - 0.03 * (y - low), 0.5, 1.6)
    rotation = c.rotation * 0.45
    return -right + shift + rotation, left + shift + rotation


def gaussian_bump(distance: np.ndarray, width: float) -> np.ndarray:
    """Return a Gaussian of height 1 whose standard deviation is half of ``width``."""
    return np.exp(-2 * (distance / width) ** 2)


def mediastinal_depth(chest: Chest, path: np.ndarray) -> np.ndarray:
    """Return the part of each ray's path in the rib cage that is mediastinum."""
    c, right, left = chest.patient.columns, chest.right_border, chest.left_border
    center, half_width = 0.5 * (left + right), 0.5 * (left - right)
    u = (chest.x - center) / half_width
    chord = np.clip(1 - u * u, 0.0, 1.0) ** 0.85
    heart = np.clip((half_width - 2.4) / 3.0, 0.0, 1.0)  # 0 at the level of the great vessels
    depth = c.half_depth * (1.45 + 0.25 * heart)
    # Where spine and oesophagus are, there is no lung.
    core = smoothstep(1.6 - np.abs(chest.x - c.mediastinal_shift), 1.5)
    return np.minimum(np.maximum(chord * depth, core * (path - 1.0)), path)


def body_thickness(chest: Chest) -> np.ndarray:
    """Return the anteroposterior thickness of the body minus the air in lungs and stomach."""
    p, c = chest.patient, chest.patient.columns
    abs_x, below_top = chest.abs_x, chest.y - c.lung_top
    trunk_x = c.half_width + c.wall + 0.8
    neck_x = 6.0 + 0.35 * c.wall
    waist = 1 - 0.07 * smoothstep(chest.height - 1.0, 0.3)
    trunk = neck_x + (trunk_x * waist - neck_x) * smoothstep(below_top, 4.5)
    depth = 9.0 + (c.half_depth + 0.75 * c.wall - 9.0) * smoothstep(below_top - 3, 7.0)
    u_trunk = abs_x / trunk
    u = np.minimum(u_trunk, 1.0) ** 2
    thickness = 2 * depth * half_chord(u * u)
    # The shoulders slope from the neck; the arms hang down or are abducted.
    shoulder_y = c.lung_top - 5.0 + c.shoulder_slope * np.maximum(abs_x - 5.5, 0.0)
    shoulder = (12.0 + c.wall) * np.sqrt(np.clip((chest.y - shoulder_y) / 4.0, 0.0, 1.0))
    armpit_y = c.lung_top + 8.5 + 4.0 * c.arm_abduction
    shoulder_x = trunk_x + 8.0 + 2.5 * c.arm_abduction
    shoulder = shoulder * smoothstep(armpit_y + 2.0 - chest.y, 3.0)
    shoulder = shoulder * smoothstep(shoulder_x - abs_x, 0.6)
    spread = np.clip(1 + (chest.y - armpit_y) / 12, 0.0, 3.0)
    arm_x = trunk_x + 3.4 + 4.0 * c.arm_abduction**2 * spread
    raised = per_image(np.where(p.portable == 1, 0.0, 40.0 * (p.arm_abduction > 0.65)))
    u = (abs_x - arm_x - raised * smoothstep(chest.y - armpit_y - 1, 4.0)) / 4.4
    arm = 12.0 * half_chord(u * u) * smoothstep(chest.y - armpit_y + 4, 3.0)
    thickness = np.maximum(np.maximum(thickness, shoulder), arm)
    abdomen = smoothstep(chest.y - chest.diaphragm_y - 2.5, 3.0) * smoothstep(1.05 - u_trunk, 0.3)
    thickness = thickness + 4.0 * abdomen * (thickness > 0) + c.breast * breast_shape(chest)
    # Texture of muscle, fat and skin.
    uneven = 0.3 * chest.noise("tissue", 40) + 0.9 * chest.noise("fat", 9)
    thickness = thickness + uneven * np.minimum(thickness * 0.1, 1.0)
    return thickness - chest.air - stomach_air(chest)


def breast_shape(chest: Chest) -> np.ndarray:
    """Return the profile of the breast shadows, 1 where they are thickest."""
    p = chest.patient
    center_y = per_image(p.right_dome - 0.2 - 0.5 * p.breast)
    u = (chest.abs_x - per_image(p.half_width * 0.68)) / per_image(p.half_width * 0.52)
    v = (chest.y - center_y) / np.where(chest.y > center_y, 4.2, 8.0)
    return np.sqrt(np.clip(1 - u * u - v * v, 0.0, 1.0))


def stomach_air(chest: Chest) -> np.ndarray:
    """Return the gas bubble under the left dome, with an air-fluid level in standing patients."""
    p, c = chest.patient, chest.patient.columns
    size = per_image(np.clip(p.gastric_air, 0.0, 1.0))
    x, y = per_image(p.half_width * 0.5), c.left_dome + 1.0 + 2.2 * size
    r2 = chest.squared_radius(x, y, 1.2 + 3.8 * size, 0.8 + 2.2 * size)
    above_fluid = smoothstep(y + 0.8 * size - chest.y, 0.15)
    level = np.where(c.portable == 1, 1.0, above_fluid)
    return (size > 0) * 5.0 * half_chord(r2) * level * (0.4 + 0.6 * size)


def mediastinum_thickness(chest: Chest) -> np.ndarray:
    """Return the thickness of spine and discs minus the air in the trachea."""
    p, c, x, y = chest.patient, chest.patient.columns, chest.x, chest.y
    spine = 1.6 * biweight(x, 2.3) * (1 + 0.18 * np.cos(2 * np.pi * y / c.rib_spacing))
    spine = spine + 0.3 * (biweight(x - 1.9, 0.5) + biweight(x + 1.9, 0.5))  # pedicles
    trachea = 1.2 * half_chord(((x - per_image(trachea_x(p))) / 0.9) ** 2)
    return c.bone_density * spine - trachea * smoothstep(per_image(p.carina_y) - y, 0.8)


def trachea_x(patient: Patient) -> np.ndarray:
    """Return x of the trachea, (n,), which moves with mediastinal shift and patient rotation."""
    return patient.mediastinal_shift + 0.3 * patient.rotation - 0.15


def bone_thickness(chest: Chest) -> np.ndarray:
    """Return the thickness of posterior and anterior ribs, clavicles, scapulae and humeri."""
    p, c = chest.patient, chest.patient.columns
    abs_x, y, rib_x = chest.abs_x, chest.y, chest.rib_x
    # All ribs bend at the same distances from the midline.
    u = np.minimum(abs_x / c.half_width, 1.15)
    u2 = u * u
    start = per_image(p.lung_top + 0.2)
    # A posterior rib rises a little from the spine and descends ever more steeply towards the
    # chest wall; an anterior rib descends from there towards the sternum. No two ribs are alike.
    bent = y - start + 0.45 * chest.noise("ribs", 5)
    drop = c.rib_slant * (4.6 * u2 * np.sqrt(u) - 1.4 * u)
    posterior = (bent - drop) / c.rib_spacing
    anterior = (bent - c.rib_slant * (3.2 + 6.0 * (1.0 - u2))) / c.rib_spacing
    cage = smoothstep(rib_x + 0.7 - abs_x, 0.4) * smoothstep(chest.height + 0.02, 0.03)
    cage = cage * (1 - 0.65 * smoothstep(chest.height - 0.95, 0.15))
    spongy = 1 + 0.3 * chest.noise("trabeculae", 48)
    ribs = 0.85 * rib_profile(posterior) * smoothstep(abs_x - 1.5, 0.5)
    ribs = ribs + 0.4 * rib_profile(anterior) * smoothstep(u - 0.42, 0.12)
    edge = biweight(rib_x + 0.1 - abs_x, 0.9)  # where the ribs run along the ray
    total = cage * (ribs * (spongy + 0.4 * edge) + 0.4 * edge)
    inner = np.abs(chest.x - c.rotation) - 1.6
    clavicle_y = c.lung_top + 3.1 - 0.30 * inner + 0.35 * np.sin(inner / 2.1)
    clavicle = biweight(y - clavicle_y + 0.6 * c.arm_abduction, 0.75) * smoothstep(inner, 0.4)
    total = total + 2.4 * clavicle * smoothstep(14.5 - inner, 0.5)
    return c.bone_density * (0.7 * total + 1.5 * shoulder_bones(chest))


def rib_profile(phase: np.ndarray) -> np.ndarray:
    """Return the profile of ribs at unit spacing, with dense cortical edges."""
    distance = np.abs(phase - np.floor(phase) - 0.5)
    return smoothstep(0.25 - distance, 0.09) * (0.75 + 0.5 * biweight(distance - 0.19, 0.09))


def shoulder_bones(chest: Chest) -> np.ndarray:
    """Return the scapulae, rotated out of the lungs on PA images, and the humeri."""
    p, c, abs_x = chest.patient, chest.patient.columns, chest.abs_x
    below_top = chest.y - c.lung_top
    joint_x = per_image(p.half_width + p.wall * 0.5 + 2.6 + 1.4 * p.arm_abduction)
    slope = per_image(np.where(p.portable == 1, 0.42, 0.12) + 0.12 * p.arm_abduction)
    down = below_top - 4.0
    medial = abs_x - (joint_x - 1.5 - slope * down)
    extent = smoothstep(down + 1.5, 1.2) * smoothstep(11.0 - down, 1.5)
    scapula = (
        (0.35 + 0.25 * c.portable)
        * smoothstep(-medial, 0.4)
        * smoothstep(medial + 8.0 - 0.55 * down, 0.8)
    )
    total = extent * (scapula + 0.8 * biweight(medial, 0.55))
    head = squared_radius(abs_x, chest.y, joint_x + 1.6, c.lung_top + 4.3, 2.5, 2.6)
    total = total + 2.6 * half_chord(head)
    shaft_x = joint_x + 2.6 + (0.10 + 0.15 * c.arm_abduction) * (below_top - 5)
    return total + 1.8 * biweight(abs_x - shaft_x, 1.3) * smoothstep(below_top - 5.0, 1.0)
