"""Find the exercises and quizzes of all chapters by name."""

import functools
import importlib
import os
import pkgutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xraylab.arguments import require_choice
from xraylab.check.grading import Exercise, Feedback

if TYPE_CHECKING:
    from xraylab.widgets.page import Html

_QUIZZES = Path(__file__).with_name("quizzes")


def exercises() -> tuple[str, ...]:
    """Return the names of all exercises, for example ``"01.all_negative"``, sorted."""
    return tuple(sorted(name for chapter in _modules() for name in find_exercises(chapter)))


def exercise(name: str, answer: Any) -> Feedback:
    """Return the feedback on an answer to an exercise.

    Args:
        name: chapter and name of the exercise, for example ``"01.all_negative"``.
        answer: a number, an array of numbers, or a function if the exercise asks for code. Where
            the book is rendered, None shows a field for a number.

    Raises:
        ValueError: if there is no such exercise.
    """
    found = find_exercise(name)
    feedback = found.check(answer)
    asks_number = type(found) is Exercise and found.expected.ndim == 0
    if feedback.attempted or not asks_number or os.environ.get("XRAYLAB_WIDGETS") != "static":
        return feedback
    from xraylab.check.form import AnswerForm  # imports Matplotlib

    return AnswerForm(False, feedback.message, attempted=False, exercise=found)


def quiz(chapter: str) -> "Html":
    """Render the multiple-choice quiz of a chapter.

    The questions are in a file of the package: a notebook that listed them would show the answers.

    Args:
        chapter: number of the chapter, for example ``"01"``.

    Raises:
        ValueError: if there is no quiz of this chapter.
    """
    require_choice("chapter", chapter, tuple(sorted(path.stem for path in _QUIZZES.iterdir())))
    from xraylab import widgets  # imports Matplotlib

    text = (_QUIZZES / f"{chapter}.toml").read_text(encoding="utf-8")
    return widgets.quiz(tomllib.loads(text)["questions"])


def find_exercise(name: str) -> Exercise:
    """Return an exercise by name; raise a ValueError if there is none."""
    chapter = f"chapter_{name.partition('.')[0]}"
    known = find_exercises(chapter) if chapter in _modules() else {}
    if name not in known:
        require_choice("name", name, exercises())
    return known[name]


@functools.cache
def find_exercises(chapter: str) -> dict[str, Exercise]:
    """Import the module of a chapter, such as ``"chapter_01"``; return its exercises by name.

    Others are not imported, because some start Keras, which takes seconds.
    """
    module = importlib.import_module(f"xraylab.check.{chapter}")
    number = chapter.removeprefix("chapter_")
    found = vars(module).items()
    return {f"{number}.{name}": value for name, value in found if isinstance(value, Exercise)}


def _modules() -> list[str]:
    """Return the names of the modules of exercises."""
    found = (module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    return [name for name in found if name.startswith("chapter_")]
