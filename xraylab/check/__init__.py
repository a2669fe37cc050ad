"""Exercise checkers: whether an answer is correct, or which common mistake it matches.

In a chapter::

    from xraylab import check

    check.exercise("01.all_negative", 0.95)

The exercises of chapter ``01`` are the :class:`Exercise` objects of the module
``xraylab.check.chapter_01``.
"""

from xraylab.check.catalog import exercise, exercises
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
]
