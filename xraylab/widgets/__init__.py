"""Interactive figures, quizzes and code listings, with and without a running kernel.

Each widget is a self-contained piece of HTML that needs no network. A page may have any number of
them. They work by keyboard and with a screen reader, and adapt to a light or dark page.
"""

from xraylab.widgets.page import Html
from xraylab.widgets.quizzes import quiz
from xraylab.widgets.sliders import interactive, mode, scrubber
from xraylab.widgets.source import Listing, code

__all__ = ["Html", "Listing", "code", "interactive", "mode", "quiz", "scrubber"]
