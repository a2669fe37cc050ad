"""How often images with certain findings are AP, in NIH's own table of its images.

Sick patients are imageed in bed, so an AP image is itself a hint at some findings. The figures are a
logistic regression of AP on the 14 findings over the 112,120 images of ChestX-ray14 (``nihcc2017``),
made by ``tools/fit_projection.py``.
"""

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom.draws import uniform

INTERCEPT = -0.60
"""Log-odds of AP without any finding."""

LOG_ODDS = {
    "atelectasis": 0.32,
    "cardiomegaly": -0.02,
    "effusion": 0.31,
    "infiltration": 0.55,
    "mass": -0.14,
    "nodule": -0.32,
    "pneumonia": 0.05,
    "pneumothorax": -0.20,
    "consolidation": 1.11,
    "edema": 2.29,
    "emphysema": 0.08,
    "fibrosis": -1.23,
    "pleural_thickening": -0.61,
    "hernia": -1.28,
}
"""What each finding adds to the log-odds of AP."""


def draw_projections(truth, indices, seed):
    """Return which images are AP, (n,) 0 or 1, as often as NIH's with the findings ``truth``."""
    slopes = np.array([LOG_ODDS[name] for name in FINDINGS])
    chance = 1 / (1 + np.exp(-(INTERCEPT + np.asarray(truth) @ slopes)))
    return (uniform(seed, indices, "projection", 1)[:, 0] < chance).astype(np.int8)
