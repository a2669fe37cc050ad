"""The glossary: every linked term has an entry."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import sync

BOOK = sync.BOOK


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
