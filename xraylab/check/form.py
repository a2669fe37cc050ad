"""The form in which an exercise is answered on a rendered page, without Python."""

import base64
import html
import json
from dataclasses import dataclass, field
from pathlib import Path

from xraylab.check.grading import Exercise, Feedback
from xraylab.widgets.page import widget

_SCRIPT = Path(__file__).with_name("answer.js").read_text(encoding="utf-8")


@dataclass(frozen=True, repr=False)
class AnswerForm(Feedback):
    """Feedback on an exercise without an answer; a page shows a field for one instead.

    Attributes:
        exercise: an exercise whose answer is one number. The script on the page gives the feedback
            of :meth:`Exercise.check <xraylab.check.Exercise.check>`.
    """

    exercise: Exercise = field(kw_only=True)

    def _repr_html_(self) -> str:
        exercise = self.exercise
        values = {
            "expected": exercise.expected.item(),
            "tolerance": exercise.tolerance,
            "success": exercise.success,
            "mistakes": [[value.item(), hint] for value, hint in exercise.mistakes],
        }
        # In base64, so that reading the source of a page does not reveal the answer.
        encoded = base64.b64encode(json.dumps(values).encode()).decode()
        body = (
            f'<form data-exercise="{encoded}" onsubmit="{html.escape(_SCRIPT)}">'
            '<label>A number or arithmetic: <input autocomplete="off" size="16"></label> '
            '<button>Check</button><p><output aria-live="polite"></output></p></form>'
        )
        return widget("exercise", "Your answer", body).text
