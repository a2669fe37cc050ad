"""Write the output-free twins that Colab and Kaggle open: ``book/chapters/NN_name.ipynb``.

    python tools/sync.py            # write the twins that are stale
    python tools/sync.py --check    # write nothing; exit 1 and name the stale ones

The source is the MyST notebook beside the twin. The twin's bytes depend on the source and on
``references.bib`` alone, and its text is plain Markdown: see :mod:`plain_markdown`.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import yaml
from bibliography import Bibliography
from plain_markdown import SyncError, plain

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

# Colab folds the input of a cell that asks for it in its own words.
_COLAB = {"hide-input": {"cellView": "form"}, "hide-cell": {"cellView": "form"}}


def notebook(source: Path, book: Path = BOOK) -> str:
    """Return the twin of a chapter as the text of an ``.ipynb`` file.

    Raises:
        SyncError: if the chapter holds something that has no plain form; it names file and line.
    """
    import jupytext

    text = source.read_text(encoding="utf-8")
    read = jupytext.reads(text, fmt="md:myst")
    if read.metadata.get("kernelspec", {}).get("name") != "python3":
        raise SyncError(f"{source}:1: the header needs a kernelspec with the name python3")
    bibliography = Bibliography(book / "references.bib")
    lines, after = text.splitlines(), 0
    cells = []
    for number, cell in enumerate(read.cells):
        after = _first_line(lines, cell.source, after)
        if cell.cell_type == "markdown":
            words = plain(cell.source, source, after + 1, bibliography, book)
            if not words.strip():
                continue
            made = {"cell_type": "markdown", "metadata": {}, "source": words}
        else:
            made = {
                "cell_type": "code",
                "execution_count": None,
                "metadata": _metadata(cell.metadata),
                "outputs": [],
                "source": cell.source,
            }
        made["id"] = hashlib.sha256(f"{number} {source.name}".encode()).hexdigest()[:8]
        made["source"] = made["source"].splitlines(keepends=True)
        cells.append(made)
    twin = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(twin, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _metadata(metadata) -> dict:
    """Return what a code cell keeps: its tags, and what they mean to Colab."""
    tags = list(metadata.get("tags", []))
    kept = {"tags": tags} if tags else {}
    for tag in tags:
        kept.update(_COLAB.get(tag, {}))
    return kept


def _first_line(lines: list[str], source: str, after: int) -> int:
    """Return where a cell begins in the source, for the messages; cells come in order."""
    begin = source.splitlines()[0] if source.strip() else None
    for number in range(after, len(lines)):
        if begin is not None and lines[number] == begin:
            return number
    return after


def chapters(book: Path = BOOK) -> list[Path]:
    """Return the chapters that are notebooks, in their order."""
    found = []
    for path in sorted((book / "chapters").glob("*.md")):
        head = re.match(r"---\n(.*?)\n---\n", path.read_text(encoding="utf-8"), re.S)
        if head and "kernelspec" in (yaml.safe_load(head[1]) or {}):
            found.append(path)
    return found


def stale(book: Path = BOOK) -> list[tuple[Path, str]]:
    """Return every twin that is missing or not what its chapter says, with its right text."""
    result = []
    for source in chapters(book):
        twin, text = source.with_suffix(".ipynb"), notebook(source, book)
        if not twin.exists() or twin.read_text(encoding="utf-8") != text:
            result.append((twin, text))
    return result


def orphans(book: Path = BOOK) -> list[Path]:
    """Return the twins whose chapter is gone."""
    sources = {source.with_suffix(".ipynb") for source in chapters(book)}
    return [t for t in sorted((book / "chapters").glob("*.ipynb")) if t not in sources]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    parser.add_argument("--book", type=Path, default=BOOK, help="folder of the book")
    options = parser.parse_args(arguments)
    try:
        late, left = stale(options.book), orphans(options.book)
    except SyncError as error:
        print(error, file=sys.stderr)
        return 1
    for twin, text in late:
        if options.check:
            print(f"{twin}: stale; run make sync", file=sys.stderr)
        else:
            twin.write_text(text, encoding="utf-8")
            print(f"wrote {twin}")
    for twin in left:
        print(f"{twin}: has no chapter beside it; delete it", file=sys.stderr)
    return int(bool(left or (late and options.check)))


if __name__ == "__main__":
    sys.exit(main())
