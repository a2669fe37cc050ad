"""Collect the checked answers of a student, and grade those of a course."""

import inspect
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraylab.arguments import require
from xraylab.check.catalog import exercise, find_exercise
from xraylab.check.grading import CodeExercise, Feedback
from xraylab.io import read_json, to_plain, write_json

if TYPE_CHECKING:
    import pandas as pd


class Coursework:
    """The answers of one student to the exercises that a course assigns.

    Args:
        student: name or number of the student, which names the files: letters, digits, ``. _ -``.
        assigned: names of the exercises, such as ``["05.idle", "18.selection"]``.

    Raises:
        ValueError: if a name has other characters, or there is no such exercise.
    """

    def __init__(self, student: str, assigned: Sequence[str]):
        valid = re.fullmatch(r"[\w-][\w.-]*", student)
        require(valid, "student", "letters, digits and . _ -", repr(student))
        self.student = student
        self.feedback = {name: exercise(name, None) for name in assigned}
        self.answers: dict[str, Any] = {}

    def answer(self, name: str, value: Any) -> Feedback:
        """Check an answer, keep it instead of an earlier one, and return the feedback."""
        require(name in self.feedback, "name", f"one of {list(self.feedback)}", repr(name))
        self.answers[name] = value
        self.feedback[name] = exercise(name, value)
        return self.feedback[name]

    def report(self) -> str:
        """Return the results as Markdown: a table, and the code of answers that are functions."""
        solved = sum(map(bool, self.feedback.values()))
        lines = [f"# {self.student}: {solved} of {len(self.feedback)} solved", ""]
        lines += ["| exercise | solved | answer | feedback |", "|---|---|---|---|"]
        code = []
        for name, found in self.feedback.items():
            value = self.answers.get(name, "")
            if callable(value):
                code += ["", f"## {name}", "", "```python", _source(value), "```"]
                value = "see below"
            mark = "yes" if found else "no"
            lines.append(f"| {name} | {mark} | {_cell(value):.60} | {_cell(found.message)} |")
        return "\n".join(lines + code) + "\n"

    def save(self, folder: str | os.PathLike = ".") -> Path:
        """Write ``STUDENT.md``, the report, and ``STUDENT.json``, which :func:`grade` reads.

        Returns:
            The path of the report.
        """
        path = Path(folder) / f"{self.student}.md"
        path.write_text(self.report(), encoding="utf-8")
        answers = {
            name: _source(value) if callable(value) else np.asarray(value).tolist()
            for name, value in self.answers.items()
            if value is not ...
        }
        write_json(
            path.with_suffix(".json"), {"student": self.student, "answers": to_plain(answers)}
        )
        return path


def grade(folder: str | os.PathLike, assigned: Sequence[str]) -> "pd.DataFrame":
    """Check the answers that students saved, without running code of theirs.

    Args:
        folder: folder of the files that :meth:`Coursework.save` wrote.
        assigned: names of the exercises.

    Returns:
        A row per file, named by it, and a column per exercise: 1 if it is solved, 0 if not, and NaN
        where the answer is code, which is to be read in the report; ``solved`` is the sum of the
        others.
    """
    import pandas as pd  # most who import the checkers grade nobody

    rows = {}
    for path in sorted(Path(folder).glob("*.json")):
        sheet = read_json(path)
        answers = sheet["answers"]
        rows[path.stem] = {name: _mark(name, answers.get(name)) for name in assigned}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(assigned))
    return table.assign(solved=table.sum(axis=1))


def _mark(name: str, answer: Any) -> float:
    """Return 1 if a stored answer is correct, 0 if not, and NaN if it is code."""
    if answer and isinstance(find_exercise(name), CodeExercise):
        return np.nan
    return float(bool(exercise(name, answer)))


def _cell(value: Any) -> str:
    """Return the text of a value for a cell of a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|")


def _source(function: Any) -> str:
    """Return the source of a function, or its name where there is none."""
    try:
        return inspect.getsource(function).rstrip()
    except (OSError, TypeError):
        return f"# no source: {function!r}"
