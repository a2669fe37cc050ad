"""Sphinx extension: the reading times on the chapters' cards as MyST substitutions.

``{{ reading_05 + reading_06 }}`` on a page is the sum of the minutes on the cards of two chapters.
"""

import re
from pathlib import Path


def setup(app):
    app.connect("config-inited", add_substitutions)
    return {"parallel_read_safe": True}


def add_substitutions(app, config):
    """Add the minutes to the substitutions of MyST."""
    minutes = reading_minutes(Path(app.srcdir) / "chapters")
    config.myst_substitutions = {**config.myst_substitutions, **minutes}


def reading_minutes(chapters: Path) -> dict[str, int]:
    """Return the minutes by name, such as ``reading_05``, of the chapters in a folder."""
    found = {}
    for path in sorted(chapters.glob("*.md")):
        card = re.search(r"\*\*Reading\*\* (\d+) minutes", path.read_text(encoding="utf-8"))
        if card:
            found[f"reading_{path.stem[:2]}"] = int(card[1])
    return found
