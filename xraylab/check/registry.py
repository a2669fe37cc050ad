"""Find exercises by their names; each chapter's module is imported on demand."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

from xraylab.arguments import invalid_argument
from xraylab.check.grading import Exercise, Feedback

_PREFIX = "chapter_"


def exercises() -> tuple[str, ...]:
    """Return the names of all exercises, for example ``"01.all_negative"``, sorted."""
    return tuple(
        f"{chapter}.{name}" for chapter in sorted(_chapters()) for name in sorted(_load(chapter))
    )


def exercise(name: str, answer: Any) -> Feedback:
    """Return the feedback on an answer to an exercise.

    Args:
        name: chapter and name of the exercise, for example ``"01.all_negative"``.
        answer: a number or an array of numbers.

    Raises:
        ValueError: if there is no such exercise.
    """
    chapter, _, short = name.partition(".")
    known = _load(chapter) if chapter in _chapters() else {}
    if short not in known:
        raise invalid_argument("name", f"one of {', '.join(exercises())}", repr(name))
    found = known[short]
    return (found if isinstance(found, Exercise) else found()).check(answer)


def _chapters() -> set[str]:
    """Return the numbers of the chapters that have exercises."""
    package = importlib.import_module("xraylab.check")
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return {name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)}


def _load(chapter: str) -> dict[str, Exercise | Callable[[], Exercise]]:
    """Return the exercises of a chapter, and its public functions, which build exercises."""
    module = importlib.import_module(f"xraylab.check.{_PREFIX}{chapter}")
    return {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Exercise)
        or (inspect.isfunction(value) and value.__module__ == module.__name__)
    }
