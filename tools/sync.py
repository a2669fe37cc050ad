"""Write the notebook copies of the book's pages with code, for Colab and Kaggle.

::

    python tools/sync.py            # write the copies that are out of date
    python tools/sync.py --check    # write nothing; exit 1 and name the copies out of date

A copy has no outputs and plain Markdown (see :mod:`plain_markdown`). It depends on the MyST source
beside it and on ``references.bib`` only.
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

# The metadata with which Colab hides the input of a cell.
_COLAB = {"hide-input": {"cellView": "form"}, "hide-cell": {"cellView": "form"}}


def notebook(source: Path, book: Path = BOOK) -> str:
    """Convert a chapter to the text of an ``.ipynb`` file.

    Raises:
        SyncError: if the chapter contains an unsupported directive or role; it names file and line.
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
            markdown = plain(cell.source, source, after + 1, bibliography, book)
            if not markdown.strip():
                continue
            entry = {"cell_type": "markdown", "metadata": {}, "source": markdown}
        else:
            entry = {
                "cell_type": "code",
                "execution_count": None,
                "metadata": _metadata(cell.metadata),
                "outputs": [],
                "source": cell.source,
            }
        entry["id"] = hashlib.sha256(f"{number} {source.name}".encode()).hexdigest()[:8]
        entry["source"] = entry["source"].splitlines(keepends=True)
        cells.append(entry)
    content = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _metadata(metadata) -> dict:
    """Return the tags of a code cell and their equivalent for Colab."""
    tags = list(metadata.get("tags", []))
    result = {"tags": tags} if tags else {}
    for tag in tags:
        result.update(_COLAB.get(tag, {}))
    return result


def _first_line(lines: list[str], source: str, after: int) -> int:
    """Return the index of the source line where a cell begins, searching from ``after``."""
    begin = source.splitlines()[0] if source.strip() else None
    for number in range(after, len(lines)):
        if begin is not None and lines[number] == begin:
            return number
    return after


def chapters(book: Path = BOOK) -> list[Path]:
    """Return the chapters and appendices that are notebooks, in order."""
    found = []
    for path in _pages(book, ".md"):
        head = re.match(r"---\n(.*?)\n---\n", path.read_text(encoding="utf-8"), re.S)
        if head and "kernelspec" in (yaml.safe_load(head[1]) or {}):
            found.append(path)
    return found


def stale(book: Path = BOOK) -> list[tuple[Path, str]]:
    """Return every copy that is missing or out of date, with its new text."""
    result = []
    for source in chapters(book):
        copy, text = source.with_suffix(".ipynb"), notebook(source, book)
        if not copy.exists() or copy.read_text(encoding="utf-8") != text:
            result.append((copy, text))
    return result


def orphans(book: Path = BOOK) -> list[Path]:
    """Return the copies without a chapter."""
    sources = {source.with_suffix(".ipynb") for source in chapters(book)}
    return [path for path in _pages(book, ".ipynb") if path not in sources]


def _pages(book: Path, suffix: str) -> list[Path]:
    """Return the files of chapters and appendices with a suffix, in order."""
    folders = ("chapters", "appendix")
    return [path for name in folders for path in sorted((book / name).glob(f"*{suffix}"))]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a copy is out of date"
    )
    parser.add_argument("--book", type=Path, default=BOOK, help="folder of the book")
    options = parser.parse_args(arguments)
    try:
        outdated, left = stale(options.book), orphans(options.book)
    except SyncError as error:
        print(error, file=sys.stderr)
        return 1
    for copy, text in outdated:
        if options.check:
            print(f"{copy} is out of date; run make sync", file=sys.stderr)
        else:
            copy.write_text(text, encoding="utf-8")
            print(f"wrote {copy}")
    for copy in left:
        print(f"{copy} has no chapter; delete it", file=sys.stderr)
    return int(bool(left or (outdated and options.check)))


if __name__ == "__main__":
    sys.exit(main())
