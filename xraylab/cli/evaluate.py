"""``xraylab evaluate``: scores of a run with intervals and baselines."""

import math
from typing import Annotated

from typer import Option

from xraylab.backend import start_keras
from xraylab.cli.console import RunFolder, Table, say
from xraylab.cli.train import Source
from xraylab.findings import title

FEW_POSITIVES = 10
"""Number of positive images below which a bootstrap interval is unreliable."""

SET = "data_options.KEY=VALUE"

OVERALL = {
    "Macro AUC": "macro_auc",
    "Micro AUC": "micro_auc",
    "Average precision": "average_precision",
    "Accuracy, per label": "accuracy",
    "Exact match": "exact_match",
}


def evaluate(
    run: RunFolder,
    split: Annotated[str, Option(help="train, val or test.")] = "test",
    data: Source = None,
    settings: Annotated[list[str] | None, Option("--set", metavar=SET, help="As in train.")] = None,
    weights: Annotated[str, Option(help="best or last.")] = "best",
    replicates: Annotated[int, Option(help="Bootstrap resamples for the intervals.")] = 1000,
):
    """Score a run on a split, or on other data, with intervals and baselines."""
    start_keras()
    from xraylab import evaluation

    options = _data_options(settings)
    print_evaluation(
        evaluation.evaluate(
            run, split, source=data, data_options=options, weights=weights, replicates=replicates
        )
    )


def _data_options(settings):
    """Return the data options among settings; raise a ValueError for other fields."""
    from xraylab.training import Recipe, recipes

    default = Recipe()
    recipe = recipes.override(default, settings or ())
    others = sorted(recipe.differences(default).keys() - {"data_options"})
    if others:
        raise ValueError(
            "evaluate cannot change how the model was trained. "
            f"Expected: --set {SET}. Received: --set {others[0]}=…."
        )
    return recipe.data_options


def print_evaluation(result):
    """Print an :class:`xraylab.evaluation.Evaluation`: overall scores, then one row per finding."""
    score = result.score
    images = f"{score.num_images:,} {'SIMULATED ' if result.simulated else ''}images"
    source = f"{result.split} split of {result.source}: {images}"
    say(f"{source} · {result.weights} weights of {result.run}", bold=True)
    table = Table("Score", "Model", "95 % interval", "All negative", "Prevalence", right=1)
    for label, name in OVERALL.items():
        baselines = [_number(getattr(baseline, name), 4) for baseline in score.baselines]
        interval = _interval(result.intervals.get(name))
        table.add_row(label, _number(getattr(score, name), 4), interval, *baselines)
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
    few = [title(row.label) for row in score.per_finding if 0 < row.positives < FEW_POSITIVES]
    if few:
        say(f"Unreliable interval, fewer than {FEW_POSITIVES} positives: {', '.join(few)}")
    if score.undefined:
        say(f"Undefined, excluded from the macro AUC: {', '.join(map(title, score.undefined))}")
    say(
        "AP: average precision. Overall scores are means over the labels, except the micro AUC. "
        "Baselines: 'All negative' predicts no finding, 'Prevalence' predicts each label's "
        "prevalence in the training images. An accuracy near its baseline shows no skill."
    )
    if result.simulated:
        say("Simulated images: these scores say nothing about patients.", bold=True)


def _number(value, digits=3):
    """Format a score; NaN is undefined."""
    return "undefined" if math.isnan(value) else f"{value:.{digits}f}"


def _interval(interval):
    """Format an interval; empty if undefined."""
    if interval is None or math.isnan(interval.low):
        return ""
    return f"{interval.low:.3f}–{interval.high:.3f}"
