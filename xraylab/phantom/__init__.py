"""ChestPhantom: simulated chest films whose every finding is known.

A *phantom*, in radiology, is an object of known make-up that is imaged in place of a patient. These
films are for teaching and for tests. They resemble chest films; scores on them say nothing about
patients.
"""

from xraylab.phantom.devices import DEVICES
from xraylab.phantom.knobs import CUES, Confounder, Knobs
from xraylab.phantom.labels import SPLIT_SIZES, draw_labels, label_counts
from xraylab.phantom.simulator import (
    BOX_DTYPE,
    FACT_DTYPE,
    VERSION,
    Films,
    films,
    layers,
)

__all__ = [
    "BOX_DTYPE",
    "CUES",
    "DEVICES",
    "FACT_DTYPE",
    "SPLIT_SIZES",
    "VERSION",
    "Confounder",
    "Films",
    "Knobs",
    "draw_labels",
    "films",
    "label_counts",
    "layers",
]
