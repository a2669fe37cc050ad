"""A quiz that explains each choice, the wrong ones too; it runs without a script."""

import html
import re
from collections.abc import Mapping, Sequence

from xraylab.widgets.page import Html, widget


def quiz(questions: Sequence[Mapping], *, title: str = "Check yourself") -> Html:
    """Return questions whose choices open to say whether they are right, and why.

    Args:
        questions: each ``{"question": text, "choices": [choice, …]}``, a choice being
            ``{"text": text, "right": bool, "why": text}``; ``right`` may be left out where it is
            false. Text between single backquotes is set as code.
        title: heading of the quiz.

    Raises:
        ValueError: if there is no question, or a question has fewer than two choices, not exactly
            one right choice, or a choice that does not say why.
    """
    if not questions:
        raise ValueError("questions: expected at least one")
    parts = []
    for number, question in enumerate(questions, start=1):
        choices = question.get("choices", ())
        right = sum(bool(choice.get("right")) for choice in choices)
        if not question.get("question") or len(choices) < 2 or right != 1:
            raise ValueError(
                f"questions: number {number} needs a text, two choices or more and exactly one "
                f"right choice; it has {len(choices)} choices, {right} of them right"
            )
        for choice in choices:
            if not choice.get("text") or not choice.get("why"):
                raise ValueError(f"questions: a choice of number {number} lacks its text or why")
        asked = f"{number}. {_set(question['question'])}" if len(questions) > 1 else _set(
            question["question"]
        )  # fmt: skip
        parts.append(f'<p class="question"><strong>{asked}</strong></p>')
        parts += [_choice(choice) for choice in choices]
    return widget("quiz", title, "".join(parts))


def _choice(choice: Mapping) -> str:
    # <details> is a button to keyboard and screen reader alike, and needs no script.
    verdict = "✓ Right." if choice.get("right") else "✗ Not so."
    return (
        f"<details><summary>{_set(choice['text'])}</summary>"
        f"<p><strong>{verdict}</strong> {_set(choice['why'])}</p></details>"
    )


def _set(text: str) -> str:
    """Return text as HTML, with code between backquotes."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
