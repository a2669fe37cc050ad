"""The store of results: one file for each recorded run, which nobody can fill in by typing.

A record is made from a finished run by :func:`record`. It holds the recipe, the fingerprints of the
images, the environment, the scores with their intervals and the hash of the weights, and its own
hash over all of that. Whoever loads it has its predictions scored again: what disagrees is refused
by name. :func:`check_results` does the same with intervals, calibration and thresholds.

Scores on simulated images say so in the record, and tables of records put it into their captions.
Published figures never come from here: see :func:`published`.
"""

from xraylab.results.comparison import Comparison, compare_results, differences
from xraylab.results.errors import ResultError
from xraylab.results.literature import Published, published, published_table
from xraylab.results.predictions import Answers
from xraylab.results.record import record
from xraylab.results.store import Result, check_results, load_result, load_results
from xraylab.results.tables import COLUMNS, NOT_RUN, Spread, by_size, seed_spread, table
from xraylab.results.writing import Table, to_csv, to_html, to_latex, to_markdown

__all__ = [
    "COLUMNS",
    "NOT_RUN",
    "Answers",
    "Comparison",
    "Published",
    "Result",
    "ResultError",
    "Spread",
    "Table",
    "by_size",
    "check_results",
    "compare_results",
    "differences",
    "load_result",
    "load_results",
    "published",
    "published_table",
    "record",
    "seed_spread",
    "table",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
]
