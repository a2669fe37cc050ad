"""ChestPhantom: simulated chest X-rays whose every finding is known.

A *phantom*, in radiology, is an object of known make-up that is imaged in place of a patient. These
images are for teaching and for tests. They resemble chest X-rays; scores on them say nothing about
patients.
"""

from xraylab.phantom.devices import DEVICES
from xraylab.phantom.knobs import CUES, Confounder, Knobs
from xraylab.phantom.labels import SPLIT_SIZES, draw_labels, label_counts
from xraylab.phantom.simulator import (
    BOX_DTYPE,
    FACT_DTYPE,
    VERSION,
    SimulatedImages,
    layers,
    simulate,
)

__all__ = [
    "BOX_DTYPE",
    "CUES",
    "DEVICES",
    "FACT_DTYPE",
    "SPLIT_SIZES",
    "VERSION",
    "Confounder",
    "Knobs",
    "SimulatedImages",
    "draw_labels",
    "label_counts",
    "layers",
    "simulate",
]
