"""What mends probabilities that do not keep their word: one temperature, or Platt's scaling."""

from dataclasses import asdict, dataclass

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from xraylab.models.predict import sigmoid


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
            logits: (num_images, num_labels). returns: the same shape, float64 in [0, 1].

        Raises:
            ValueError: for another number of labels.
        """
        logits = np.asarray(logits, dtype=np.float64)
        if logits.ndim != 2 or logits.shape[1] != len(self.slope):
            raise ValueError(
                f"logits: expected (num_images, {len(self.slope)}), got shape {logits.shape}"
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
    """Return the one temperature for all labels that makes labels of validation images likeliest.

    It is above 0, so it changes no ranking within a label and no AUC of one.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, nan where unknown; logits: the same shape.

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
    """Return the slope and offset of each label that make labels of validation images likeliest.

    A label with one class only keeps slope 1 and offset 0.

    Shapes:
        y_true: (num_images, num_labels), 0 or 1, nan where unknown; logits: the same shape.

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
            "y_true and logits must both be (num_images, num_labels) and not empty; "
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
