"""Evaluation: predictions, scores with intervals, and what they are worth."""

from xraylab.evaluation.evaluate import Evaluation, evaluate, predict
from xraylab.evaluation.intervals import Interval, bootstrap

__all__ = ["Evaluation", "Interval", "bootstrap", "evaluate", "predict"]
