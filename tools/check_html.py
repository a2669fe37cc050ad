"""Check the rendered book: alternative texts, external resources, dead links, errors, page size.

Part of ``make book`` (``build_book.py``).
"""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LIMIT_BYTES = 1_500_000
"""Largest size of a page with its pictures, without what all pages share: ``_static``, search."""

_GENERATED = ("genindex.html", "search.html", "py-modindex.html")
_RESOURCES = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "img": "src",
    "object": "data",
    "script": "src",
    "source": "src",
    "track": "src",
    "video": "src",
}
_EXTERNAL = re.compile(r"^\s*(https?:)?//", re.I)
_FILE_NAME = re.compile(r"\.(png|jpe?g|svg|webp|gif)$|/", re.I)
_PLACEHOLDERS = {"image", "figure", "plot", "picture", "output", "png", "todo", "alt"}


class Page(HTMLParser):
    """The links, resources and problems of one page."""

    def __init__(self, file: Path):
        super().__init__(convert_charrefs=True)
        self.file = file
        self.ids, self.links, self.local, self.problems = set(), [], set(), []
        self._inside = ""
        self.feed(file.read_text(encoding="utf-8"))

    def report(self, message: str):
        """Record a problem with its line."""
        self.problems.append(f"{self.file}:{self.getpos()[0]}: {message}")

    def handle_starttag(self, tag, attributes):
        """Check what an element displays, loads and links to."""
        attributes = {name: value or "" for name, value in attributes}
        self._inside = tag
        self.ids.update(attributes[name] for name in ("id", "name") if attributes.get(name))
        if tag == "img":
            self._check_text("picture", attributes, "alt", attributes.get("src", "")[:60])
        if tag == "svg" and attributes.get("role") == "img":
            self._check_text("drawing", attributes, "aria-label", "")
        address = attributes.get(_RESOURCES.get(tag, ""), "")
        if tag == "link" and not {"canonical", "next", "prev", "search", "index"} & set(
            attributes.get("rel", "").split()
        ):
            address = attributes.get("href", "")
        if _EXTERNAL.match(address):
            self.report(f"<{tag}> loads the external {address}")
        elif address and not address.startswith("data:"):
            self.local.add(address)
        if tag == "a" and attributes.get("href"):
            self.links.append((self.getpos()[0], attributes["href"]))
        classes = attributes.get("class", "").split()
        if "stderr" in classes:
            self.report("a cell wrote to its error stream")
        if "problematic" in classes or "system-message" in classes:
            self.report("an unknown directive or role")

    def _check_text(self, what, attributes, name, source):
        text = " ".join(attributes.get(name, "").split())
        if (
            not text
            or text.lower() in _PLACEHOLDERS
            or (_FILE_NAME.search(text) and " " not in text)
        ):
            self.report(f"{what} {source} has no alternative text, but {text!r}")

    def handle_data(self, data):
        """Check text, scripts and styles."""
        if "Traceback (most recent call last)" in data:
            self.report("a traceback")
        if self._inside == "script":
            for address in re.findall(r"https?://[^\"'\s]+?\.(?:m?js|css|woff2?)\b", data):
                self.report(f"a script loads the external {address}")
        if self._inside == "style":
            for address in _external_in_css(data):
                self.report(f"a style loads the external {address}")

    def handle_endtag(self, tag):
        """Leave a script or style."""
        self._inside = ""


def _external_in_css(text: str) -> list[str]:
    return re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", text)


def _is_shared(file: Path) -> bool:
    return "_static" in file.parts or file.name == "searchindex.js"


def check(folder: Path) -> tuple[list[str], dict[str, int]]:
    """Return the problems of a rendered book and the size of each page in bytes."""
    folder = folder.resolve()
    files = [f for f in sorted(folder.rglob("*.html")) if "_static" not in f.parts]
    pages = {file: Page(file) for file in files}
    problems, sizes = [], {}
    for file, page in pages.items():
        problems += page.problems
        if file.name in _GENERATED:
            continue
        problems += _dead_links(page, pages, folder)
        own = [_target(file, address, folder) for address in page.local]
        size = file.stat().st_size
        size += sum(f.stat().st_size for f in own if f.is_file() and not _is_shared(f))
        sizes[file.relative_to(folder).as_posix()] = size
        if size > LIMIT_BYTES:
            problems.append(f"{file}: {size:,} bytes, more than {LIMIT_BYTES:,}")
        problems += [f"{file}: loads {f}, which does not exist" for f in own if not f.exists()]
    for sheet in sorted(folder.rglob("*.css")):
        for address in _external_in_css(sheet.read_text(encoding="utf-8", errors="replace")):
            problems.append(f"{sheet}: loads the external {address}")
    if not pages:
        problems.append(f"{folder}: no pages")
    return problems, sizes


def _target(file: Path, address: str, folder: Path) -> Path:
    path = unquote(urlsplit(address).path)
    return (folder / path.lstrip("/") if path.startswith("/") else file.parent / path).resolve()


def _dead_links(page: Page, pages: dict[Path, Page], folder: Path) -> list[str]:
    """Return the links of a page to missing pages or anchors."""
    dead = []
    for line, address in page.links:
        parts = urlsplit(address)
        if parts.scheme or address.startswith("//") or address == "#":
            continue
        file = _target(page.file, address, folder) if parts.path else page.file
        if not file.exists():
            dead.append(f"{page.file}:{line}: link to {address}: no such file")
        elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].ids:
            dead.append(f"{page.file}:{line}: link to {address}: no such anchor")
    return dead
