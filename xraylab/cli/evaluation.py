"""``xraylab evaluate``, ``calibrate`` and ``bench``: what a run or a model is worth."""

import os
import warnings
from math import isnan
from typing import Annotated

from typer import Argument, Option

from xraylab.backend import MEMORY_ON_DEMAND, start_keras
from xraylab.cli.console import RunFolder, Table, show
from xraylab.cli.training import Source
from xraylab.findings import title

FEW_POSITIVES = 10
"""Number of positive images below which a bootstrap interval is unreliable."""

OVERALL = {
    "Macro AUC": "macro_auc",
    "Micro AUC": "micro_auc",
    "Average precision": "average_precision",
    "Accuracy, per label": "accuracy",
    "Exact match": "exact_match",
    "Macro F1": "macro_f1",
    "Micro F1": "micro_f1",
}


def evaluate(
    run: RunFolder,
    split: Annotated[str, Option(help="train, val or test.")] = "test",
    data: Source = None,
    weights: Annotated[str, Option(help="best or last.")] = "best",
    match: Annotated[
        str, Option(help="order, or names: score the labels that both have.")
    ] = "order",
    replicates: Annotated[int, Option(help="Bootstrap resamples for the intervals.")] = 1000,
):
    """Score a run on a split, or on other data, with intervals and baselines."""
    start_keras()
    from xraylab import evaluation

    options = {"source": data, "weights": weights, "match": match, "replicates": replicates}
    _print_evaluation(evaluation.evaluate(run, split, **options))


def _print_evaluation(result):
    """Print an :class:`xraylab.evaluation.Evaluation`: overall scores, then one row per finding."""
    score = result.score
    images = f"{score.num_images:,} {'SIMULATED ' if result.simulated else ''}images"
    source = f"{result.split} split of {result.source}: {images}"
    show(f"{source} · {result.weights} weights of {result.run}", bold=True)
    headings = ("All negative", "Prevalence", "All positive", "Frequent")
    table = Table("Score", "Model", "95 % interval", *headings, right=1)
    for label, name in OVERALL.items():
        value, *baselines = (_number(getattr(x, name), 4) for x in (score, *score.baselines))
        table.add_row(label, value, _interval(result.intervals.get(name)), *baselines)
    table.show()
    table = Table("Finding", "Positives", "AUC", "95 % interval", "AP", "Prevalence", right=1)
    for row in score.per_finding:
        table.add_row(
            title(row.label),
            f"{row.positives:,}",
            _number(row.roc_auc),
            _interval(result.intervals[row.label]),
            _number(row.average_precision),
            f"{row.prevalence:.2%}",
        )
    table.show()
    if result.unmatched:
        names = ", ".join(map(title, result.unmatched))
        show(f"Not predicted by the model, so not scored: {names}")
    few = [title(row.label) for row in score.per_finding if 0 < row.positives < FEW_POSITIVES]
    if few:
        show(f"Unreliable interval, fewer than {FEW_POSITIVES} positives: {', '.join(few)}")
    if score.undefined:
        show(f"Undefined, excluded from the macro AUC: {', '.join(map(title, score.undefined))}")
    show(
        "AP: average precision. Overall scores are means over the labels, except micro AUC and F1. "
        "Baselines: 'All negative' predicts no finding, 'Prevalence' each label's prevalence in "
        "the training images, 'All positive' every finding, 'Frequent' those findings with which "
        "a constant has the highest micro F1. A score near its best baseline shows no skill."
    )
    if result.simulated:
        show("Simulated images: these scores say nothing about patients.", bold=True)


def _number(value, digits=3):
    """Format a score; NaN is undefined."""
    return "undefined" if isnan(value) else f"{value:.{digits}f}"


def _interval(interval):
    """Format an interval; empty if undefined."""
    return "" if isnan(interval.low) else f"{interval.low:.3f}–{interval.high:.3f}"


def calibrate(run: RunFolder):
    """Fit calibration and thresholds on a run's validation images and save them with the run."""
    start_keras()
    from xraylab import evaluation
    from xraylab.training import Run

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Platt scaling has a negative slope")  # reported below
        fitted = evaluation.calibrate(run)
    platt, temperature = fitted.platt, fitted.temperature
    names = Run(run).recipe.label_names or ()
    rules = (f"Threshold, {rule}" for rule in fitted.thresholds)
    table = Table("Finding", "Slope", "Offset", *rules, right=1)
    rows = zip(names, platt.slope, platt.offset, *fitted.thresholds.values(), strict=True)
    for name, slope, offset, *thresholds in rows:
        cells = ("undefined" if value is None else f"{value:.4f}" for value in thresholds)
        table.add_row(name, f"{slope:.2f}", f"{offset:+.2f}", *cells)
    table.show()
    value = "undefined" if temperature is None else f"{1 / temperature.slope[0]:.2f}"
    show(
        "Slope and offset: Platt scaling of the logits. Thresholds apply to the uncalibrated "
        "probabilities: highest F1, highest sensitivity + specificity (youden), and sensitivity "
        f"0.9. Temperature for all labels: {value}."
    )
    if platt.negative_slopes:
        show(
            f"Warning: negative slope for {', '.join(names[k] for k in platt.negative_slopes)}. On "
            "the validation images the model ranks these findings worse than chance, and "
            "calibration reverses its ranking. Do not rely on their calibrated probabilities.",
            bold=True,
        )
    show(f"Written: {run / 'calibration.json'}")


def bench(
    name: Annotated[str, Argument(help="A model of 'xraylab models'.")],
    size: Annotated[int, Option(help="Side of the images in pixels.")] = 64,
    rounds: Annotated[int, Option(help="Number of timed calls.")] = 50,
):
    """Measure time and memory of a model on this device, which should be otherwise idle."""
    os.environ.update(MEMORY_ON_DEMAND)  # the memory is measured in child processes
    start_keras()
    from xraylab.evaluation import device_cost

    cost = device_cost(name, size, rounds=rounds)
    backend, devices = cost.environment["backend"], ", ".join(cost.environment["devices"])
    latency = f"{cost.latency_p50:.1f} ms (median), {cost.latency_p95:.1f} ms (95th percentile)"
    rows = {
        "parameters": f"{cost.parameters:,}",
        "multiply-adds, one image": _quantity(cost.multiply_adds, 1e6, "M"),
        "one image": latency,
        **{f"{n} images at once": f"{v:,.1f} images/s" for n, v in cost.throughput.items()},
        "memory, 32 images at once": _quantity(cost.inference_bytes, 1e9, "GB"),
        "memory, training steps of 32": _quantity(cost.training_bytes, 1e9, "GB"),
    }
    table = Table("Quantity", "Measured", title=f"{name} at {size} px, {backend}, {devices}")
    for row in rows.items():
        table.add_row(*row)
    table.show()


def _quantity(value, unit, symbol):
    return "not available on this system" if value is None else f"{value / unit:,.2f} {symbol}"
