"""``xraylab calibrate``: calibration and thresholds, fitted on validation images."""

import warnings

from xraylab.backend import start_keras
from xraylab.cli.console import RunFolder, Table, say


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
    say(
        "Slope and offset: Platt scaling of the logits. Thresholds apply to the uncalibrated "
        "probabilities: highest F1, highest sensitivity + specificity (youden), and sensitivity "
        f"0.9. Temperature for all labels: {value}."
    )
    if platt.negative_slopes:
        say(
            f"Warning: negative slope for {', '.join(names[k] for k in platt.negative_slopes)}. On "
            "the validation images the model ranks these findings worse than chance, and "
            "calibration reverses its ranking. Do not rely on their calibrated probabilities.",
            bold=True,
        )
    say(f"Written: {run / 'calibration.json'}")
