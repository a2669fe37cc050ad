"""Multiple-choice quizzes that explain every choice; they need no script."""

import hashlib
import html
import re
from collections.abc import Mapping, Sequence

from xraylab.arguments import require
from xraylab.widgets.page import Html, widget


def quiz(questions: Sequence[Mapping], *, title: str = "Check yourself") -> Html:
    """Render questions whose choices unfold to an explanation.

    The choices of a question appear in a shuffled order, the same on every run, so that the
    position of the right one reveals nothing.

    Args:
        questions: each ``{"question": text, "choices": [choice, …]}`` with choices
            ``{"text": text, "why": text, "right": bool}``; ``right`` defaults to False. Text
            between single backquotes is set as code.
        title: heading of the quiz.

    Raises:
        ValueError: if there is no question, or a question lacks two choices or exactly one right
            choice.
    """
    require(questions, "questions", "at least one", "none")
    parts = []
    for number, question in enumerate(questions, start=1):
        choices = question.get("choices", ())
        right = sum(bool(choice.get("right")) for choice in choices)
        name, received = f"questions[{number - 1}]", f"{len(choices)} choices, {right} right"
        require(len(choices) > 1 and right == 1, name, "two or more choices, one right", received)
        prefix = f"{number}. " if len(questions) > 1 else ""
        text = prefix + _markup(question["question"])
        parts.append(f'<p class="question"><strong>{text}</strong></p>')
        parts += [_choice(choice) for choice in sorted(choices, key=_order)]
    return widget("quiz", title, "".join(parts))


def _order(choice: Mapping) -> bytes:
    """Return a sort key of a choice that has nothing to do with its meaning."""
    return hashlib.sha256(choice["text"].encode()).digest()


def _choice(choice: Mapping) -> str:
    # <details> works with keyboard and screen reader and needs no script.
    outcome = "✓ Right." if choice.get("right") else "✗ Not so."
    return (
        f"<details><summary>{_markup(choice['text'])}</summary>"
        f"<p><strong>{outcome}</strong> {_markup(choice['why'])}</p></details>"
    )


def _markup(text: str) -> str:
    """Convert text with backquoted code to HTML."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
