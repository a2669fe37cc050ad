"""Exercises of chapter 4, Scores and losses."""

import math

import numpy as np
from scipy.special import expit
from scipy.stats import rankdata

from xraylab.check.grading import CodeExercise, Exercise

empty = Exercise(0.46, "An image counts only if its whole vector is 000.")
empty.mistake(0.65 * 0.71 * 0.92, "The findings are not independent; use the joint counts.")
empty.mistake(0.76, "That is the accuracy per label; here all three labels must be right.")
empty.mistake(0.54, "That is the fraction of images with at least one finding.")

pairs = Exercise(16 / 20, "14 pairs are ordered correctly and 4 tied: 16 of 20.")
pairs.mistake(14 / 20, "Ties count one half, not zero: four pairs are tied.")
pairs.mistake(18 / 20, "Ties count one half, not one: four pairs are tied.")
pairs.mistake(14 / 16, "That leaves the tied pairs out; they count one half, of 20 pairs.")
pairs.mistake(16, "That is the numerator; divide by the number of pairs.")


def _auc_by_ranks(y, scores):
    """Compute the AUC from the sum of the ranks of the positive images."""
    positive = np.asarray(y) == 1
    p, n = positive.sum(), (~positive).sum()
    return (rankdata(scores)[positive].sum() - p * (p + 1) / 2) / (p * n)


def _auc_with_ties(weight):
    """Return a function that counts pairs, and tied pairs with a weight."""

    def auc(y, scores):
        difference = scores[y == 1][:, np.newaxis] - scores[y == 0]
        return (difference > 0).mean() + weight * (difference == 0).mean()

    return auc


_rng = np.random.default_rng(7)
_Y = (_rng.random(400) < 0.2).astype(int)
_CASES = [(_Y, np.round(_rng.standard_normal(400) + shift * _Y, 1)) for shift in (1.0, 0.3)]

auc = CodeExercise(_auc_by_ranks, _CASES, "Ties count one half.")
auc.mistake(_auc_with_ties(0), "Tied pairs count one half, not zero.")
auc.mistake(_auc_with_ties(1), "Tied pairs count one half, not one.")
auc.mistake(lambda y, s: 1 - _auc_by_ranks(y, s), "That is 1 - AUC: rank in increasing order.")
auc.mistake(
    lambda y, s: rankdata(s)[y == 1].sum() / (y == 1).sum() / (y == 0).sum(),
    "Subtract P(P + 1) / 2 from the sum of the ranks.",
)

interval = Exercise(1050, "A fifth of the width takes 25 times as many images.")
interval.mistake(210, "The width falls with the square root of the number of images.")
interval.mistake(42 * math.sqrt(5), "The number of images grows with the square of the precision.")
interval.mistake(1008, "That is the number of images to add.")
interval.mistake(25, "That is the factor; give the number of images.")

_DOWN = -math.log(0.6) + 0.4 / 0.6
_UP = -math.log(0.4) + 0.6 / 0.4

focal = Exercise(_DOWN / (_DOWN + _UP), "The prediction is nearer to one half than the truth.")
focal.mistake(0.4, "That minimizes the cross-entropy; the focal loss is nearer to one half.")
focal.mistake(_UP / (_DOWN + _UP), "That is the fraction without the finding.")
focal.mistake(_DOWN, "That is the slope without the finding; divide it by the sum of both slopes.")


def _cross_entropies(y, z):
    """Compute the cross-entropy of each label, NaN where unknown."""
    return np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z)))


def _naive(y, z):
    """Compute the mean from probabilities, which overflows at large logits."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nanmean(-y * np.log(expit(z)) - (1 - y) * np.log(1 - expit(z)))


_PARTIAL = np.where(_rng.random((50, 4)) < 0.3, np.nan, _rng.random((50, 4)) < 0.2)
_LOGITS = 2 * _rng.standard_normal((50, 4)) - 1

known = CodeExercise(
    lambda y, z: np.nanmean(_cross_entropies(y, z)),
    [(_PARTIAL, _LOGITS), (np.array([[0.0, 1.0, np.nan]]), np.array([[800.0, -800.0, 5.0]]))],
    "Known labels only, and no overflow at large logits.",
)
known.mistake(_naive, "Right for small logits, but log(0) at large ones: do not compute 1 - p.")
known.mistake(
    lambda y, z: np.nansum(_cross_entropies(y, z)) / y.size, "Divide by the number of known labels."
)
known.mistake(
    lambda y, z: _cross_entropies(np.nan_to_num(y), z).mean(),
    "Unknown labels are not negative: leave them out.",
)
known.mistake(
    lambda y, z: np.nansum(_cross_entropies(y, z)), "That is the sum over the known labels."
)
known.mistake(
    lambda y, z: _cross_entropies(y, z).mean(), "NaN labels make the mean NaN: mask them."
)
