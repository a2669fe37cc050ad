"""Probes to turn, questions to answer and code to read, with and without a kernel.

Everything here is one piece of HTML that needs no network: several stand on one page, each is
operated by keyboard, is read out by a screen reader and takes on the light or dark of its page.
"""

from xraylab.widgets.probes import mode, probe
from xraylab.widgets.quizzes import quiz
from xraylab.widgets.scrubbers import scrubber
from xraylab.widgets.source import code

__all__ = ["code", "mode", "probe", "quiz", "scrubber"]
