"""Evaluation: predictions, scores with intervals, calibration, thresholds and cost."""

from xraylab.evaluation.calibration import (
    Calibration,
    CalibrationResult,
    calibrate,
    fit_calibration,
    load_calibration,
)
from xraylab.evaluation.corruptions import CORRUPTIONS, balanced_error, corrupt_images
from xraylab.evaluation.device_cost import DeviceCost, device_cost
from xraylab.evaluation.evaluate import Evaluation, evaluate, predict
from xraylab.evaluation.intervals import Difference, Interval, Resampling, bootstrap, compare
from xraylab.evaluation.reliability import (
    Reliability,
    brier,
    calibration_error,
    calibration_intervals,
    null_calibration_error,
    reliability,
)
from xraylab.evaluation.significance import DeLong, delong, holm
from xraylab.evaluation.simulation import simulate_logits
from xraylab.evaluation.subgroups import Subgroup, by_group
from xraylab.evaluation.thresholds import (
    OperatingPoint,
    choose_thresholds,
    net_benefit,
    operating_points,
)
from xraylab.evaluation.weighted_scores import SCORES

__all__ = [
    "CORRUPTIONS",
    "SCORES",
    "Calibration",
    "CalibrationResult",
    "DeLong",
    "DeviceCost",
    "Difference",
    "Evaluation",
    "Interval",
    "OperatingPoint",
    "Reliability",
    "Resampling",
    "Subgroup",
    "balanced_error",
    "bootstrap",
    "brier",
    "by_group",
    "calibrate",
    "calibration_error",
    "calibration_intervals",
    "choose_thresholds",
    "compare",
    "corrupt_images",
    "delong",
    "device_cost",
    "evaluate",
    "fit_calibration",
    "holm",
    "load_calibration",
    "net_benefit",
    "null_calibration_error",
    "operating_points",
    "predict",
    "reliability",
    "simulate_logits",
]
