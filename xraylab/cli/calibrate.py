"""``xraylab calibrate``: calibration and thresholds, fitted on validation images."""

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    run: Annotated[Path, typer.Argument(help="Folder of a run of 'xraylab train'.")],
):
    """Fit calibration and thresholds on a run's validation images; keep them beside its weights."""
    from rich.console import Console
    from rich.table import Table

    from xraylab.backend import start_keras

    start_keras()
    from xraylab import evaluation
    from xraylab.training import Run

    fitted = evaluation.calibrate(run)
    shown = Table("Finding", "Slope", "Offset", *(f"Threshold, {r}" for r in fitted.thresholds))
    for k, name in enumerate(Run(run).recipe.label_names):
        thresholds = (values[k] for values in fitted.thresholds.values())
        shown.add_row(
            name,
            f"{fitted.platt.slope[k]:.2f}",
            f"{fitted.platt.offset[k]:+.2f}",
            *("undefined" if value is None else f"{value:.4f}" for value in thresholds),
        )
    Console().print(shown)
    temperature = fitted.temperature
    typer.echo(
        "Slope and offset are Platt's, of the logits; thresholds are for the probabilities as the "
        "model gives them: for the highest F1, the highest sensitivity + specificity, and a "
        "sensitivity of 0.9. One temperature for all: "
        + ("none is likeliest." if temperature is None else f"{1 / temperature.slope[0]:.2f}.")
    )
    typer.echo(f"Written: {run / 'calibration.json'}")
