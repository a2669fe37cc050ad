"""``xraylab calibrate``: calibration and thresholds, fitted on validation images."""

from xraylab.backend import start_keras
from xraylab.cli.console import RunFolder, Table, say


def calibrate(run: RunFolder):
    """Fit calibration and thresholds on a run's validation images and save them with the run."""
    start_keras()
    from xraylab import evaluation
    from xraylab.training import Run

    fitted = evaluation.calibrate(run)
    names = Run(run).recipe.label_names or ()
    slopes, offsets = fitted.platt.slope, fitted.platt.offset
    table = Table(
        "Finding", "Slope", "Offset", *(f"Threshold, {rule}" for rule in fitted.thresholds), right=1
    )
    for k, name in enumerate(names):
        thresholds = [values[k] for values in fitted.thresholds.values()]
        table.add_row(
            name,
            f"{slopes[k]:.2f}",
            f"{offsets[k]:+.2f}",
            *("undefined" if value is None else f"{value:.4f}" for value in thresholds),
        )
    table.show()
    temperature = fitted.temperature
    value = "undefined" if temperature is None else f"{1 / temperature.slope[0]:.2f}"
    say(
        "Slope and offset: Platt scaling of the logits. Thresholds apply to the uncalibrated "
        "probabilities: highest F1, highest sensitivity + specificity (youden), and sensitivity "
        f"0.9. Temperature for all labels: {value}."
    )
    negative = [name for name, slope in zip(names, slopes, strict=True) if slope < 0]
    if negative:
        say(
            f"Warning: negative slope for {', '.join(negative)}. On the validation images the "
            "model ranks these findings worse than chance, and calibration reverses its ranking. "
            "Do not rely on their calibrated probabilities.",
            bold=True,
        )
    say(f"Written: {run / 'calibration.json'}")
