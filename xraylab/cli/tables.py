"""The table of scores."""

import math

from rich.table import Table

from xraylab.findings import title

FEW_POSITIVES = 10
"""Below this number of positive images, a bootstrap has too little to draw from."""


def print_evaluation(console, result):
    """Print an :class:`xraylab.evaluation.Evaluation`: all scores, then finding by finding."""
    score = result.score
    what = "SIMULATED images" if result.simulated else "images"
    head = f"{result.split} split of {result.source}: {score.num_images:,} {what}"
    console.print(f"[bold]{head}[/] · {result.weights} weights of {result.run}", highlight=False)
    console.print(_summary(result))
    console.print(_per_finding(result))
    few = [title(row.label) for row in score.per_finding if 0 < row.positives < FEW_POSITIVES]
    if few:
        console.print(
            f"Fewer than {FEW_POSITIVES} positive images, so do not trust the interval: "
            f"{', '.join(few)}",
            highlight=False,
        )
    if score.undefined:
        names = ", ".join(title(name) for name in score.undefined)
        console.print(f"Undefined, and left out of the macro AUC: {names}", highlight=False)
    console.print(
        "'All negative' and 'Prevalence' are floors: what an answer scores that never looks at a "
        "image, by saying no to everything or by giving each label's prevalence in the training "
        "images. An accuracy near its floor shows no skill. 'Precision' is the average precision; "
        "overall scores are means over the labels, but for the micro AUC.",
        highlight=False,
    )
    if result.simulated:
        console.print("[bold]Simulated images: these scores say nothing about patients.[/]")


def _summary(result):
    """Return the table of overall scores, the floors in columns of their own."""
    score, intervals = result.score, result.intervals
    table = Table("Score", "Model", "95 % interval", "All negative", "Prevalence")
    for column in table.columns[1:]:
        column.justify = "right"
    rows = (
        ("Macro AUC", "macro_auc"),
        ("Micro AUC", "micro_auc"),
        ("Average precision", "average_precision"),
        ("Accuracy, per label", "accuracy"),
        ("Exact match", "exact_match"),
    )
    for label, name in rows:
        interval = intervals.get(name)
        floors = [_number(getattr(floor, name), 4) for floor in score.floors]
        table.add_row(label, _number(getattr(score, name), 4), _range(interval), *floors)
    return table


def _per_finding(result):
    """Return the table of findings."""
    table = Table("Finding", "Positives", "AUC", "95 % interval", "Precision", "Prevalence")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in result.score.per_finding:
        table.add_row(
            title(row.label),
            f"{row.positives:,}",
            _number(row.roc_auc),
            _range(result.intervals[row.label]),
            _number(row.average_precision),
            f"{row.prevalence:.2%}",
        )
    return table


def _number(value, digits=3):
    """Return a score as text, an undefined one as such."""
    return "undefined" if math.isnan(value) else f"{value:.{digits}f}"


def _range(interval):
    """Return an interval as text, nothing where there is none."""
    if interval is None or math.isnan(interval.low):
        return ""
    return f"{interval.low:.3f}–{interval.high:.3f}"
