"""The appendices: messages, sizes, reading times and code are those of the book."""

import ast
import json
import re

import pandas as pd
import pytest
import reading_times
import sync

from xraylab import check
from xraylab.data import chestmnist
from xraylab.phantom import SPLIT_SIZES

BOOK = sync.BOOK
GUIDE = (BOOK / "appendix" / "instructors.md").read_text(encoding="utf-8")
SERVICES = (BOOK / "appendix" / "kaggle_and_colab.md").read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """Return the text between a heading and the next one."""
    return page.split(f"# {heading}\n")[1].split("\n#")[0]


def messages() -> list[str]:
    return re.findall(r"^`(.+)`\n: ", section(SERVICES, "Messages of xraylab"), re.M)


def literals() -> str:
    """Return all strings of the package, with \\0 where a value is inserted."""
    found = []
    for file in (BOOK.parent / "xraylab").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\0".join(found)


@pytest.fixture(scope="module")
def strings():
    return literals()


@pytest.mark.parametrize("message", messages())
def test_quoted_messages_are_those_of_the_package(message, strings):
    for part in re.split(r"…|\. |Expected: |Received: ", message):
        assert part.strip(" .") in strings, f"no message of xraylab contains {part!r}"


def test_there_are_quoted_messages():
    assert len(messages()) > 10


def test_sizes_of_unpacked_files():
    table = re.findall(r"^\| (\d+) px \| `(.+)` \| ([\d.]+) GB \|$", SERVICES, re.M)
    assert len(table) == len(chestmnist.RELEASES)
    for size, name, gigabytes in table:
        num_bytes = sum(SPLIT_SIZES.values()) * int(size) ** 2
        assert name == chestmnist.RELEASES[int(size)].name
        assert gigabytes == f"{num_bytes / 1e9:.2f}"


@pytest.mark.parametrize("plan", ["Twelve weeks", "Four weeks"])
def test_reading_times_are_those_of_the_chapters_in_the_row(plan):
    rows = re.findall(r"^\| \d+ \| (.+?) \| (.+?) min \|", section(GUIDE, plan), re.M)
    assert rows
    cards = reading_times.cards(BOOK / "chapters")
    for chapters, total in rows:
        names = [f"reading_{int(number):02}" for number in re.findall(r"\[(\d+)\]", chapters)]
        assert total == "{{ " + " + ".join(names) + " }}"
        assert all(cards[name.removeprefix("reading_")][0] > 0 for name in names)


def test_twelve_weeks_take_every_chapter_once():
    links = dict(re.findall(r"^\[(\d+)\]: \.\./chapters/(\w+)\.md$", GUIDE, re.M))
    taken = re.findall(r"\[(\d+)\]", section(GUIDE, "Twelve weeks"))
    chapters = [p.stem for p in sync.chapters() if p.parent.name == "chapters"]
    assert [links[number] for number in sorted(taken, key=int)] == chapters
    assert all(stem.startswith(f"{int(number):02}_") for number, stem in links.items())


def test_answers_are_collected(tmp_path, monkeypatch, capsys):
    show, hand_in, collect = re.findall(r"```python\n(.+?)```", GUIDE, re.S)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "submissions").mkdir()
    exec(show, {})
    exec(hand_in, {})
    (tmp_path / "s1234567.json").rename(tmp_path / "submissions" / "s1234567.json")
    answers = {"05.positions": [12.25], "05.idle": "many"}
    other = {"student": "s2", "answers": answers}
    (tmp_path / "submissions" / "s2.json").write_text(json.dumps(other))
    exec(collect, {})
    table = pd.read_csv("solved.csv", index_col=0)
    assert table["05.idle"].to_dict() == {"s1234567": True, "s2": False}
    assert table["05.positions"].to_dict() == {"s1234567": False, "s2": True}
    assert table["solved"].tolist() == [1, 1]
    assert not check.exercise("05.idle", 26_496)
    assert "Right" in capsys.readouterr().out


def test_linked_terms_are_in_the_glossary():
    text = (BOOK / "appendix" / "glossary.md").read_text(encoding="utf-8")
    entries = [e.lower() for e in re.findall(r"^(\S.*)\n  \S", text, re.M)]
    assert len(entries) == len(set(entries)) > 100
    for page in [*BOOK.rglob("*.md")]:
        if "_build" in page.parts:
            continue
        for role in re.findall(r"\{term\}`([^`]+)`", page.read_text(encoding="utf-8")):
            named = re.search(r"<([^>]+)>$", role)
            assert (named[1] if named else role).lower() in entries, f"{page.name}: {role}"
