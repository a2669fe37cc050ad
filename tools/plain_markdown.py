"""Convert the MyST of a chapter to plain Markdown, which Colab, Kaggle and Jupyter display.

Unknown directives and roles are errors that name file and line, so that none remains in a copy.
"""

import html
import re
from pathlib import Path

from bibliography import Bibliography

ADMONITIONS = {
    **{name: name.capitalize() for name in ("note", "tip", "important", "warning", "caution")},
    **{"hint": "Hint", "attention": "Attention", "danger": "Danger", "seealso": "See also"},
    "margin": "",
}
_FENCE = re.compile(r"^(\s*)(`{3,}|:{3,}|~{3,})\s*(\{([^}]*)\})?\s*(.*)$")
_OPTION = re.compile(r"^:([\w-]+):\s*(.*)$")
_TARGET = re.compile(r"^\([^()\s]+\)=\s*$")
_ROLE = re.compile(r"\{([\w:.-]+)\}`([^`]+)`")
_OPEN_ROLE = re.compile(r"\{[A-Za-z][\w:.-]*\}`")
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_PYTHON = ("func", "class", "meth", "mod", "attr", "data", "code")
_LINK = re.compile(r"\]\((?!https?:|#|data:|mailto:)([^)\s]+)\)")


class SyncError(Exception):
    """A chapter contains unsupported markup; the message names file and line."""


def plain(
    text: str, path: Path, line: int = 1, bibliography: Bibliography | None = None, book=None
) -> str:
    """Convert MyST Markdown to plain Markdown.

    Args:
        text: the MyST.
        path: the file of the chapter, for messages and links.
        line: number of the first line of ``text`` in the file.
        bibliography: the entries that can be cited.
        book: folder of the book.

    Raises:
        SyncError: if the text contains unsupported markup.
    """
    return _Page(path, bibliography, book).blocks(text.splitlines(), line).strip("\n")


class _Page:
    """The conversion of one page."""

    def __init__(self, path, bibliography, book):
        self.path, self.bibliography, self.book = path, bibliography, book

    def fail(self, line: int, message: str):
        raise SyncError(f"{self.path}:{line}: {message}")

    def blocks(self, lines: list[str], first: int) -> str:
        """Convert lines, fence by fence."""
        out, at = [], 0
        while at < len(lines):
            line = lines[at]
            fence = _FENCE.match(line)
            if fence:
                end = self._end(lines, at, fence, first)
                body, number = lines[at + 1 : end], first + at
                indent = fence[1]
                if fence[3] is None and fence[2][0] != ":":
                    out += lines[at : end + 1]  # a plain code block
                elif fence[3] is None:
                    self.fail(number, "a colon fence needs the name of a directive")
                else:
                    body = [row.removeprefix(indent) for row in body]
                    converted = self.directive(fence[4].strip(), fence[5].strip(), body, number)
                    out += [indent + row if row else "" for row in converted.splitlines()]
                at = end + 1
                continue
            if line.strip() == "$$" or (line.startswith("$$") and not line.rstrip().endswith("$$")):
                at = self._display(lines, at, first, out)
                continue
            if not _TARGET.match(line) and not line.startswith("%") and line.strip() != "+++":
                out.append(self.inline(line, first + at))
            at += 1
        return re.sub(r"\n{3,}", "\n\n", "\n".join(out))

    def _end(self, lines, at, fence, first) -> int:
        """Return the index of the line that closes the fence opened at ``at``."""
        close = re.compile(rf"^\s*{re.escape(fence[2][0])}{{{len(fence[2])},}}\s*$")
        for end in range(at + 1, len(lines)):
            if close.match(lines[end]):
                return end
        return self.fail(first + at, f"the fence {fence[2]} is never closed")

    def _display(self, lines, at, first, out) -> int:
        """Copy a ``$$`` block without its label."""
        out.append(lines[at])
        for end in range(at + 1, len(lines)):
            closed = re.match(r"^(.*\$\$)\s*(\([^()]*\))?\s*$", lines[end])
            out.append(closed[1] if closed else lines[end])
            if closed:
                return end + 1
        return self.fail(first + at, "the $$ is never closed")

    def directive(self, name: str, title: str, body: list[str], line: int) -> str:
        """Convert one directive."""
        options, skipped = {}, 0
        if body and body[0].strip() == "---":
            self.fail(line, "write the options of a directive as :name: value")
        while body and (option := _OPTION.match(body[0].strip())):
            options[option[1]] = option[2]
            body, skipped = body[1:], skipped + 1
        inside = line + 1 + skipped
        title_text = self.inline(title, line)

        def content() -> str:
            return self.blocks(body, inside).strip("\n")

        if name in ADMONITIONS or name == "admonition":
            text = content()
            if name != "admonition" and title:
                text = f"{title_text}\n{text}".strip()
            heading = title_text if name == "admonition" else ADMONITIONS[name]
            if "dropdown" in options.get("class", "").split():
                return _details(heading, text)
            return _quote(f"**{heading}**\n\n{text}" if heading else text)
        if name == "dropdown":
            return _details(title_text or "More", content())
        if name == "solution":
            return _details("Solution", content())
        if name == "solution-start":  # cells follow, which no <details> can hold
            return f"**Solution**\n\n{content()}"
        if name in ("exercise-end", "solution-end"):
            return ""
        if name in ("exercise", "exercise-start"):
            suffix = f": {title_text.strip(' ()')}" if title else ""
            return f"**Exercise{suffix}**\n\n{content()}"
        if name in ("figure", "image"):
            caption = content()
            alt = options.get("alt") or caption.split("\n\n")[0].replace("\n", " ")
            if not alt:
                self.fail(line, f"this {name} needs :alt:")
            image = f"![{alt}]({self.link(title)})"
            return f"{image}\n\n{caption}" if caption else image
        if name == "math":
            return "\n".join(["$$", *(row for row in body if row.strip()), "$$"])
        if name in ("code-block", "code", "sourcecode"):
            fence = "`" * 4 if any(row.lstrip().startswith("```") for row in body) else "```"
            return "\n".join([fence + title, *body, fence])
        if name == "literalinclude":
            return self.excerpt(title, options, line)
        if name in ("tab-set", "grid", "div", "container", "epigraph", "card-carousel"):
            return content()
        if name in ("tab-item", "grid-item", "card", "grid-item-card"):
            return f"**{title_text}**\n\n{content()}" if title else content()
        if name in ("table", "list-table"):
            if name == "list-table":
                self.fail(
                    line, "list-table is not supported; write a Markdown table inside {table}"
                )
            return f"*{title_text}*\n\n{content()}" if title else content()
        if name == "glossary":
            return content()
        dropped = ("bibliography", "raw", "only", "contents", "tableofcontents", "index")
        if name in dropped:
            return ""
        return self.fail(
            line, f"the directive {{{name}}} is not supported by tools/plain_markdown.py"
        )

    def excerpt(self, file: str, options: dict[str, str], line: int) -> str:
        """Return the lines of a file between two marks as a block of code."""
        path = Path(self.path).parent / file
        if not path.is_file():
            self.fail(line, f"there is no file {file!r}")
        text = path.read_text(encoding="utf-8")
        for option, part in (("start-after", 2), ("end-before", 0)):
            if option in options:
                mark = options[option].strip('"')
                if mark not in text:
                    self.fail(line, f"{file} has no line with {mark!r}")
                text = text.partition(mark)[part]
        # The marks themselves are on lines of their own.
        lines = text.splitlines()[1 if "start-after" in options else 0 :]
        lines = lines[: -1 if "end-before" in options else None]
        return "\n".join([f"```{options.get('language', '')}", *lines, "```"])

    def inline(self, text: str, line: int) -> str:
        """Convert the roles of a line, except within backquotes."""
        text = re.sub(r"(?<=[^\s`])\{#?[\w.:# =\"-]+\}(?!`)", "", text) if "]{" in text else text
        out, at = [], 0
        while at < len(text):
            role = _ROLE.match(text, at)
            code = _CODE.match(text, at) if text[at] == "`" else None
            link = _LINK.match(text, at)
            if link:
                # MyST gives a link without text the title of its page; Markdown shows nothing.
                empty = text[:at].endswith("[") and not text[:at].endswith("![")
                title = self.page_title(link[1], line) if empty else ""
                out.append(f"{title}]({self.link(link[1])})")
                at = link.end()
            elif role:
                out.append(self.role(role[1], role[2], line))
                at = role.end()
            elif code:
                out.append(code[0])
                at = code.end()
            elif _OPEN_ROLE.match(text, at):
                self.fail(line, "a role must begin and end on one line")
            elif text.startswith("{{", at):
                self.fail(line, "substitutions are not supported")
            else:
                out.append(text[at])
                at += 1
        return "".join(out)

    def role(self, name: str, content: str, line: int) -> str:
        """Convert one role."""
        named = re.match(r"^(.*?)\s*<([^>]*)>$", content, re.S)
        words, target = (named[1], named[2]) if named else ("", content)
        if name in ("cite", "cite:p", "cite:t", "cite:alp", "cite:ps", "cite:ts"):
            return self.citation(name, content, line)
        if name == "doc":
            return words or self.page_title(target, line)
        if name in ("ref", "numref", "eq", "prf:ref"):
            if words and "%s" not in words and "{number}" not in words:
                return words
            if name == "eq":
                return "the equation"
            return self.target_title(target, line, name)
        if name in ("term", "abbr", "guilabel", "dfn"):
            return words or target
        if name in ("kbd", "file", "command", "option", "envvar"):
            return f"`{words or target}`"
        if name in ("sub", "sup"):
            return f"<{name}>{html.escape(content)}</{name}>"
        if name == "math":
            return f"${content}$"
        if name.startswith("py:") or name in _PYTHON:
            return f"`{words or target.lstrip('~.')}`"
        return self.fail(line, f"the role {{{name}}} is not supported by tools/plain_markdown.py")

    def citation(self, name: str, keys: str, line: int) -> str:
        """Return citations as ``[Author et al., year]`` or ``Author et al. [year]``."""
        cited = []
        for key in (key.strip() for key in keys.split(",")):
            try:
                cited.append(self.bibliography.cite(key))
            except (KeyError, AttributeError):
                self.fail(line, f"references.bib has no entry {key!r}")
        if name in ("cite:t", "cite:ts"):
            return ", ".join(f"{authors} [{year}]" for authors, year in cited)
        return f"[{'; '.join(f'{authors}, {year}' for authors, year in cited)}]"

    def page_title(self, target: str, line: int) -> str:
        """Return the title of another page of the book."""
        base = self.book if target.startswith("/") else Path(self.path).parent
        page = (Path(base or ".") / target.lstrip("/")).with_suffix(".md")
        if not page.exists():
            self.fail(line, f"there is no page {target!r}")
        return _heading(page.read_text(encoding="utf-8")) or target

    def target_title(self, target: str, line: int, name: str) -> str:
        """Return the heading with a label, or a generic name for a figure or table."""
        pages = [Path(self.path)] if Path(self.path).exists() else []
        if self.book:
            pages += sorted(Path(self.book).rglob("*.md"))
        for page in pages:
            if "_build" in page.parts:
                continue
            found = re.search(
                rf"^\({re.escape(target)}\)=\s*\n+(#+ .+)$", page.read_text("utf-8"), re.M
            )
            if found:
                return _heading(found[1])
        kinds = {
            "fig": "the figure",
            "tab": "the table",
            "ex": "the exercise",
            "eq": "the equation",
        }
        kind = kinds.get(re.split(r"[-:_]", target)[0])
        if kind is None:
            self.fail(
                line, f"{{{name}}}`{target}`: no heading has this label; give the reference a text"
            )
        return kind

    def link(self, target: str) -> str:
        """Return a link within the book as one that works outside it."""
        if re.match(r"[a-z]+:|#", target) or self.book is None:
            return target
        from urllib.parse import quote

        import yaml

        settings = yaml.safe_load((Path(self.book) / "_config.yml").read_text(encoding="utf-8"))
        repository = settings["repository"]
        file = (Path(self.path).parent / target.split("#")[0]).resolve()
        # The source decides whether there is a notebook copy: that may not be written yet.
        if (
            file.suffix == ".md"
            and file.exists()
            and "\nkernelspec:" in file.read_text("utf-8")[:500]
        ):
            file = file.with_suffix(".ipynb")  # a reader on Colab follows to a notebook
        book = Path(self.book).resolve()
        inside = file.relative_to(book) if file.is_relative_to(book) else Path(target)
        path = f"{repository['path_to_book']}/{inside.as_posix()}"
        view = "raw" if file.suffix.lower() in (".svg", ".png", ".jpg", ".webp", ".gif") else "blob"
        return f"{repository['url']}/{view}/{repository['branch']}/{quote(path)}"


def _heading(text: str) -> str:
    found = re.search(r"^#+\s+(.+?)\s*$", text, re.M)
    return found[1] if found else ""


def _quote(text: str) -> str:
    return "\n".join(f"> {row}".rstrip() for row in text.split("\n"))


def _details(title: str, text: str) -> str:
    # Empty lines separate Markdown from the HTML around it.
    title = re.sub(r"\*\*|`", "", title)
    return f"<details>\n<summary>{html.escape(title)}</summary>\n\n{text}\n\n</details>"
