"""ChestPhantom: simulated chest films whose every finding is known.

A *phantom*, in radiology, is an object of known make-up that is imaged in place of a patient. These
films are for teaching and for tests. They resemble chest films; scores on them say nothing about
patients.
"""

from xraylab.phantom.labels import draw_labels, label_counts
from xraylab.phantom.simulator import BOX_DTYPE, FACT_DTYPE, VERSION, Films, films

__all__ = [
    "BOX_DTYPE",
    "FACT_DTYPE",
    "VERSION",
    "Films",
    "draw_labels",
    "films",
    "label_counts",
]
