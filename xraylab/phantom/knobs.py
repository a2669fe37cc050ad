"""Knobs for teaching: a report reader who errs, a cue tied to a finding, shifted images.

All of them are off by default. What they draw depends on seed and image alone, like everything else
of the phantom, so that an image changes only in what a knob is about.
"""

import numbers
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import numpy as np

from xraylab.findings import FINDINGS
from xraylab.phantom.draws import uniform
from xraylab.suggest import did_you_mean

CUES = ("marker", "device", "projection")
"""What a confounder can tie to a finding: the side marker (L or R), devices, or an AP image.

Where devices must be there, at least ECG leads are; where they must not, there are none at all."""

PROJECTIONS = ("PA", "AP", "NIH")
"""Images standing in the X-ray room, in bed, or either as often as NIH's with the same findings."""


class PerFinding(Mapping):
    """A number for each of some findings: a mapping that cannot change, in ChestMNIST's order."""

    def __init__(self, numbers_):
        self._numbers = {name: numbers_[name] for name in FINDINGS if name in numbers_}

    def __getitem__(self, finding):
        return self._numbers[finding]

    def __iter__(self):
        return iter(self._numbers)

    def __len__(self):
        return len(self._numbers)

    def __hash__(self):
        return hash(tuple(self._numbers.items()))

    def __repr__(self):
        return repr(self._numbers)


@dataclass(frozen=True)
class Confounder:
    """A cue on the image that is tied to a finding.

    Args:
        cue: one of :data:`CUES`.
        finding: one of :data:`xraylab.findings.FINDINGS`.
        strength: probability, from 0 to 1, that the cue is there exactly when the finding is; on
            the other images it is drawn as ever.

    Raises:
        ValueError: if one of them is something else.
    """

    cue: str
    finding: str
    strength: float

    def __post_init__(self):
        _require_name("confounder cue", self.cue, CUES)
        _require_name("confounder finding", self.finding, FINDINGS)
        strength = _number("confounder strength", self.strength, 0, 1)
        object.__setattr__(self, "strength", strength)


@dataclass(frozen=True)
class Knobs:
    """What may be changed about phantom images; all off by default.

    Args:
        prevalence: None draws the findings together, as ChestMNIST has them. A number from 0 to 1
            is the prevalence of every finding; a mapping gives that of the findings it names, and
            the others keep ChestMNIST's. Both draw each finding independently.
        sensitivity: of the report reader, the probability that a finding on the image is labelled:
            a number, or a mapping of the findings whose number is not 1.
        specificity: of the report reader, the probability that a finding that is not on the image
            is not labelled: a number, or a mapping as above.
        severity: the bounds, from 0 to 1, between which severities are drawn uniformly.
        exposure: from -1, under-exposed (a bright image), to 1, over-exposed (a dark one).
        projection: ``"PA"`` or ``"AP"`` for all images; ``"NIH"`` draws AP as often as NIH's images
            with the same findings are; None draws it whatever the findings.
        confounder: a :class:`Confounder`, or a mapping of its three arguments; None for none.

    Raises:
        ValueError: if one of them is something else, or two contradict each other.
    """

    prevalence: float | Mapping[str, float] | None = None
    sensitivity: float | Mapping[str, float] = 1.0
    specificity: float | Mapping[str, float] = 1.0
    severity: tuple[float, float] = (0.0, 1.0)
    exposure: float = 0.0
    projection: str | None = None
    confounder: Confounder | None = None

    def __post_init__(self):
        values = {
            "prevalence": check_prevalence(self.prevalence),
            "sensitivity": _reading("sensitivity", self.sensitivity),
            "specificity": _reading("specificity", self.specificity),
            "severity": _bounds("severity", self.severity),
            "exposure": _number("exposure", self.exposure, -1, 1),
            "confounder": _confounder(self.confounder),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if self.projection is not None:
            _require_name("projection", self.projection, PROJECTIONS)
            if self.confounder is not None and self.confounder.cue == "projection":
                raise ValueError(
                    f"projection must be None where the confounder's cue is 'projection', because "
                    f"it cannot be both fixed and tied to a finding; {self.projection!r} came"
                )

    @classmethod
    def of(cls, knobs=None, /, **named):
        """Return the knobs that were turned, whichever way they were written down.

        Args:
            knobs: :class:`Knobs`, a mapping such as :meth:`as_dict` returns, or None for none.
            named: knobs by name, in place of ``knobs`` or on top of them.

        Raises:
            ValueError: for an unknown name, or a value that is not allowed.
        """
        if isinstance(knobs, cls):
            knobs = {field.name: getattr(knobs, field.name) for field in fields(cls)}
        elif not isinstance(knobs, Mapping | None):
            raise ValueError(f"knobs must be Knobs, a mapping or None; {knobs!r} came")
        turned = {**(knobs or {}), **named}
        for name in turned:
            _require_name("the name of a knob", name, [field.name for field in fields(cls)])
        return cls(**turned)

    def as_dict(self):
        """Return the knobs that are turned, ready for JSON; :meth:`of` reads them back."""
        return {
            field.name: _plain(getattr(self, field.name))
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }


def read_reports(truth, indices, seed, knobs):
    """Return the labels that the simulated report reader writes down.

    Shapes:
        truth: (n, 14) uint8, 0 or 1, the findings on the images.
        indices: (n,) numbers of the images.
        returns: (n, 14) uint8, 0 or 1; ``truth`` where sensitivity and specificity are 1.
    """
    chance = uniform(seed, indices, "reader", len(FINDINGS))
    written = np.where(
        np.asarray(truth) == 1,
        chance < in_order(knobs.sensitivity, 1.0),
        chance >= in_order(knobs.specificity, 1.0),
    )
    return written.astype(np.uint8)


def draw_severities(indices, seed, knobs):
    """Return how severe each finding of an image is, or would be if the image had it.

    Shapes:
        indices: (n,) numbers of the images.
        returns: (n, 14) float64, within the bounds that ``knobs.severity`` gives.
    """
    low, high = knobs.severity
    drawn = low + (high - low) * uniform(seed, indices, "severity", len(FINDINGS))
    return np.minimum(drawn, high)  # rounding may carry it a bit too far


def follow(confounder, cue, truth, indices, seed):
    """Return on which images a confounder decides about a cue, and how.

    Shapes:
        truth: (n, 14) uint8, 0 or 1, the findings on the images.
        indices: (n,) numbers of the images.
        returns: (n,) int8: 1 where the cue must be there, 0 where it must not, -1 where it is left
            as drawn; -1 on all images if the confounder is None or has another cue.

    Raises:
        ValueError: if ``cue`` is not one of :data:`CUES`.
    """
    _require_name("cue", cue, CUES)
    truth = np.asarray(truth)
    if confounder is None or confounder.cue != cue:
        return np.full(len(truth), -1, np.int8)
    tied = uniform(seed, indices, "confounder", 1)[:, 0] < confounder.strength
    present = truth[:, FINDINGS.index(confounder.finding)]
    return np.where(tied, present, -1).astype(np.int8)


def check_prevalence(prevalence):
    """Return a prevalence as :class:`Knobs` keeps it: None, a number or a :class:`PerFinding`.

    Raises:
        ValueError: if it is something else.
    """
    return None if prevalence is None else _probabilities("prevalence", prevalence)


def in_order(value, rest):
    """Return a number for every finding.

    Shapes:
        rest: a number or (14,), for the findings that a mapping does not name.
        returns: (14,) float64.
    """
    row = np.empty(len(FINDINGS))
    row[:] = rest
    if not isinstance(value, Mapping):
        row[:] = value
        return row
    for name, number in value.items():
        row[FINDINGS.index(name)] = number
    return row


def _probabilities(name, value):
    """Return a probability, or one for each finding that a mapping names."""
    if not isinstance(value, Mapping):
        return _number(name, value, 0, 1)
    for finding in value:
        _require_name(f"a finding in {name}", finding, FINDINGS)
    return PerFinding({f: _number(f"{name} of {f}", v, 0, 1) for f, v in value.items()})


def _reading(name, value):
    """Return a reader's probabilities; findings that are read without fault need no mention."""
    value = _probabilities(name, value)
    if isinstance(value, Mapping):
        value = PerFinding({finding: p for finding, p in value.items() if p != 1})
        return value if len(value) else 1.0
    return value


def _bounds(name, value):
    """Return two probabilities, the second not below the first."""
    try:
        pair = () if isinstance(value, str | Mapping | set) else tuple(value)
    except TypeError:
        pair = ()
    if len(pair) == 2:
        low, high = (_number(f"each bound of {name}", bound, 0, 1) for bound in pair)
        if low <= high:
            return low, high
    raise ValueError(f"{name} must be two numbers from 0 to 1, the lower one first; {value!r} came")


def _confounder(value):
    """Return a confounder that was given as itself or by its arguments, or None."""
    if value is None or isinstance(value, Confounder):
        return value
    names = [field.name for field in fields(Confounder)]
    if isinstance(value, Mapping) and set(value) == set(names):
        return Confounder(**value)
    raise ValueError(
        f"confounder must be a Confounder, a mapping of {', '.join(names)}, or None; {value!r} came"
    )


def _number(name, value, least, most):
    """Return a finite number between two bounds, or say why it is none."""
    good = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not good or not least <= value <= most:
        raise ValueError(f"{name} must be a number from {least} to {most}; {value!r} came")
    return float(value) + 0.0  # makes 0.0 of -0.0, which would be written differently


def _require_name(what, value, names):
    """Raise a :class:`ValueError` unless a text is one of some names."""
    if isinstance(value, str) and value in names:
        return
    hint = did_you_mean(value, names)
    raise ValueError(
        f"{what} must be one of {', '.join(names)}; {value!r} came" + (f". {hint}" if hint else "")
    )


def _plain(value):
    """Return a knob's value in types that JSON knows."""
    if isinstance(value, Confounder):
        return asdict(value)
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value
