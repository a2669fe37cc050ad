"""What varies from patient to patient and from one placing before the detector to the next.

Lengths are in centimetres. x runs to the right of the image, which is the patient's left, and y
downwards; both are 0 near the middle of the chest, at the height of the main bronchi.
"""

from dataclasses import dataclass, replace

import numpy as np

from xraylab.phantom.draws import Dice

RIGHT, LEFT = -1, 1
"""The patient's sides, as the sign of x on the image."""


@dataclass
class Patient:
    """The patients of some images; every attribute is (n,). A finding may change them.

    Who they are:
        sex: 0 for women, 1 for men. age: years. portable: 1 for an AP image at the bedside.
        wall: thickness of the chest wall. depth: half the inside of the chest from front to back.
    The cage:
        width: half its inside, at the widest. shape, taper: how it narrows upwards.
        apex: y of the lungs' tops. dome_right, dome_left: y of the diaphragm's tops.
        angle: depth of the costophrenic angles below the domes. flat: 1 for flat domes. haze:
            half the width of their edge.
        rib_gap: from rib to rib. rib_slant: how far they fall. bone: factor of all bone.
    Heart and vessels:
        heart_ratio: the cardiothoracic ratio. heart_left: share of the heart to the left.
        knob, pulmonary, auricle, ascending: how far these stand out of the heart's borders.
        shift: how far the mediastinum is moved. vessels: factor of the lung's vessels;
        upper: factor of those above the hila.
    Density:
        air: share of the lung's volume that is air. breast: cm of breast shadow.
        stomach: how much air is in the stomach, up to 1; none below 0.
    Placing:
        field: side of the image. turn: x that a cm of y adds. twist: of the patient about the long
        axis, cm by which the front is moved. move_x, move_y: of the patient on the image.
        arms: how far the arms are from the chest.
    """

    sex: np.ndarray
    age: np.ndarray
    portable: np.ndarray
    wall: np.ndarray
    depth: np.ndarray
    width: np.ndarray
    shape: np.ndarray
    taper: np.ndarray
    apex: np.ndarray
    dome_right: np.ndarray
    dome_left: np.ndarray
    angle: np.ndarray
    flat: np.ndarray
    haze: np.ndarray
    rib_gap: np.ndarray
    rib_slant: np.ndarray
    bone: np.ndarray
    heart_ratio: np.ndarray
    heart_left: np.ndarray
    knob: np.ndarray
    pulmonary: np.ndarray
    auricle: np.ndarray
    ascending: np.ndarray
    shift: np.ndarray
    vessels: np.ndarray
    upper: np.ndarray
    air: np.ndarray
    breast: np.ndarray
    stomach: np.ndarray
    field: np.ndarray
    turn: np.ndarray
    twist: np.ndarray
    move_x: np.ndarray
    move_y: np.ndarray
    arms: np.ndarray

    @property
    def carina(self):
        """The y of the carina, where the trachea forks, (n,)."""
        return self.apex + 8.6

    def rows(self, chosen):
        """Return some of the patients."""
        return replace(self, **{name: value[chosen] for name, value in vars(self).items()})


def draw_patients(indices, seed, portable):
    """Return the patients of some images.

    Args:
        portable: (n,) 1 where the image must be AP, 0 where PA, -1 where that is drawn: 4 in 10
            images of ChestX-ray14 are AP (``nihcc2017``).
    """
    dice = Dice(seed, indices, "patient", 120)
    portable = np.where(portable < 0, dice.chance(0.4), portable).astype(float)
    man = dice.chance(0.56).astype(float)  # as in ChestX-ray14
    age = dice.bell(48, 42)
    stout = np.clip(dice.bell(0.45, 0.6), 0.0, 1.0)
    tall = dice.bell(1.0, 0.2) * (0.96 + 0.06 * man)
    breath = dice.bell(0.0, 1.0) - 0.25 * portable  # from shallow to deep
    old = np.clip((age - 35) / 45, 0.0, 1.0)
    dome = (8.2 + 3.4 * breath - 1.4 * stout) * tall - dice.between(0.0, 2.5) * portable
    heart = dice.bell(0.455, 0.09) + 0.03 * portable + 0.025 * (old - 0.5) + 0.03 * (stout - 0.5)
    width = (11.6 + 1.1 * man + dice.bell(0.0, 2.2)) * (0.6 + 0.4 * tall)
    breast = (1 - man) * (1.2 + 3.4 * stout) * dice.between(0.5, 1.3)
    return Patient(
        sex=man,
        age=age,
        portable=portable,
        wall=3.0 + 5.4 * stout * dice.between(0.7, 1.3),
        depth=(7.8 + 0.9 * man + 1.2 * stout) * dice.between(0.9, 1.1),
        width=width,
        shape=dice.between(1.8, 3.4),
        taper=dice.between(0.26, 0.42),
        apex=(-11.4 + dice.bell(0.0, 1.6)) * tall,
        dome_right=dome,
        dome_left=dome + dice.bell(1.0, 1.6),
        angle=dice.between(2.4, 5.0),
        flat=dice.between(0.0, 0.35),
        haze=0.3 + 0.9 * dice.between(0.0, 1.0) ** 2 + 0.3 * portable,
        rib_gap=dice.between(2.35, 3.0) * tall,
        rib_slant=dice.between(0.7, 1.5),
        bone=dice.between(0.5, 1.2) * (1.12 - 0.3 * old * (1 - 0.5 * man)),
        heart_ratio=np.minimum(heart, 0.50 + 0.03 * portable),
        heart_left=dice.bell(0.62, 0.09),
        knob=0.5 + 0.9 * old + dice.between(0.0, 0.8),
        pulmonary=dice.between(0.1, 0.9),
        auricle=dice.between(0.0, 0.7),
        ascending=0.2 + 0.7 * old * dice.between(0.3, 1.2),
        shift=dice.bell(0.0, 0.7),
        vessels=dice.between(0.65, 1.35) * (1 - 0.1 * breath),
        upper=dice.between(0.55, 0.85) + 0.2 * portable,
        air=0.64 + 0.035 * breath + dice.bell(0.0, 0.05),
        breast=breast + man * 0.6 * stout,
        stomach=dice.between(-0.6, 1.0),
        field=dice.bell(34.5, 7.0) + 2.5 * stout,
        turn=dice.bell(0.0, 0.14) * (1 + 0.5 * portable),
        twist=dice.bell(0.0, 2.0) * (0.5 + portable),
        move_x=dice.bell(0.0, 3.4) * (0.6 + 0.6 * portable),
        move_y=dice.bell(-3.2, 4.2) * (0.8 + 0.4 * portable) + 0.4 * (10 - dome) * portable,
        arms=dice.between(0.0, 1.0),
    )
