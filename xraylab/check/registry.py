"""The exercises by their names, loaded chapter by chapter."""

import importlib
import pkgutil
from collections.abc import Callable

from xraylab.check.answers import Verdict

_PREFIX = "chapter_"


def exercises() -> tuple[str, ...]:
    """Return the names of all exercises, as ``"01.all_negative"``, sorted."""
    return tuple(
        f"{chapter}.{name}" for chapter in sorted(_chapters()) for name in sorted(_load(chapter))
    )


def exercise(name: str, *answer) -> Verdict:
    """Return the verdict on the answer to an exercise.

    Args:
        name: chapter and name, as ``"01.all_negative"``.
        answer: what the exercise asks for; some ask for more than one thing.

    Raises:
        ValueError: if there is no such exercise.
    """
    chapter, _, short = name.partition(".")
    known = _load(chapter) if chapter in _chapters() else {}
    if short not in known:
        raise ValueError(f"name: no exercise {name!r}; there are {', '.join(exercises())}")
    return known[short](*answer)


def _chapters() -> set[str]:
    """Return the numbers of the chapters that have exercises."""
    package = importlib.import_module("xraylab.check")
    names = (module.name for module in pkgutil.iter_modules(package.__path__))
    return {name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)}


def _load(chapter: str) -> dict[str, Callable[..., Verdict]]:
    return importlib.import_module(f"xraylab.check.{_PREFIX}{chapter}").EXERCISES
