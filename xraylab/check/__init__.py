"""Exercise checkers: they say in plain words what is right, or which mistake an answer matches.

In a chapter::

    from xraylab import check

    check.exercise("01.all_negative", 0.95)

An exercise of chapter ``01`` lives in :mod:`xraylab.check.chapter_01`, in a dictionary
``EXERCISES`` from its name to a function of the answer that returns a :class:`Verdict`.
"""

from xraylab.check.answers import Verdict, array, number
from xraylab.check.registry import exercise, exercises

__all__ = ["Verdict", "array", "exercise", "exercises", "number"]
