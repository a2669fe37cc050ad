"""The table of the 14 findings: what each changes in the patient, what it draws, where it sits."""

from collections.abc import Callable
from dataclasses import dataclass

from xraylab.phantom import opacities, spaces


@dataclass(frozen=True)
class Finding:
    """How one finding shows on an image.

    Args:
        paint: function of a chest and a sign; returns the water to add and the truth.
        alter: function of patients and a sign that changes the patients, or None.
        both: share of the images that have it on both sides; the rest have it on one.
        side: ``"M"`` for what lies in the middle and has no side, else empty.
        hides: share of the vessels that no longer show where the finding is.
        empties: whether there is no lung any more where the finding is.
    """

    paint: Callable
    alter: Callable | None = None
    both: float = 0.0
    side: str = ""
    hides: float = 0.0
    empties: bool = False


TABLE = {
    "atelectasis": Finding(opacities.atelectasis, opacities.atelectasis_alter, both=0.3),
    "cardiomegaly": Finding(spaces.cardiomegaly, spaces.cardiomegaly_alter, side="M"),
    "effusion": Finding(spaces.effusion, spaces.effusion_alter, both=0.35),
    "infiltration": Finding(opacities.infiltration, both=0.5),
    "mass": Finding(opacities.mass),
    "nodule": Finding(opacities.nodule, both=0.15),
    "pneumonia": Finding(opacities.pneumonia, both=0.25),
    "pneumothorax": Finding(
        spaces.pneumothorax, spaces.pneumothorax_alter, hides=1.0, empties=True
    ),
    "consolidation": Finding(opacities.consolidation, both=0.3, hides=0.8),
    "edema": Finding(opacities.edema, opacities.edema_alter, both=1.0),
    "emphysema": Finding(spaces.emphysema, spaces.emphysema_alter, both=1.0),
    "fibrosis": Finding(opacities.fibrosis, opacities.fibrosis_alter, both=0.75),
    "pleural_thickening": Finding(spaces.pleural_thickening, both=0.25),
    "hernia": Finding(spaces.hernia, side="M"),
}

ALTER_ORDER = sorted(TABLE, key=lambda name: name == "cardiomegaly")
"""Cardiomegaly comes last: its heart is large whatever else the patient has."""

PAINT_ORDER = sorted(TABLE, key=lambda name: not TABLE[name].empties)
"""Air in the pleura comes first: what is in the lung is drawn into the lung that is left."""
