"""Exercise checkers: whether an answer is correct, or which common mistake it matches.

In a chapter::

    from xraylab import check

    check.exercise("01.all_negative", 0.95)

The exercises of chapter ``01`` are the :class:`Exercise` objects of the module
``xraylab.check.chapter_01``.
"""

from xraylab.check.grading import Exercise, Feedback
from xraylab.check.registry import exercise, exercises

__all__ = ["Exercise", "Feedback", "exercise", "exercises"]
