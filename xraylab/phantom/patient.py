"""Random variation between patients and between two positionings of a patient at the detector.

Lengths are in centimetres. x increases to the right of the image, which is the patient's left, and
y downwards; both are 0 near the middle of the chest, at the level of the main bronchi.
"""

from types import SimpleNamespace

import numpy as np

from xraylab.phantom.rng import RandomStream, uniform
from xraylab.phantom.shapes import per_image

RIGHT, LEFT = -1, 1
"""The patient's sides, as the sign of x on the image."""

AP_INTERCEPT = -0.60
"""Log-odds of an AP projection without any finding."""

AP_SLOPES = np.array(
    [0.32, -0.02, 0.31, 0.55, -0.14, -0.32, 0.05, -0.2, 1.11, 2.29, 0.08, -1.23, -0.61, -1.28]
)
"""Contribution of each finding to the log-odds: a logistic regression of AP on the 14 findings over
the 112,120 images of ChestX-ray14 (``nihcc2017``), fitted by ``tools/fit_projection.py``."""


class Patient(SimpleNamespace):
    """Patients of a batch of images; every attribute has shape (n,). Findings may modify them.

    Patient and projection:
        sex: 0 female, 1 male. age: years. portable: 1 for a bedside AP image, 0 for a PA image.
        wall: thickness of the chest wall. half_depth: half of the inner anteroposterior diameter.
    Rib cage, diaphragm and bone:
        half_width: half of the inner transverse diameter. cage_shape, cage_taper: exponents that
        narrow the cage upwards. lung_top: y of the lung apices.
        right_dome, left_dome: y of the tops of the diaphragm. angle_depth: depth of the
        costophrenic angles below the domes. dome_flatness: 1 for flat domes. dome_blur: half width
        of their edge. rib_spacing: distance between ribs. rib_slant: descent of the ribs.
        bone_density: factor of all bone.
    Heart and vessels:
        cardiothoracic_ratio: transverse heart diameter over inner chest diameter.
        heart_left: fraction of the heart to the left of the midline.
        aortic_knob, pulmonary_trunk, left_auricle, ascending_aorta: prominence of these contours.
        mediastinal_shift: x offset of the mediastinum. vascularity: factor of the lung vessels.
        upper_vascularity: caliber of the vessels above the hila relative to those below.
    Soft tissue and air:
        air_fraction: fraction of the lung volume that is air. breast: thickness of the breasts.
        gastric_air: size of the stomach bubble, up to 1; none if not positive.
    Positioning:
        field_size: side of the image. tilt: x offset per cm of y. rotation: of the patient about
        the long axis, as the x offset of the anterior chest. offset_x, offset_y: of the patient on
        the image. arm_abduction: 0 to 1. shoulder_slope: descent of the shoulders per cm.
    """

    @property
    def carina_y(self) -> np.ndarray:
        """The y of the carina, the bifurcation of the trachea, (n,)."""
        return self.lung_top + 8.6

    @property
    def columns(self) -> SimpleNamespace:
        """The attributes as (n, 1, 1) float32, for broadcasting over pixels."""
        return SimpleNamespace(**{name: per_image(values) for name, values in vars(self).items()})

    def take(self, rows: np.ndarray) -> "Patient":
        """Return the patients of some rows."""
        return Patient(**{name: values[rows] for name, values in vars(self).items()})


def sample_patients(indices: np.ndarray, seed: int, portable: np.ndarray) -> Patient:
    """Sample the patients of some images.

    Args:
        portable: (n,) 1 to force AP, 0 to force PA, -1 to sample it: 40 % of the images of
            ChestX-ray14 are AP (``nihcc2017``).
    """
    rng = RandomStream(seed, indices, "patient", 120)
    portable = np.where(portable < 0, rng.bernoulli(0.4), portable).astype(float)
    male = rng.bernoulli(0.56).astype(float)  # as in ChestX-ray14
    age = rng.bates(48, 42)
    obesity = np.clip(rng.bates(0.45, 0.6), 0.0, 1.0)
    height = rng.bates(1.0, 0.26) * (0.96 + 0.06 * male)
    inspiration = rng.bates(0.0, 1.0) - 0.25 * portable  # from shallow to deep
    aging = np.clip((age - 35) / 45, 0.0, 1.0)
    dome = (8.2 + 4.6 * inspiration - 1.4 * obesity) * height - rng.uniform(0.0, 1.8) * portable
    heart = (
        rng.bates(0.455, 0.12) + 0.04 * portable + 0.025 * (aging - 0.5) + 0.03 * (obesity - 0.5)
    )
    half_width = (13.0 + 1.1 * male + rng.bates(0.0, 2.6)) * (0.6 + 0.4 * height)
    breast = (1 - male) * (1.2 + 3.4 * obesity) * rng.uniform(0.5, 1.3)
    # About 1 % of NIH's images are badly positioned: too far from the detector, and askew.
    unusual = uniform(seed, indices, "positioning", 3)
    zoom = np.where(unusual[:, 0] < 0.01, 1.05 + 0.3 * unusual[:, 1], 1.0)
    skew = np.where(unusual[:, 0] < 0.01, 0.6 * (unusual[:, 2] - 0.5), 0.0)
    # The order of the calls below decides which random number each attribute gets.
    return Patient(
        sex=male,
        age=age,
        portable=portable,
        wall=3.6 + 5.8 * obesity * rng.uniform(0.7, 1.3),
        half_depth=(7.8 + 0.9 * male + 1.2 * obesity) * rng.uniform(0.9, 1.1),
        half_width=half_width,
        cage_shape=rng.uniform(1.8, 3.4),
        cage_taper=rng.uniform(0.26, 0.46),
        lung_top=(-11.4 + rng.bates(0.0, 1.6)) * height,
        right_dome=dome,
        left_dome=dome + rng.bates(1.0, 1.6),
        angle_depth=rng.uniform(3.2, 7.0),
        dome_flatness=rng.uniform(0.0, 0.35),
        dome_blur=0.4 + 1.2 * rng.uniform(0.0, 1.0) ** 2 + 0.4 * portable,
        rib_spacing=rng.uniform(2.35, 3.0) * height,
        rib_slant=rng.uniform(0.7, 1.5),
        bone_density=rng.uniform(0.5, 1.2) * (1.12 - 0.3 * aging * (1 - 0.5 * male)),
        cardiothoracic_ratio=np.minimum(heart, 0.50 + 0.04 * portable),
        heart_left=rng.bates(0.62, 0.09),
        aortic_knob=0.5 + 0.9 * aging + rng.uniform(0.0, 0.8),
        pulmonary_trunk=rng.uniform(0.1, 0.9),
        left_auricle=rng.uniform(0.0, 0.7),
        ascending_aorta=0.2 + 0.7 * aging * rng.uniform(0.3, 1.2),
        mediastinal_shift=rng.bates(0.0, 0.7),
        vascularity=rng.uniform(0.65, 1.35) * (1 - 0.1 * inspiration),
        upper_vascularity=rng.uniform(0.55, 0.85) + 0.2 * portable,
        air_fraction=0.65 - 0.02 * portable + 0.035 * inspiration + rng.bates(0.0, 0.05),
        breast=breast + male * 0.6 * obesity,
        gastric_air=rng.uniform(-0.6, 1.0),
        field_size=(rng.bates(34.5, 7.0) + 2.5 * obesity) * zoom,
        tilt=rng.bates(0.0, 0.14) * (1 + 0.5 * portable) + skew,
        rotation=rng.bates(0.0, 2.0) * (0.5 + portable),
        offset_x=rng.bates(0.0, 3.4) * (0.6 + 0.6 * portable),
        offset_y=rng.bates(-3.2, 5.0) * (0.8 + 0.4 * portable) + 0.4 * (10 - dome) * portable,
        arm_abduction=rng.uniform(0.0, 1.0) * (1 - 0.6 * portable),
        shoulder_slope=rng.uniform(0.12, 0.5),
    )


def sample_projections(findings: np.ndarray, indices: np.ndarray, seed: int) -> np.ndarray:
    """Sample the projection as NIH's images with the same findings have it: (n,), 1 for AP.

    Severely ill patients are imaged in bed, so an AP projection is itself a hint at some findings.
    """
    probability = 1 / (1 + np.exp(-(AP_INTERCEPT + np.asarray(findings) @ AP_SLOPES)))
    return (uniform(seed, indices, "projection", 1)[:, 0] < probability).astype(np.int8)
