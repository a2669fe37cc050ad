"""Answers of students: collected, reported, saved and graded without running their code."""

import numpy as np
import pytest

from xraylab import check

ASSIGNED = ["04.empty", "18.excess", "18.selection", "20.images"]


def chosen(val, test):
    """Return the test score at the best validation score."""
    return test[np.nanargmax(val)]


@pytest.fixture
def coursework():
    """Return coursework with a right number, a wrong one, right code, and nothing."""
    work = check.Coursework("s123", ASSIGNED)
    assert not work.answer("18.excess", 1.5)  # replaced by the next
    assert work.answer("18.excess", 0.75)
    assert not work.answer("20.images", 1)
    assert work.answer("18.selection", chosen)
    return work


def test_the_report_shows_answers_feedback_and_code(coursework):
    report = coursework.report()
    assert report.startswith("# s123: 2 of 4 solved")
    rows = dict(line[2:].split(" | ", 1) for line in report.splitlines() if line.startswith("| "))
    assert rows["18.excess"].startswith("yes | 0.75 |")
    assert rows["20.images"].startswith("no | 1 | 10 of 12")
    assert rows["04.empty"].startswith("no |  | No answer yet")
    assert "return test[np.nanargmax(val)]" in report


def test_saved_answers_are_graded_without_running_code(coursework, tmp_path):
    assert coursework.save(tmp_path) == tmp_path / "s123.md"
    other = check.Coursework("s456", ASSIGNED)
    other.answer("04.empty", np.float32(0.5))
    other.save(tmp_path)
    table = check.grade(tmp_path, ASSIGNED)
    assert list(table.index) == ["s123", "s456"]
    assert table.loc["s123", ["04.empty", "18.excess", "20.images"]].tolist() == [0, 1, 0]
    assert np.isnan(table.loc["s123", "18.selection"])
    assert table.loc["s456", "18.selection"] == 0
    assert table["solved"].tolist() == [1, 0]


def test_answers_with_bars_and_lines_do_not_break_the_table():
    work = check.Coursework("s", ["20.images"])
    work.answer("20.images", "a | b\n| c")
    assert "a \\| b \\| c" in work.report()
    row = work.report().splitlines()[-1].replace("\\|", "")
    assert row.count("|") == 5, "that of the feedback, too"


def test_a_placeholder_is_no_answer(coursework, tmp_path):
    work = check.Coursework("s", ["20.images"])
    work.answer("20.images", ...)
    work.save(tmp_path)
    assert check.grade(tmp_path, ["20.images"])["solved"].tolist() == [0]


def test_a_copied_file_is_a_row_of_its_own(coursework, tmp_path):
    coursework.save(tmp_path)
    name = f"{coursework.student}.json"
    (tmp_path / "copy.json").write_bytes((tmp_path / name).read_bytes())
    assert set(check.grade(tmp_path, ASSIGNED).index) == {coursework.student, "copy"}


@pytest.mark.parametrize("student", ["", "../x", "a b", ".hidden", "a/b"])
def test_a_student_names_a_file(student):
    with pytest.raises(ValueError, match="letters, digits"):
        check.Coursework(student, ASSIGNED)


def test_unknown_exercises_are_refused(coursework):
    with pytest.raises(ValueError, match="Expected: one of"):
        check.Coursework("s", ["99.nothing"])
    with pytest.raises(ValueError, match=r"04\.empty"):
        coursework.answer("04.pairs", 1)
