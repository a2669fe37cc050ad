"""Results published by others, with citations, separate from what xraylab has measured."""

import json
from functools import cache
from importlib import resources

import pandas as pd
import pydantic

from xraylab.arguments import invalid_argument
from xraylab.results.writing import Table

HEADINGS = {
    "accuracy": "ACC",
    "macro_auc": "AUC",
    "micro_auc": "micro AUC",
    "f1": "F1",
    "loss": "loss",
}
"""Names of the scores in the publications; the MXA paper does not say which average its F1 is."""


class Published(pydantic.BaseModel, frozen=True):
    """One row of a published table.

    Attributes:
        model: xraylab's name of the model; ``…_kd`` for a student trained by distillation.
        size: image height and width in pixels.
        data: the data set.
        citation: bibliography key.
        location: table or slide in the source.
        scores: scores by xraylab's name of what was computed.
        parameters_millions, inference_seconds: as printed, or None.
    """

    model: str
    size: int
    data: str
    citation: str
    location: str
    scores: dict[str, float]
    parameters_millions: float | None
    inference_seconds: float | None


@cache
def _file():
    """Read the file of published figures."""
    return json.loads((resources.files("xraylab.results") / "published.json").read_text("utf-8"))


@cache
def published() -> tuple[Published, ...]:
    """Return all published results, in the order of their sources."""
    return tuple(Published(**row) for row in _file()["figures"])


def published_by_finding() -> pd.DataFrame:
    """Return the published AUC of each finding of CheXpert (rows) for each model (columns).

    Fracture is missing in the source.

    References: Table K.1 of Rand et al. 2025 (``rand2025``).
    """
    table = _file()["per_finding"]
    return pd.DataFrame.from_dict(table["auc"], orient="index", columns=table["models"])


def published_label_counts() -> pd.DataFrame:
    """Return how many of CheXpert's 187,641 studies have each label positive, and uncertain.

    The rows are :data:`xraylab.findings.CHEXPERT_FINDINGS`, the columns ``positive`` and
    ``uncertain``.

    References: Table 1 of Irvin et al. 2019 (``irvin2019``).
    """
    table = _file()["label_counts"]
    return pd.DataFrame.from_dict(table["counts"], orient="index", columns=table["columns"])


def published_table(data: str, size: int) -> Table:
    """Return a table of the published results on one data set at one image size.

    Args:
        data: name of the data set, as in :class:`Published`.
        size: image height and width in pixels.

    Raises:
        ValueError: if there are none.
    """
    rows = [row for row in published() if (row.data, row.size) == (data, size)]
    if not rows:
        known = sorted({(row.data, row.size) for row in published()})
        raise invalid_argument("data and size", f"one of {known}", f"{data!r} at {size} px")
    frame = pd.DataFrame(
        [
            {
                "model": row.model,
                **{HEADINGS[name]: f"{value:g}" for name, value in row.scores.items()},
                "parameters (M)": row.parameters_millions and f"{row.parameters_millions:g}",
                "inference (s)": row.inference_seconds and f"{row.inference_seconds:g}",
                "source": f"{row.citation}, {row.location}",
            }
            for row in rows
        ]
    ).dropna(axis=1, how="all")
    caption = f"PUBLISHED by others, not measured by xraylab: {data}, {size} px"
    if frame["source"].nunique() == 1:
        caption += f" ({frame.pop('source')[0]})"
    return Table(caption, frame.fillna("not given"))
