"""A quiz explains every choice, is operated by keyboard, and refuses questions that cannot be."""

import pytest

from xraylab import widgets

QUESTION = {
    "question": "What is `0.947`?",
    "choices": [
        {"text": "A <good> model", "why": "The empty answer reaches it."},
        {"text": "The floor", "right": True, "why": "Nothing is right that often."},
    ],
}


def test_every_choice_is_explained_and_nothing_is_raw():
    page = widgets.quiz([QUESTION])._repr_html_()
    assert "<code>0.947</code>" in page
    assert "A &lt;good&gt; model" in page
    assert page.count("<details>") == 2
    assert "✗ Not so.</strong> The empty" in page
    assert "✓ Right.</strong> Nothing" in page
    assert "<script" not in page
    assert "1. What" in widgets.quiz([QUESTION, QUESTION])._repr_html_()


@pytest.mark.parametrize(
    "questions",
    [
        [],
        [{"question": "x", "choices": []}],
        [{**QUESTION, "question": ""}],
        [{**QUESTION, "choices": QUESTION["choices"][:1]}],
        [{**QUESTION, "choices": [dict(c, right=True) for c in QUESTION["choices"]]}],
        [{**QUESTION, "choices": [{**c, "why": ""} for c in QUESTION["choices"]]}],
    ],
)
def test_questions_that_cannot_be_are_refused(questions):
    with pytest.raises(ValueError, match="questions:"):
        widgets.quiz(questions)


def test_the_keyboard_opens_a_choice(browse):
    browser = browse(widgets.quiz([QUESTION]))
    browser.press("Tab")
    browser.press("Enter")
    opened = "[...document.querySelectorAll('details')].map(d => d.open)"
    assert browser.run(opened) == [True, False]
    browser.press("Tab")
    browser.press("Space")
    assert browser.run(opened) == [True, True]
    assert browser.problems == []
