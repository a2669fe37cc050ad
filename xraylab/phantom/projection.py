"""How often images with certain findings are AP projections, fitted to NIH's table of its images.

Severely ill patients are imaged in bed, so an AP projection is itself a hint at some findings. The
coefficients are a logistic regression of AP on the 14 findings over the 112,120 images of
ChestX-ray14 (``nihcc2017``), fitted by ``tools/fit_projection.py``.
"""

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom.rng import uniform

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
"""Contribution of each finding to the log-odds of AP."""


def sample_projections(findings, indices, seed):
    """Sample the projection as NIH's images with the same findings have it: (n,), 1 for AP."""
    slopes = np.array([LOG_ODDS[name] for name in FINDINGS])
    probability = 1 / (1 + np.exp(-(INTERCEPT + np.asarray(findings) @ slopes)))
    return (uniform(seed, indices, "projection", 1)[:, 0] < probability).astype(np.int8)
