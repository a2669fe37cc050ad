"""ChestPhantom: simulated chest X-rays with complete ground truth.

In radiology, a *phantom* is an object of known composition that is imaged in place of a patient.
The images are for teaching and for tests. Scores measured on them say nothing about patients.
"""

from xraylab.phantom.config import CUES, Confounder, PhantomConfig
from xraylab.phantom.devices import DEVICES
from xraylab.phantom.labels import SPLIT_SIZES, label_counts, sample_labels
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
    "PhantomConfig",
    "SimulatedImages",
    "label_counts",
    "layers",
    "sample_labels",
    "simulate",
]
