"""Exercises answered on a rendered page get the feedback of the Python checker."""

import numpy as np

from xraylab import check
from xraylab.check.catalog import find_exercise

NUMBERS = [name for name in check.exercises() if type(find_exercise(name)) is check.Exercise]

ANSWER = """
([number, texts]) => {
  const form = document.forms[number];
  return texts.map(text => {
    form.elements[0].value = text;
    form.requestSubmit();
    return form.querySelector('output').textContent;
  });
}
"""


def spoken(feedback):
    """Return what a form says, from the feedback of Python."""
    return f"{'✓ Right.' if feedback else '✗ Not yet.'} {feedback.message}".strip()


def test_forms_give_the_feedback_of_the_checkers(browse, static):
    page = browse(*(check.exercise(name, None) for name in NUMBERS))
    for number, name in enumerate(NUMBERS):
        exercise = find_exercise(name)
        expected = exercise.expected.item()
        answers = [expected, *(value.item() for value, _ in exercise.mistakes)]
        answers += [100 * expected, 1e9 * expected + 1, expected - 123_456.7, 1.03 * expected, 1e-7]
        found = page.evaluate(ANSWER, [number, [repr(value) for value in answers]])
        assert found == [spoken(exercise.check(value)) for value in answers], name
    assert not page.problems
    assert not page.requests[1:]


def test_a_form_reads_numbers_and_arithmetic(browse, static):
    values = {"26,560": 26_560, " 26_496 + 64 ": 26_560, "2*(10**3)/4": 500, "-.5e1": -5}
    values["1/0"] = np.inf
    others = ["3e", "0,875", "010", "", "alert(1)"]
    page = browse(check.exercise("05.idle", None))
    found = page.evaluate(ANSWER, [0, [*values, *others]])
    assert found[:5] == [spoken(check.exercise("05.idle", value)) for value in values.values()]
    assert set(found[5:]) == {"… Expected: a number, or arithmetic such as 3*(1-0.2)/4."}


def test_the_form_has_a_label_and_hides_the_answer(static):
    page = check.exercise("05.idle", None)._repr_html_()
    assert "<label>" in page
    assert "26560" not in page
    assert "One parameter" not in page
    assert "No answer yet" in repr(check.exercise("05.idle", None))


def test_there_is_no_form_for_answers_code_and_notebooks(static, monkeypatch):
    assert not hasattr(check.exercise("05.idle", 1), "_repr_html_")
    assert not hasattr(check.exercise("05.batch_norm", None), "_repr_html_")
    monkeypatch.delenv("XRAYLAB_WIDGETS")
    assert not hasattr(check.exercise("05.idle", None), "_repr_html_")
