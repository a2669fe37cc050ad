"""Parameters of the simulator, such as prevalence, label noise, severity and confounders."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from xraylab.arguments import invalid_argument, require_choice
from xraylab.findings import FINDINGS

CUES = ("marker", "device", "projection")
"""What a confounder can tie to a finding: the side marker (L or R), devices, or an AP projection.

Where a device is forced to be present, at least ECG leads are; where it is forced to be absent,
there is no device at all."""

PROJECTIONS = ("PA", "AP", "NIH")
"""Standing, in bed, or AP as often as NIH's images with the same findings are."""

APPEARANCES = ("physics", "randomised")
"""Grey levels of an exposed X-ray, or domain randomisation."""


def _in_order(value):
    """Put the findings of a mapping in the order of ``FINDINGS``."""
    if isinstance(value, Mapping):
        return {name: value[name] for name in FINDINGS if name in value}
    return value


def _ordered(bounds):
    if bounds[0] > bounds[1]:
        raise invalid_argument("severity", "the lower bound first", bounds)
    return bounds


def _choice(name, choices):
    return AfterValidator(partial(require_choice, name, choices=choices))


_Finding = Annotated[str, _choice("finding", FINDINGS)]
Rates = float | Mapping[str, float]
"""One number for all findings, or a number by finding."""

_Number = Annotated[
    float,
    BeforeValidator(lambda value: value.item() if isinstance(value, np.generic) else value),
    AfterValidator(lambda value: value + 0.0),  # -0.0 would be written differently from 0.0
    Field(strict=True, allow_inf_nan=False),
]
_Probability = Annotated[_Number, Field(ge=0, le=1)]
_PerFinding = Annotated[_Probability | Mapping[_Finding, _Probability], AfterValidator(_in_order)]


class _Parameters(BaseModel, frozen=True, extra="forbid"):
    """A frozen pydantic model whose errors read like those of the rest of the package."""

    def __init__(self, **parameters: Any):
        for name in parameters:
            require_choice("parameter", name, type(self).model_fields)
        try:
            super().__init__(**parameters)
        except ValidationError as error:
            # A value that matches no type of a union has an error for each: take the deepest one.
            deepest = max(error.errors(), key=lambda details: len(details["loc"]))
            if "error" in (context := deepest.get("ctx", {})):  # raised in this module, complete
                raise context["error"] from None
            name, *keys = (part for part in deepest["loc"] if "[" not in str(part))
            name = f"{name}{''.join(f'[{key!r}]' for key in keys)}"
            expected = deepest["msg"].removeprefix("Input should be ")
            expected = "a value" if deepest["type"] == "missing" else expected
            raise invalid_argument(name, expected, repr(deepest["input"])) from None


class Confounder(_Parameters, frozen=True):
    """A cue on the image that is associated with a finding.

    Args:
        cue: one of :data:`CUES`.
        finding: one of :data:`xraylab.findings.FINDINGS`.
        strength: probability, from 0 to 1, that the cue is present exactly if the finding is. On
            the other images the cue is sampled as without a confounder.

    Raises:
        ValueError: for any other value.
    """

    cue: Annotated[str, _choice("cue", CUES)]
    finding: _Finding
    strength: _Probability


class PhantomConfig(_Parameters, frozen=True):
    """Parameters of the simulator; by default, findings occur as in ChestMNIST and labels are true.

    Args:
        prevalence: None samples the findings jointly, as they occur in ChestMNIST. A number from 0
            to 1 is the prevalence of every finding; a mapping gives the prevalence of the findings
            it names and leaves ChestMNIST's for the others. Both sample findings independently.
        sensitivity: of the simulated report, the probability that a finding on the image is
            labelled: a number, or a mapping of the findings for which it is not 1.
        specificity: of the simulated report, the probability that a finding that is not on the
            image is not labelled: a number, or a mapping as above.
        severity: bounds, from 0 to 1, between which severities are uniformly distributed.
        exposure: from -1, underexposed (a bright image), to 1, overexposed (a dark image).
        projection: ``"PA"`` or ``"AP"`` for all images; ``"NIH"`` samples AP as often as NIH's
            images with the same findings are; None samples it independently of the findings.
        confounder: a :class:`Confounder`, or a mapping of its arguments; None for none.
        appearance: ``"physics"`` for the grey levels of an exposed X-ray; ``"randomised"`` for
            domain randomisation: contrasts of the tissues, histogram, blur, noise, boxes and
            inversion vary far beyond what is realistic, while anatomy and masks stay the same.

    Raises:
        ValueError: for an unknown parameter, an invalid value, or a contradiction.
    """

    prevalence: _PerFinding | None = None
    sensitivity: _PerFinding = 1.0
    specificity: _PerFinding = 1.0
    severity: Annotated[tuple[_Probability, _Probability], AfterValidator(_ordered)] = (0.0, 1.0)
    exposure: Annotated[_Number, Field(ge=-1, le=1)] = 0.0
    projection: Annotated[str, _choice("projection", PROJECTIONS)] | None = None
    confounder: Confounder | None = None
    appearance: Annotated[str, _choice("appearance", APPEARANCES)] = "physics"

    @model_validator(mode="after")
    def _one_source_of_projections(self):
        if self.projection is not None and self.confounder and self.confounder.cue == "projection":
            expected = "None where the confounder ties the projection to a finding"
            raise invalid_argument("projection", expected, repr(self.projection))
        return self

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters that differ from the defaults, as types that JSON has."""
        return self.model_dump(mode="json", exclude_defaults=True)


def per_finding(value: Rates, default: ArrayLike) -> np.ndarray:
    """Return one number per finding, (14,) float64.

    Args:
        value: a number, or a mapping from findings to numbers.
        default: a number or (14,), for the findings that a mapping does not name.
    """
    if not isinstance(value, Mapping):
        return np.full(len(FINDINGS), value, float)
    defaults = np.broadcast_to(default, len(FINDINGS))
    return np.array([value.get(name, x) for name, x in zip(FINDINGS, defaults, strict=True)], float)
