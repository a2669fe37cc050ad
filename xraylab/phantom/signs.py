"""The table of the 14 findings: what each changes in the patient, what it draws, where it sits."""

from collections.abc import Callable
from dataclasses import dataclass

from xraylab.phantom import opacities, spaces


@dataclass(frozen=True)
class Finding:
    """How one finding shows on a film.

    Args:
        paint: function of a chest and a sign; returns the water to add and the truth.
        alter: function of patients and a sign that changes the patients, or None.
        both: share of the films that have it on both sides; the rest have it on one.
        side: ``"M"`` for what lies in the middle and has no side, else empty.
    """

    paint: Callable
    alter: Callable | None = None
    both: float = 0.0
    side: str = ""


TABLE = {
    "atelectasis": Finding(opacities.atelectasis, opacities.atelectasis_alter, both=0.3),
    "cardiomegaly": Finding(spaces.cardiomegaly, spaces.cardiomegaly_alter, side="M"),
    "effusion": Finding(spaces.effusion, spaces.effusion_alter, both=0.35),
    "infiltration": Finding(opacities.infiltration, both=0.5),
    "mass": Finding(opacities.mass),
    "nodule": Finding(opacities.nodule, both=0.15),
    "pneumonia": Finding(opacities.pneumonia, both=0.25),
    "pneumothorax": Finding(spaces.pneumothorax, spaces.pneumothorax_alter),
    "consolidation": Finding(opacities.consolidation, both=0.3),
    "edema": Finding(opacities.edema, opacities.edema_alter, both=1.0),
    "emphysema": Finding(spaces.emphysema, spaces.emphysema_alter, both=1.0),
    "fibrosis": Finding(opacities.fibrosis, opacities.fibrosis_alter, both=0.75),
    "pleural_thickening": Finding(spaces.pleural_thickening, both=0.25),
    "hernia": Finding(spaces.hernia, side="M"),
}
