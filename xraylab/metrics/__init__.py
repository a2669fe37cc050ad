"""Scores as functions of arrays: areas under curves, accuracies, and the floors beside them."""

from xraylab.metrics.ranking import Ranking, average_precision, roc_auc
from xraylab.metrics.scores import Floor, LabelScore, Score, check_answers, name_labels, score

__all__ = [
    "Floor",
    "LabelScore",
    "Ranking",
    "Score",
    "average_precision",
    "check_answers",
    "name_labels",
    "roc_auc",
    "score",
]
