"""Listings of package code, read from the installed package so that they show what runs."""

import ast
import inspect
import textwrap
import tokenize
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xraylab
from xraylab.arguments import invalid_argument, require


@dataclass(repr=False)
class Listing:
    """Source code that displays itself at the end of a cell, highlighted where supported.

    Args:
        text: the code.
        location: its file and lines.
    """

    text: str
    location: str

    def __repr__(self):
        return f"# {self.location}\n{self.text}"

    def _repr_markdown_(self):
        return f"*{self.location}*\n\n```python\n{self.text}\n```"


def code(
    obj: Callable | type, *, start: str = "", stop: str = "", docstrings: bool = False
) -> Listing:
    """Show the source of a function or class.

    Args:
        obj: the function, class or method.
        start: begin at the first line that contains this text.
        stop: end before the first later line that contains this text.
        docstrings: include the docstrings.

    Raises:
        ValueError: if ``obj`` has no Python source, ``start`` or ``stop`` is not found, or the
            excerpt is cut off in the middle of a statement.
    """
    obj = inspect.unwrap(obj)
    try:
        source, first = inspect.getsourcelines(obj)
        file = inspect.getsourcefile(obj)
    except (OSError, TypeError) as error:
        raise ValueError(f"{obj!r} has no Python source. Expected: a function or class.") from error
    omitted = set() if docstrings else _docstring_lines(source)
    lines = [(n, line) for n, line in enumerate(source, start=1) if n not in omitted]
    if start:
        lines = lines[_find(lines, start, "start", 0) :]
    if stop:
        lines = lines[: _find(lines, stop, "stop", 1)]
    while lines and not lines[-1][1].strip():
        lines.pop()
    _require_whole_statements(source, lines[0][0], lines[-1][0])
    span = f"lines {first + lines[0][0] - 1} to {first + lines[-1][0] - 1}"
    location = f"{_relative(file)}, {span}{'' if docstrings else ', without docstrings'}"
    return Listing(textwrap.dedent("".join(line for _, line in lines)).rstrip(), location)


def _require_whole_statements(source: list[str], first: int, last: int) -> None:
    """Refuse an excerpt, from one line to another, that begins or ends within brackets."""
    depth, depths = 0, {}  # number of open brackets after each line
    for token in tokenize.generate_tokens(iter(source).__next__):
        if token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        depths[token.end[0]] = depth
    ends = f"{source[first - 1].strip()!r} to {source[last - 1].strip()!r}"
    expected, received = "whole statements", f"{ends}, cut off in the middle of a statement"
    require(not depths.get(first - 1) and not depths.get(last), "start or stop", expected, received)


def _find(lines, text: str, name: str, after: int) -> int:
    for position, (_, line) in enumerate(lines):
        if position >= after and text in line:
            return position
    raise invalid_argument(name, "text in this source", repr(text))


def _docstring_lines(source: list[str]) -> set[int]:
    """Return the line numbers of docstrings, from 1, and of the blank line after each."""
    found = set()
    for node in ast.walk(ast.parse(textwrap.dedent("".join(source)))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if ast.get_docstring(node) is None or len(node.body) == 1:
            continue  # without its docstring an otherwise empty body would not be valid code
        end = node.body[0].end_lineno or node.body[0].lineno
        blank = end < len(source) and not source[end].strip()
        found.update(range(node.body[0].lineno, end + 1 + blank))
    return found


def _relative(file: str | None) -> str:
    root = Path(xraylab.__file__).resolve().parents[1]
    path = Path(file or "").resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
