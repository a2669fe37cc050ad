"""Evaluation: predictions, scores with intervals, and what they are worth."""

from xraylab.evaluation.calibrate import Fitted, calibrate, fit_to, load_calibration
from xraylab.evaluation.calibration import Calibration, fit_platt, fit_temperature
from xraylab.evaluation.device_cost import DeviceCost, device_cost
from xraylab.evaluation.evaluate import Evaluation, evaluate, predict
from xraylab.evaluation.intervals import SCORES, Difference, Interval, bootstrap, compare
from xraylab.evaluation.reliability import (
    Reliability,
    brier,
    calibration_error,
    calibration_intervals,
    error_floor,
    reliability,
)
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
    "Fitted",
    "Interval",
    "OperatingPoint",
    "Reliability",
    "Subgroup",
    "age_bands",
    "bootstrap",
    "brier",
    "by_group",
    "calibrate",
    "calibration_error",
    "calibration_intervals",
    "choose_thresholds",
    "compare",
    "delong",
    "device_cost",
    "error_floor",
    "evaluate",
    "fit_platt",
    "fit_temperature",
    "fit_to",
    "holm",
    "load_calibration",
    "operating_points",
    "predict",
    "reliability",
]
