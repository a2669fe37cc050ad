"""Evaluation: predictions, scores with intervals, and what they are worth."""

from xraylab.evaluation.calibration import (
    Calibration,
    Reliability,
    brier,
    calibration_error,
    error_floor,
    fit_platt,
    fit_temperature,
    reliability,
)
from xraylab.evaluation.device_cost import DeviceCost, device_cost
from xraylab.evaluation.evaluate import Evaluation, evaluate, predict
from xraylab.evaluation.intervals import SCORES, Difference, Interval, bootstrap, compare
from xraylab.evaluation.significance import DeLong, delong, holm
from xraylab.evaluation.subgroups import Subgroup, age_bands, by_group
from xraylab.evaluation.thresholds import OperatingPoint, choose_thresholds, operating_points

__all__ = [
    "SCORES",
    "Calibration",
    "DeLong",
    "DeviceCost",
    "Difference",
    "Evaluation",
    "Interval",
    "OperatingPoint",
    "Reliability",
    "Subgroup",
    "age_bands",
    "bootstrap",
    "brier",
    "by_group",
    "calibration_error",
    "choose_thresholds",
    "compare",
    "delong",
    "device_cost",
    "error_floor",
    "evaluate",
    "fit_platt",
    "fit_temperature",
    "holm",
    "operating_points",
    "predict",
    "reliability",
]
