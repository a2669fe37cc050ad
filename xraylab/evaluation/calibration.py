"""Do probabilities keep their word? Reliability, its error, and what mends it."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from xraylab.metrics import check_answers
from xraylab.models.predict import sigmoid


@dataclass(frozen=True)
class Reliability:
    """What was said and what happened, bin by bin.

    Attributes:
        said: (k,) mean probability in each bin that holds answers.
        happened: (k,) share of positives there.
        count: (k,) answers there.
        low, high: (k,) 95 % Wilson bounds of ``happened``.
    """

    said: np.ndarray
    happened: np.ndarray
    count: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def error(self):
        """Expected calibration error: mean gap of said and happened, weighted by answers."""
        return float(np.average(np.abs(self.said - self.happened), weights=self.count))


def reliability(y_true, probabilities, bins=15, equal="mass"):
    """Return the reliability curve of one label.

    Shapes:
        y_true: (num_films,), 0 or 1, nan where unknown; probabilities: (num_films,) in [0, 1].

    Args:
        bins: how many, at least 1. Tied probabilities stay together, so there can be fewer.
        equal: ``"mass"`` puts as many answers into every bin, ``"width"`` makes all of one width.
            Findings are rare: in bins of one width nearly all answers lie in the first.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`, or if an argument is out of range.

    Source: ``guo2017``, Sect. 2; bins of equal mass ``nixon2019``; bounds ``wilson1927``.
    """
    if bins < 1 or equal not in ("mass", "width"):
        raise ValueError(
            f"bins must be at least 1 and equal 'mass' or 'width'; {bins} and {equal!r} came"
        )
    y_true, known, probabilities = check_answers(
        np.reshape(y_true, (-1, 1)), np.reshape(probabilities, (-1, 1))
    )
    truth, chances = y_true[known], probabilities[known]
    if equal == "width":
        places = np.maximum(np.ceil(chances * bins).astype(int) - 1, 0)
    else:
        # Where tied answers begin decides the bin of all of them.
        begins = np.searchsorted(np.sort(chances), chances, side="left")
        places = begins * bins // len(chances)
    count = np.bincount(places, minlength=bins)
    held = count > 0
    count = count[held]
    said = np.bincount(places, chances, bins)[held] / count
    happened = np.bincount(places, truth, bins)[held] / count
    return Reliability(said, happened, count, *_wilson(happened, count))


def calibration_error(y_true, probabilities, bins=15, equal="mass"):
    """Return the expected calibration error, mean over the labels that have known answers.

    Shapes:
        y_true: (num_films, num_labels), 0 or 1, nan where unknown; probabilities: same shape.
        returns: a number in [0, 1]. A perfect model scores above 0 too, for shares are counted on
        films: :func:`error_floor` tells how far.

    Args:
        bins, equal: as :func:`reliability`.

    Raises:
        ValueError: as :func:`reliability`.

    Source: ``guo2017``, Sect. 2.
    """
    y_true, probabilities = np.asarray(y_true, dtype=np.float64), np.asarray(probabilities)
    check_answers(y_true, probabilities)
    return float(
        np.mean(
            [
                reliability(truth, chances, bins, equal).error
                for truth, chances in zip(y_true.T, probabilities.T, strict=True)
                if not np.isnan(truth).all()
            ]
        )
    )


def error_floor(probabilities, known=None, bins=15, equal="mass", draws=20, seed=0):
    """Return the calibration error of a model whose probabilities are all true.

    Labels are drawn from the probabilities themselves, so that what is left is counting noise.

    Shapes:
        probabilities: (num_films, num_labels) in [0, 1]. known: the same shape, whether a label is
        known; None where all are.

    Args:
        bins, equal: as :func:`reliability`.
        draws: how many times labels are drawn; the mean error is returned.
        seed: seed of the draws.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(draws):
        drawn = (rng.random(probabilities.shape) < probabilities).astype(np.float64)
        if known is not None:
            drawn[~np.asarray(known, dtype=bool)] = np.nan
        errors.append(calibration_error(drawn, probabilities, bins, equal))
    return float(np.mean(errors))


def brier(y_true, probabilities):
    """Return the Brier score: mean squared distance of probabilities and labels that are known.

    Shapes:
        y_true: (num_films, num_labels), 0 or 1, nan where unknown; probabilities: the same shape,
        in [0, 1]. returns: a number in [0, 1], the lower the better.

    Raises:
        ValueError: as :func:`xraylab.metrics.score`.

    Source: ``brier1950``, halved as is usual for two classes.
    """
    y_true, known, probabilities = check_answers(y_true, probabilities)
    return float(np.mean((probabilities - y_true)[known] ** 2))


@dataclass(frozen=True)
class Calibration:
    """Probabilities σ(a z + b) from logits z, with one slope and one offset a label.

    Attributes:
        slope: (num_labels,) a.
        offset: (num_labels,) b.
        method: how they were found, ``"temperature"`` or ``"platt"``.
    """

    slope: tuple[float, ...]
    offset: tuple[float, ...]
    method: str

    def __call__(self, logits):
        """Return calibrated probabilities.

        Shapes:
            logits: (num_films, num_labels). returns: the same shape, float64 in [0, 1].

        Raises:
            ValueError: for another number of labels.
        """
        logits = np.asarray(logits, dtype=np.float64)
        if logits.ndim != 2 or logits.shape[1] != len(self.slope):
            raise ValueError(
                f"logits: expected (num_films, {len(self.slope)}), got shape {logits.shape}"
            )
        return sigmoid(logits * np.array(self.slope) + np.array(self.offset))

    def to_dict(self):
        """Return plain values, ready for JSON."""
        return {**asdict(self), "slope": list(self.slope), "offset": list(self.offset)}

    @classmethod
    def from_dict(cls, values):
        """Return what :meth:`to_dict` gave."""
        return cls(tuple(values["slope"]), tuple(values["offset"]), values["method"])


def fit_temperature(y_true, logits):
    """Return the one temperature for all labels that makes labels of validation films likeliest.

    It is above 0, so it changes no ranking within a label and no AUC of one.

    Shapes:
        y_true: (num_films, num_labels), 0 or 1, nan where unknown; logits: the same shape.

    Returns:
        :class:`Calibration` with slope 1 / T.

    Raises:
        ValueError: if shapes disagree, a logit is not finite, all known labels are alike, or none
            from 1/1000 to 1000 is likeliest: logits that tell nothing of the labels, or separate
            them without an error.

    Source: ``guo2017``, Sect. 4.2, with sigmoids.
    """
    y_true, logits = _checked(y_true, logits)
    known = ~np.isnan(y_true)
    targets, z = y_true[known], logits[known]

    def cost(log_temperature):
        scaled = z * np.exp(-log_temperature)
        return np.mean(np.logaddexp(0, scaled) - scaled * targets)

    most = np.log(1000)
    found = minimize_scalar(cost, bounds=(-most, most), method="bounded", options={"xatol": 1e-8})
    if abs(found.x) > 0.99 * most:
        raise ValueError(
            "no temperature from 1/1000 to 1000 is likeliest: the logits tell nothing of these "
            "labels, or separate them without an error"
        )
    slope, num_labels = np.exp(-found.x), y_true.shape[1]
    return Calibration((float(slope),) * num_labels, (0.0,) * num_labels, "temperature")


def fit_platt(y_true, logits):
    """Return the slope and offset of each label that make labels of validation films likeliest.

    A label with one class only keeps slope 1 and offset 0.

    Shapes:
        y_true: (num_films, num_labels), 0 or 1, nan where unknown; logits: the same shape.

    Returns:
        :class:`Calibration`.

    Raises:
        ValueError: as :func:`fit_temperature`.

    Source: ``platt1999``, with its softened targets.
    """
    y_true, logits = _checked(y_true, logits)
    found = []
    for truth, z in zip(y_true.T, logits.T, strict=True):
        truth, z = truth[~np.isnan(truth)], z[~np.isnan(truth)]
        positives, negatives = (truth == 1).sum(), (truth == 0).sum()
        if not positives or not negatives:
            found.append((1.0, 0.0))
            continue
        targets = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        found.append(_fit(targets, z))
    slope, offset = np.transpose(found).tolist()
    return Calibration(tuple(slope), tuple(offset), "platt")


def _fit(targets, logits):
    """Return the slope and offset with the least cross-entropy; the problem is convex."""
    columns = np.stack([logits, np.ones_like(logits)], axis=1)

    def cost(weights):
        z = columns @ weights
        slope = columns.T @ (sigmoid(z) - targets) / len(z)
        return np.mean(np.logaddexp(0, z) - z * targets), slope

    return minimize(cost, np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-8}).x


def _checked(y_true, logits):
    """Return labels and logits as float64, or say what is wrong with them."""
    y_true = np.asarray(y_true, dtype=np.float64)
    logits = np.asarray(logits, dtype=np.float64)
    if y_true.ndim != 2 or y_true.shape != logits.shape or not y_true.size:
        raise ValueError(
            "y_true and logits must both be (num_films, num_labels) and not empty; "
            f"{y_true.shape} and {logits.shape} came"
        )
    if not np.isfinite(logits).all():
        raise ValueError(f"logits must be finite; {int((~np.isfinite(logits)).sum())} are not")
    known = y_true[~np.isnan(y_true)]
    if not np.isin(known, (0, 1)).all() or len(np.unique(known)) < 2:
        raise ValueError(
            "y_true must hold 0 and 1 (nan where unknown) and both of them; known labels hold "
            f"{np.unique(known)[:5].tolist()}"
        )
    return y_true, logits


def _wilson(share, count, z=1.959964):
    """Return Wilson's bounds of a share."""
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return centre - half, centre + half
