"""Quizzes: explanation of every choice, keyboard operation, validation."""

import pytest

from xraylab import widgets

QUESTION = {
    "question": "What is `0.947`?",
    "choices": [
        {"text": "A <good> model", "why": "An all-negative prediction reaches it."},
        {"text": "The chance level", "right": True, "why": "Nothing is right that often."},
    ],
}


def test_every_choice_is_explained_and_text_is_escaped():
    page = widgets.quiz([QUESTION])._repr_html_()
    assert "<code>0.947</code>" in page
    assert "A &lt;good&gt; model" in page
    assert page.count("<details>") == 2
    assert "✗ Not so.</strong> An all-negative" in page
    assert "✓ Right.</strong> Nothing" in page
    assert "<script" not in page
    assert "1. What" in widgets.quiz([QUESTION, QUESTION])._repr_html_()


def test_choices_are_shuffled_the_same_way_on_every_run():
    names = [f"Choice {letter}" for letter in "ABCDEFGH"]
    choices = [{"text": name, "why": "Because.", "right": name[-1] == "A"} for name in names]
    page = widgets.quiz([{"question": "Which?", "choices": choices}])._repr_html_()
    order = sorted(names, key=page.index)
    assert order != names
    reverse = widgets.quiz([{"question": "Which?", "choices": choices[::-1]}])._repr_html_()
    assert sorted(names, key=reverse.index) == order


@pytest.mark.parametrize(
    "questions",
    [
        [],
        [{"question": "x", "choices": []}],
        [{**QUESTION, "choices": QUESTION["choices"][:1]}],
        [{**QUESTION, "choices": [dict(c, right=True) for c in QUESTION["choices"]]}],
    ],
)
def test_incomplete_questions_are_rejected(questions):
    with pytest.raises(ValueError, match="uestion"):
        widgets.quiz(questions)


def test_the_keyboard_opens_a_choice(browse):
    page = browse(widgets.quiz([QUESTION]))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    open_choices = "[...document.querySelectorAll('details')].map(d => d.open)"
    assert page.evaluate(open_choices) == [True, False]
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.evaluate(open_choices) == [True, True]
    assert page.problems == []
