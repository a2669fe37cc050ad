"""Convert the MyST of a chapter to plain Markdown, which Colab, Kaggle and Jupyter display.

Only the markup of the pages with code is converted. Any other is an error that names file and line,
so that none remains in a copy.
"""

import re
from pathlib import Path

import yaml
from bibliography import Bibliography

_FENCE = re.compile(r"^(\s*)(`{3,}|:{3,}|~{3,})\s*(\{([^}]*)\})?\s*(.*)$")
_OPTION = re.compile(r"^:([\w-]+):\s*(.*)$")
_UNSUPPORTED_LINE = re.compile(r"^(\([^()\s]+\)=\s*$|%|\$\$)")
"""A target, a comment, or an equation that is not a directive."""

_ROLE = re.compile(r"\{([\w:.-]+)\}`([^`]+)`")
_OPEN_ROLE = re.compile(r"\{[A-Za-z][\w:.-]*\}`")
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"\]\((?!https?:|#|data:|mailto:)([^)\s]+)\)")


class SyncError(Exception):
    """A chapter contains unsupported markup; the message names file and line."""


def plain(text: str, path: Path, line: int, bibliography: Bibliography, book: Path) -> str:
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
        self.path, self.bibliography, self.book = path, bibliography, book.resolve()

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
            if _UNSUPPORTED_LINE.match(line):
                self.fail(first + at, f"{line.strip()} is not supported")
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

    def directive(self, name: str, title: str, body: list[str], line: int) -> str:
        """Convert one directive."""
        options, skipped = {}, 0
        if body and body[0].strip() == "---":
            self.fail(line, "write the options of a directive as :name: value")
        while body and (option := _OPTION.match(body[0].strip())):
            options[option[1]] = option[2]
            body, skipped = body[1:], skipped + 1
        inside = line + 1 + skipped
        title = self.inline(title, line)

        def content() -> str:
            return self.blocks(body, inside).strip("\n")

        if name in ("admonition", "warning"):
            text = f"**{title or name.capitalize()}**\n\n{content()}"
            return "\n".join(f"> {row}".rstrip() for row in text.split("\n"))
        if name == "exercise":
            return f"**Exercise{f': {title}' if title else ''}**\n\n{content()}"
        if name == "solution":
            # Empty lines separate Markdown from the HTML around it.
            return f"<details>\n<summary>Solution</summary>\n\n{content()}\n\n</details>"
        if name == "math":
            return "\n".join(["$$", *(row for row in body if row.strip()), "$$"])
        if name == "literalinclude":
            return self.excerpt(title, options, line)
        return self.fail(
            line, f"the directive {{{name}}} is not supported by tools/plain_markdown.py"
        )

    def excerpt(self, file: str, options: dict[str, str], line: int) -> str:
        """Return the lines of a file between two marks as a block of code."""
        path = self.path.parent / file
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
        out, at = [], 0
        while at < len(text):
            role = _ROLE.match(text, at)
            code = _CODE.match(text, at) if text[at] == "`" else None
            link = _LINK.match(text, at)
            if link:
                # MyST gives a link without text the title of its page; Markdown shows nothing.
                empty = text[:at].endswith("[") and not text[:at].endswith("![")
                title = self.page_title(link[1], line) if empty else ""
                out.append(f"{title}]({self.link(link[1], line)})")
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
            elif text.startswith("]{", at):
                self.fail(line, "attributes are not supported")
            else:
                out.append(text[at])
                at += 1
        return "".join(out)

    def role(self, name: str, content: str, line: int) -> str:
        """Convert one role."""
        if name in ("cite:p", "cite:t"):
            return self.citation(name, content, line)
        if name == "term":  # "words <term>", or the term itself
            return content.partition(" <")[0]
        if name == "eq":
            return "the equation"
        if name == "math":
            return f"${content}$"
        return self.fail(line, f"the role {{{name}}} is not supported by tools/plain_markdown.py")

    def citation(self, name: str, keys: str, line: int) -> str:
        """Return citations as ``[Author et al., year]`` or ``Author et al. [year]``."""
        cited = []
        for key in (key.strip() for key in keys.split(",")):
            try:
                cited.append(self.bibliography.cite(key))
            except KeyError:
                self.fail(line, f"references.bib has no entry {key!r}")
        if name == "cite:t":
            return ", ".join(f"{authors} [{year}]" for authors, year in cited)
        return f"[{'; '.join(f'{authors}, {year}' for authors, year in cited)}]"

    def page_title(self, target: str, line: int) -> str:
        """Return the title of another page of the book."""
        heading = re.search(r"^# (.+?)\s*$", self.file(target, line).read_text("utf-8"), re.M)
        return heading[1] if heading else self.fail(line, f"{target} has no title")

    def link(self, target: str, line: int) -> str:
        """Return a link within the book as one that works outside it."""
        repository = yaml.safe_load((self.book / "_config.yml").read_text("utf-8"))["repository"]
        file = self.file(target, line)
        # The source decides whether there is a notebook copy: that may not be written yet.
        if file.suffix == ".md" and "\nkernelspec:" in file.read_text("utf-8")[:500]:
            file = file.with_suffix(".ipynb")  # a reader on Colab follows to a notebook
        view = "blob" if file.suffix in (".md", ".ipynb") else "raw"
        path = f"{repository['path_to_book']}/{file.relative_to(self.book).as_posix()}"
        return f"{repository['url']}/{view}/{repository['branch']}/{path}"

    def file(self, target: str, line: int) -> Path:
        """Return the file of the book to which a link leads."""
        file = (self.path.parent / target.split("#")[0]).resolve()
        if not (file.is_relative_to(self.book) and file.is_file()):
            self.fail(line, f"the book has no file {target!r}")
        return file
