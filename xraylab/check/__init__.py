"""Exercise checkers: whether an answer is correct, or which common mistake it matches.

In a chapter::

    from xraylab import check

    check.exercise("01.all_negative", 0.95)

The exercises of chapter ``01`` are the :class:`Exercise` objects of the module
``xraylab.check.chapter_01``.
"""

import functools
import importlib
import pkgutil
from typing import Any

from xraylab.arguments import require_choice
from xraylab.check.grading import CodeExercise, Exercise, Feedback

__all__ = ["CodeExercise", "Exercise", "Feedback", "exercise", "exercises"]


def exercises() -> tuple[str, ...]:
    """Return the names of all exercises, for example ``"01.all_negative"``, sorted."""
    return tuple(sorted(_find_exercises()))


def exercise(name: str, answer: Any) -> Feedback:
    """Return the feedback on an answer to an exercise.

    Args:
        name: chapter and name of the exercise, for example ``"01.all_negative"``.
        answer: a number, an array of numbers, or a function if the exercise asks for code.

    Raises:
        ValueError: if there is no such exercise.
    """
    return _find_exercises()[require_choice("name", name, exercises())].check(answer)


@functools.cache
def _find_exercises() -> dict[str, Exercise]:
    """Import the modules of all chapters and collect their exercises by name."""
    found = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        chapter = module.name.removeprefix(f"{__name__}.chapter_")
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Exercise):
                found[f"{chapter}.{name}"] = value
    return found
