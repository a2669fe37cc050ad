"""Scores of multi-label classifiers: exact ones of arrays, and Keras metrics for ``compile``."""

from typing import Any

from xraylab.metrics.ranking import Ranking, average_precision, constant_micro_auc, roc_auc
from xraylab.metrics.scores import (
    Baseline,
    LabelScore,
    Score,
    check_predictions,
    name_labels,
    score,
)

_KERAS = ("MacroAUC", "MacroAveragePrecision", "MicroAUC")

__all__ = [
    "Baseline",
    "LabelScore",
    "MacroAUC",
    "MacroAveragePrecision",
    "MicroAUC",
    "Ranking",
    "Score",
    "average_precision",
    "check_predictions",
    "constant_micro_auc",
    "name_labels",
    "roc_auc",
    "score",
]


def __getattr__(name: str) -> Any:
    """Import the Keras metrics when they are first used, so that scoring arrays needs no Keras."""
    if name in _KERAS:
        from xraylab.metrics import streaming

        return getattr(streaming, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
