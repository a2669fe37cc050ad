"""Recorded runs: one JSON file each, with recipe, images, environment, scores and provenance.

:func:`record` makes a record from a finished run. Loading a record recomputes its scores from the
stored predictions; :func:`check` recomputes intervals, calibration and operating points as well.
Records of simulated images say so, as do the captions of their tables. Published results of others
are separate: see :func:`published`.
"""

from xraylab.results.comparison import Comparison, compare, differences
from xraylab.results.literature import (
    Published,
    published,
    published_by_finding,
    published_label_counts,
    published_table,
)
from xraylab.results.matrix import matrix
from xraylab.results.predictions import Predictions
from xraylab.results.record import record
from xraylab.results.schema import Result, ResultError
from xraylab.results.store import check, load_result, load_results
from xraylab.results.tables import COLUMNS, Spread, by_size, group_by_images, seed_spread, table
from xraylab.results.writing import Table

__all__ = [
    "COLUMNS",
    "Comparison",
    "Predictions",
    "Published",
    "Result",
    "ResultError",
    "Spread",
    "Table",
    "by_size",
    "check",
    "compare",
    "differences",
    "group_by_images",
    "load_result",
    "load_results",
    "matrix",
    "published",
    "published_by_finding",
    "published_label_counts",
    "published_table",
    "record",
    "seed_spread",
    "table",
]
