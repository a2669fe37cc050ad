"""Sphinx extension: the times on the chapters' cards as MyST substitutions.

``{{ reading_05 + reading_06 }}`` on a page is the sum of the minutes on the cards of two chapters,
``{{ card_05 }}`` a line with the times to read and to run a chapter.
"""

import re
from pathlib import Path

RUNNING = {"under a minute": 60, "up to two minutes": 120}
"""The longest run of a chapter on two CPU cores, in seconds, by the words on its card."""


def setup(app):
    app.connect("config-inited", add_substitutions)
    return {"parallel_read_safe": True}


def add_substitutions(app, config):
    """Add the times to the substitutions of MyST."""
    found = {}
    for number, (minutes, running) in cards(Path(app.srcdir) / "chapters").items():
        found[f"reading_{number}"] = minutes
        found[f"card_{number}"] = f"{minutes} minutes to read, {running} to run"
    config.myst_substitutions = {**config.myst_substitutions, **found}


def cards(chapters: Path) -> dict[str, tuple[int, str]]:
    """Return reading time in minutes and words for the run time, by number of the chapter."""
    found = {}
    for path in sorted(chapters.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        card = re.search(r"\*\*Reading\*\* (\d+) minutes · \*\*running\*\* ([a-z ]+?) on two", text)
        if card:
            found[path.stem[:2]] = int(card[1]), card[2]
    return found
