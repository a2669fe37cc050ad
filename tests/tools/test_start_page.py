"""The start page: its picture, and the sentence on the results."""

import re
from types import SimpleNamespace

import reading_times
import start_page
import sync

from xraylab import results

PAGE = (start_page.ROOT / "book" / "index.md").read_text(encoding="utf-8")


def test_every_number_on_the_page_is_computed():
    config = SimpleNamespace(myst_substitutions={"other": 1})
    start_page.add_substitutions(None, config)
    names = re.findall(r"{{ (start_\w+) }}", PAGE)
    assert len(names) == 7
    assert set(names) < config.myst_substitutions.keys()
    assert config.myst_substitutions["other"] == 1


def test_every_chapter_has_a_card_with_its_times():
    cards = reading_times.cards(start_page.ROOT / "book" / "chapters")
    assert len(cards) == len([p for p in sync.chapters() if p.parent.name == "chapters"])
    assert {f"card_{number}" for number in cards} == set(re.findall(r"{{ (card_\d+) }}", PAGE))
    assert {running for _, running in cards.values()} <= reading_times.RUNNING.keys()


def test_conclusions_of_the_sentence():
    found = {name: float(v.replace(",", "")) for name, v in start_page.numbers().items()}
    assert 0.5 < found["low"] < found["high"] < 0.8
    spread = found["high"] - found["low"]
    assert 2 * found["half"] > spread, "single runs do not establish which one is best"
    assert 0 < found["seeds"] < spread
    real = [r for r in results.load_results(start_page.ROOT / "book/results") if not r.simulated]
    same = [r for r in real if r.data["train"].num_images == found["train"]]
    assert {r.data["test"].num_images for r in same} == {found["test"]}


def test_picture_is_small_and_needs_no_script():
    html = start_page.PICTURE.read_text(encoding="utf-8")
    assert len(html) < 200_000
    assert html.count('class="frame"') == len(start_page.SHOWN)
    assert "<script" not in html and "Pause" in html
    assert not re.search(r"https?:", html)
    assert "prefers-reduced-motion" in html
    assert 'aria-label="One simulated patient' in html
