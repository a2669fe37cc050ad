"""Exercise checkers: whether an answer is correct, or which common mistake it matches; quizzes.

In a chapter::

    from xraylab import check

    check.exercise("01.all_negative", 0.95)
    check.quiz("01")

The exercises of chapter ``01`` are the :class:`Exercise` objects of the module
``xraylab.check.chapter_01``, and its quiz is the file ``quizzes/01.toml`` beside it.
"""

from xraylab.check.catalog import exercise, exercises, quiz
from xraylab.check.coursework import Coursework, grade
from xraylab.check.grading import CodeExercise, Exercise, Feedback

__all__ = [
    "CodeExercise",
    "Coursework",
    "Exercise",
    "Feedback",
    "exercise",
    "exercises",
    "grade",
    "quiz",
]
