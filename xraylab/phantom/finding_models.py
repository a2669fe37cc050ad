"""How each of the 14 findings is simulated."""

from collections.abc import Callable
from dataclasses import dataclass

from xraylab.phantom import heart_and_pleura as pleura
from xraylab.phantom import lung_opacities as lung


@dataclass(frozen=True)
class FindingModel:
    """Model of one finding.

    Args:
        draw: function of a chest and a finding that returns the water to add, in cm, and the
            soft mask of the finding, both (n, size, size).
        modify_patient: function of patients and a finding that modifies the patients, or None.
        bilateral: fraction of the images that have it on both sides; the rest have it on one.
        side: ``"M"`` for a midline finding without a side, else empty.
        hides_vessels: fraction of the vessels that are not visible where the finding is.
        replaces_lung: whether there is no lung where the finding is.
    """

    draw: Callable
    modify_patient: Callable | None = None
    bilateral: float = 0.0
    side: str = ""
    hides_vessels: float = 0.0
    replaces_lung: bool = False


FINDING_MODELS = {
    "atelectasis": FindingModel(lung.draw_atelectasis, lung.modify_for_atelectasis, bilateral=0.45),
    "cardiomegaly": FindingModel(pleura.draw_heart, pleura.modify_for_cardiomegaly, side="M"),
    "effusion": FindingModel(pleura.draw_effusion, pleura.modify_for_effusion, bilateral=0.45),
    "infiltration": FindingModel(lung.draw_infiltration, bilateral=0.6),
    "mass": FindingModel(lung.draw_mass),
    "nodule": FindingModel(lung.draw_nodules, bilateral=0.15),
    "pneumonia": FindingModel(lung.draw_pneumonia, bilateral=0.4),
    "pneumothorax": FindingModel(
        pleura.draw_pneumothorax,
        pleura.modify_for_pneumothorax,
        hides_vessels=1.0,
        replaces_lung=True,
    ),
    "consolidation": FindingModel(lung.draw_consolidation, bilateral=0.6, hides_vessels=0.8),
    "edema": FindingModel(lung.draw_edema, lung.modify_for_edema, bilateral=1.0),
    "emphysema": FindingModel(pleura.draw_bullae, pleura.modify_for_emphysema, bilateral=1.0),
    "fibrosis": FindingModel(lung.draw_fibrosis, lung.modify_for_fibrosis, bilateral=0.75),
    "pleural_thickening": FindingModel(pleura.draw_pleural_thickening, bilateral=0.25),
    "hernia": FindingModel(pleura.draw_hernia, side="M"),
}

MODIFICATION_ORDER = sorted(FINDING_MODELS, key=lambda name: name == "cardiomegaly")
"""Cardiomegaly is last, because its heart is large whatever other findings there are."""

DRAWING_ORDER = sorted(FINDING_MODELS, key=lambda name: not FINDING_MODELS[name].replaces_lung)
"""Pneumothorax is first, because findings of the lung are drawn into the lung that remains."""
