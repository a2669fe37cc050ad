"""Find the exercises of all chapters by name."""

import functools
import importlib
import pkgutil
from pathlib import Path
from typing import Any

from xraylab.arguments import require_choice
from xraylab.check.grading import Exercise, Feedback


def exercises() -> tuple[str, ...]:
    """Return the names of all exercises, for example ``"01.all_negative"``, sorted."""
    return tuple(sorted(find_exercises()))


def exercise(name: str, answer: Any) -> Feedback:
    """Return the feedback on an answer to an exercise.

    Args:
        name: chapter and name of the exercise, for example ``"01.all_negative"``.
        answer: a number, an array of numbers, or a function if the exercise asks for code.

    Raises:
        ValueError: if there is no such exercise.
    """
    return find_exercises()[require_choice("name", name, exercises())].check(answer)


@functools.cache
def find_exercises() -> dict[str, Exercise]:
    """Import the modules of all chapters and collect their exercises by name."""
    found = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)], "xraylab.check."):
        chapter = module.name.removeprefix("xraylab.check.chapter_")
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Exercise):
                found[f"{chapter}.{name}"] = value
    return found
