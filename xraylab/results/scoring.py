"""Everything that a record says of predictions, computed from them and nothing else."""

from dataclasses import asdict, dataclass

import numpy as np

from xraylab import evaluation, metrics

TOLERANCES = {"scores": 1e-6, "intervals": 1e-6, "calibration": 1e-4, "thresholds": 1e-4}
"""How far a number in a record may lie from the one computed anew, beyond 1 relatively: sums are
taken in another order elsewhere, and an optimiser stops elsewhere."""


@dataclass(frozen=True)
class Measure:
    """How predictions are scored.

    Attributes:
        label_names: names of the labels.
        prevalence: share of positives of each label in the training images, for the floor.
        replicates: bootstrap resamples behind the intervals.
        level: coverage that the intervals ask for.
        seed: seed of the resampling.
        unit: what is resampled, ``"images"`` or ``"patients"``.
    """

    label_names: tuple[str, ...]
    prevalence: tuple[float, ...]
    replicates: int
    level: float
    seed: int
    unit: str

    def to_dict(self):
        """Return plain values, ready for JSON."""
        return plain(asdict(self))

    @classmethod
    def from_dict(cls, values):
        """Return what :meth:`to_dict` gave."""
        lists = {name: tuple(values[name]) for name in ("label_names", "prevalence")}
        return cls(**{**values, **lists})


def score_all(answers, measure, *, quick=False, progress=False):
    """Return all scores of predictions as plain values.

    Args:
        answers: :class:`xraylab.results.predictions.Answers` by split.
        measure: the :class:`Measure`.
        quick: whether to leave out what takes seconds: intervals, calibration, thresholds.
        progress: whether to show progress.

    Returns:
        dict with ``scores`` by split and, unless ``quick``, ``intervals`` on the test images, and
        ``calibration`` and ``thresholds``, both fitted on validation images and judged on the test
        images.
    """
    scores = {
        split: metrics.score(
            mine.truth,
            mine.probabilities,
            label_names=measure.label_names,
            prevalence=measure.prevalence,
        ).to_dict()
        for split, mine in answers.items()
    }
    if quick:
        return plain({"scores": scores})
    val, test = answers["val"], answers["test"]
    drawing = {
        "replicates": measure.replicates,
        "level": measure.level,
        "seed": measure.seed,
        "patients": test.patients if measure.unit == "patients" else None,
        "progress": progress,
    }
    intervals = evaluation.bootstrap(
        test.truth, test.probabilities, label_names=measure.label_names, **drawing
    )
    fitted = evaluation.fit_to(val.truth, val.logits)
    calibration = {"as_trained": judge(test.truth, test.probabilities, **drawing)}
    for method in ("temperature", "platt"):
        mended = getattr(fitted, method)
        calibration[method] = mended and {
            **mended.to_dict(),
            **judge(test.truth, mended(test.logits), **drawing),
        }
    return plain(
        {
            "scores": scores,
            "intervals": {name: asdict(interval) for name, interval in intervals.items()},
            "calibration": calibration,
            "thresholds": {
                rule: _points(test, chosen) for rule, chosen in fitted.thresholds.items()
            },
        }
    )


def disagreements(told, found):
    """Yield ``(place, told, found)`` for each leaf in which a record and its predictions differ."""
    for part in found:
        yield from _differences(told[part], found[part], part, TOLERANCES[part])


def _differences(told, found, place, tolerance):
    """Yield the leaves in which two nested values differ."""
    if isinstance(found, dict) and isinstance(told, dict) and found.keys() == told.keys():
        pairs = [(told[name], found[name], name) for name in found]
    elif isinstance(found, list) and isinstance(told, list) and len(found) == len(told):
        pairs = [(*both, k) for k, both in enumerate(zip(told, found, strict=True))]
    else:
        if not _alike(told, found, tolerance):
            yield place, told, found
        return
    for mine, theirs, name in pairs:
        yield from _differences(mine, theirs, f"{place}/{name}", tolerance)


def plain(value):
    """Return a value as JSON has it: NaN as None, numbers and lists of Python's own."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def judge(y_true, probabilities, **drawing):
    """Return how far probabilities keep their word, with intervals and the floor of the error.

    Args:
        y_true, probabilities: as :func:`xraylab.evaluation.calibration_intervals`.
        drawing: further arguments of it.
    """
    found = evaluation.calibration_intervals(y_true, probabilities, **drawing)
    return {name: asdict(interval) for name, interval in found.items()} | {
        "error_floor": evaluation.error_floor(probabilities, ~np.isnan(y_true))
    }


def _points(test, chosen):
    """Return what chosen thresholds do on the test images, a dict a label."""
    thresholds = [np.nan if value is None else value for value in chosen]
    points = evaluation.operating_points(test.truth, test.probabilities, thresholds)
    return [asdict(point) for point in points]


def _alike(told, found, tolerance):
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (told, found))
    return abs(told - found) <= tolerance * max(1, abs(found)) if numbers else told == found
