"""Listings of package code, read from the installed package so that they show what runs."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xraylab
from xraylab.arguments import invalid_argument


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


def code(obj: Callable | type, *, start: str = "", stop: str = "") -> Listing:
    """Show the source of a function or class, without docstrings.

    Args:
        obj: the function, class or method.
        start: begin at the first line that contains this text.
        stop: end before the first later line that contains this text.

    Raises:
        ValueError: if ``obj`` has no Python source, or ``start`` or ``stop`` is not found.
    """
    obj = inspect.unwrap(obj)
    try:
        source, first = inspect.getsourcelines(obj)
        file = Path(inspect.getsourcefile(obj) or "").resolve()
    except (OSError, TypeError) as error:
        raise ValueError(f"{obj!r} has no Python source. Expected: a function or class.") from error
    omitted = _docstring_lines(source)
    lines = [(n, line) for n, line in enumerate(source, first) if n - first + 1 not in omitted]
    if start:
        lines = lines[_find(lines, start, "start", 0) :]
    if stop:
        lines = lines[: _find(lines, stop, "stop", 1)]
    text = "".join(line for _, line in lines).rstrip()
    last = lines[text.count("\n")][0]
    root = Path(xraylab.__file__).resolve().parents[1]
    name = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
    location = f"{name}, lines {lines[0][0]} to {last}, without docstrings"
    return Listing(textwrap.dedent(text), location)


def _find(lines: list[tuple[int, str]], text: str, name: str, after: int) -> int:
    for position, (_, line) in enumerate(lines):
        if position >= after and text in line:
            return position
    raise invalid_argument(name, "text in this source", repr(text))


def _docstring_lines(source: list[str]) -> set[int]:
    """Return the line numbers of docstrings, from 1, and of the blank line after each."""
    found = set()
    for node in ast.walk(ast.parse(textwrap.dedent("".join(source)))):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or not ast.get_docstring(node):
            continue
        if len(node.body) > 1:  # an otherwise empty body needs its docstring
            end = node.body[0].end_lineno or node.body[0].lineno
            found.update(range(node.body[0].lineno, end + 1 + (not source[end].strip())))
    return found
