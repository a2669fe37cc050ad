"""Check the rendered book: texts of pictures, foreign addresses, dead links, errors, weight.

python tools/check_html.py book/_build/html
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LIMIT_BYTES = 1_500_000
"""What a page may weigh with its pictures; what all pages share (``_static``) is not counted."""

_MADE_BY_SPHINX = ("genindex.html", "search.html", "py-modindex.html")
_LOADED = {
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
_FOREIGN = re.compile(r"^\s*(https?:)?//", re.I)
_FILE_NAME = re.compile(r"\.(png|jpe?g|svg|webp|gif)$|/", re.I)
_EMPTY_WORDS = {"image", "figure", "plot", "picture", "output", "png", "todo", "alt"}


class Page(HTMLParser):
    """What one page holds that has to be checked."""

    def __init__(self, file: Path):
        super().__init__(convert_charrefs=True)
        self.file = file
        self.ids, self.links, self.local, self.problems = set(), [], set(), []
        self._inside = ""
        self.feed(file.read_text(encoding="utf-8"))

    def trouble(self, message: str):
        """Note a problem with its place."""
        self.problems.append(f"{self.file}:{self.getpos()[0]}: {message}")

    def handle_starttag(self, tag, attributes):
        """Look at what an element shows, loads and links to."""
        attributes = {name: value or "" for name, value in attributes}
        self._inside = tag
        self.ids.update(attributes[name] for name in ("id", "name") if attributes.get(name))
        if tag == "img":
            self._text_of("picture", attributes, "alt", attributes.get("src", "")[:60])
        if tag == "svg" and attributes.get("role") == "img":
            self._text_of("drawing", attributes, "aria-label", "")
        address = attributes.get(_LOADED.get(tag, ""), "")
        if tag == "link" and not {"canonical", "next", "prev", "search", "index"} & set(
            attributes.get("rel", "").split()
        ):
            address = attributes.get("href", "")
        if _FOREIGN.match(address):
            self.trouble(f"<{tag}> loads {address} from outside the book")
        elif address and not address.startswith("data:"):
            self.local.add(address)
        if tag == "a" and attributes.get("href"):
            self.links.append((self.getpos()[0], attributes["href"]))
        classes = attributes.get("class", "").split()
        if "stderr" in classes:
            self.trouble("a cell wrote to its error stream; the reader would see it")
        if "problematic" in classes or "system-message" in classes:
            self.trouble("a directive or role was not understood")

    def _text_of(self, what, attributes, name, source):
        text = " ".join(attributes.get(name, "").split())
        if (
            not text
            or text.lower() in _EMPTY_WORDS
            or (_FILE_NAME.search(text) and " " not in text)
        ):
            self.trouble(f"{what} {source} has no text that says what can be seen, but {text!r}")

    def handle_data(self, data):
        """Look at words, scripts and styles."""
        if "Traceback (most recent call last)" in data:
            self.trouble("a traceback")
        if self._inside == "script":
            for address in re.findall(r"https?://[^\"'\s]+?\.(?:m?js|css|woff2?)\b", data):
                self.trouble(f"a script names {address}, outside the book")
        if self._inside == "style":
            for address in _foreign_in_css(data):
                self.trouble(f"a style loads {address} from outside the book")

    def handle_endtag(self, tag):
        """Note that a script or style is over."""
        self._inside = ""


def _foreign_in_css(text: str) -> list[str]:
    return re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", text)


def check(folder: Path) -> tuple[list[str], dict[str, int]]:
    """Return the problems of a rendered book and what each page weighs, in bytes."""
    folder = folder.resolve()
    files = [f for f in sorted(folder.rglob("*.html")) if "_static" not in f.parts]
    pages = {file: Page(file) for file in files}
    problems, weights = [], {}
    for file, page in pages.items():
        problems += page.problems
        if file.name in _MADE_BY_SPHINX:
            continue
        problems += _dead_links(page, pages, folder)
        own = [_target(file, address, folder) for address in page.local]
        weight = file.stat().st_size
        weight += sum(f.stat().st_size for f in own if f.is_file() and "_static" not in f.parts)
        weights[file.relative_to(folder).as_posix()] = weight
        if weight > LIMIT_BYTES:
            problems.append(f"{file}: weighs {weight:,} bytes, more than {LIMIT_BYTES:,}")
        problems += [f"{file}: loads {f}, which is not there" for f in own if not f.exists()]
    for sheet in sorted(folder.rglob("*.css")):
        for address in _foreign_in_css(sheet.read_text(encoding="utf-8", errors="replace")):
            problems.append(f"{sheet}: loads {address} from outside the book")
    if not pages:
        problems.append(f"{folder}: no pages")
    return problems, weights


def _target(file: Path, address: str, folder: Path) -> Path:
    path = unquote(urlsplit(address).path)
    return (folder / path.lstrip("/") if path.startswith("/") else file.parent / path).resolve()


def _dead_links(page: Page, pages: dict[Path, Page], folder: Path) -> list[str]:
    """Return the links of a page that lead nowhere within the book."""
    dead = []
    for line, address in page.links:
        parts = urlsplit(address)
        if parts.scheme or address.startswith("//") or address == "#":
            continue
        file = _target(page.file, address, folder) if parts.path else page.file
        if not file.exists():
            dead.append(f"{page.file}:{line}: link to {address}: there is no such file")
        elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].ids:
            dead.append(f"{page.file}:{line}: link to {address}: there is no such place")
    return dead


def main(folder: str) -> int:
    problems, weights = check(Path(folder))
    for name, weight in weights.items():
        print(f"{weight / 1e6:6.2f} MB  {name}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
