"""Simulated predictions with a chosen AUC, to plan test sets and to study scores."""

import numpy as np
import scipy
from numpy.typing import ArrayLike


def simulate_logits(y_true: ArrayLike, auc: ArrayLike, seed: int = 0) -> np.ndarray:
    """Simulate logits of calibrated predictions with a given AUC.

    An image has, for each label, evidence from a normal distribution, whose mean is shifted where
    the label is positive; the shift determines the AUC. The logit is that of the probability of the
    label given the evidence and the prevalence in ``y_true``, by Bayes' rule.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, with both classes of each label.
        auc: (num_labels,), in (0, 1).
        returns: (num_images, num_labels) float64.

    Args:
        seed: of the evidence.
    """
    y_true = np.asarray(y_true, dtype=np.float64)
    noise = np.random.default_rng(seed).standard_normal(y_true.shape)
    shift = 2**0.5 * scipy.stats.norm.ppf(auc)
    log_odds = scipy.special.logit(y_true.mean(axis=0))
    return log_odds + shift * (shift * y_true + noise) - shift**2 / 2
