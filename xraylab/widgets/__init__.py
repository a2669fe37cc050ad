"""Interactive figures, quizzes and code listings, with and without a running kernel.

Each widget is a self-contained piece of HTML that needs no network. Several can stand on one page;
each works by keyboard and with a screen reader, and adapts to a light or dark page.
"""

from xraylab.widgets.interactive import interactive, mode
from xraylab.widgets.page import Html
from xraylab.widgets.quizzes import quiz
from xraylab.widgets.scrubbers import scrubber
from xraylab.widgets.source import Listing, code

__all__ = ["Html", "Listing", "code", "interactive", "mode", "quiz", "scrubber"]
