"""Package code shown in a chapter: read from the package itself, so it is the code that runs."""

import ast
import inspect
import io
import textwrap
import tokenize
from pathlib import Path

import xraylab


class Listing:
    """A piece of code that shows itself at the end of a cell, highlighted where that is possible.

    Args:
        text: the code.
        place: the file and lines it comes from.
    """

    def __init__(self, text: str, place: str):
        self.text = text
        self.place = place

    def __repr__(self):
        return f"# {self.place}\n{self.text}"

    def _repr_markdown_(self):
        return f"*{self.place}*\n\n```python\n{self.text}\n```"


def code(obj, *, start: str = "", stop: str = "", docstrings: bool = False) -> Listing:
    """Return the source of a function or class of the package, to be shown in a cell.

    Args:
        obj: the function, class or method.
        start: begin at the first line that holds this text.
        stop: end before the first later line that holds this text.
        docstrings: keep the docstrings; by default they are left out, the chapter explains.

    Raises:
        ValueError: if ``start`` or ``stop`` is not found, what lies between them is cut off in the
            middle of a statement, or ``obj`` has no source.
    """
    obj = inspect.unwrap(obj)
    try:
        lines, first = inspect.getsourcelines(obj)
        file = inspect.getsourcefile(obj)
    except (OSError, TypeError) as error:
        raise ValueError(f"obj: no Python source for {obj!r}") from error
    kept = list(enumerate(lines, start=first))
    if not docstrings:
        told = _docstring_lines("".join(lines))
        kept = [(number, line) for number, line in kept if number - first + 1 not in told]
    if start:
        kept = kept[_find(kept, start, "start", 0) :]
    if stop:
        kept = kept[: _find(kept, stop, "stop", 1)]
    while kept and not kept[-1][1].strip():
        kept.pop()
    text = textwrap.dedent("".join(line for _, line in kept)).rstrip()
    _require_whole(text)
    left_out = "" if docstrings else ", without docstrings"
    return Listing(text, f"{_place(file)}, lines {kept[0][0]} to {kept[-1][0]}{left_out}")


def _require_whole(text: str) -> None:
    """Refuse an excerpt that begins or ends within brackets, in the middle of a statement."""
    lines = [line.strip() for line in text.splitlines()]  # a part may begin further in than it ends
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
            if depth < 0:
                break
    except tokenize.TokenError:  # the end came within brackets
        depth = -1
    if depth:
        raise ValueError(
            f"start, stop: the part from {lines[0]!r} to {lines[-1]!r} is cut off in the middle of "
            "a statement"
        )


def _find(lines, text: str, name: str, after: int) -> int:
    for position, (_, line) in enumerate(lines):
        if position >= after and text in line:
            return position
    raise ValueError(f"{name}: no line of this source holds {text!r}")


def _docstring_lines(source: str) -> set[int]:
    """Return the line numbers, from 1, that docstrings take up, with the empty line after each."""
    lines = source.splitlines()
    told = set()
    for node in ast.walk(ast.parse(textwrap.dedent(source))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if ast.get_docstring(node) is None or len(node.body) == 1:
            continue  # a body that is nothing but its docstring keeps it, or it would not be code
        told.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
        after = node.body[0].end_lineno + 1
        if after <= len(lines) and not lines[after - 1].strip():
            told.add(after)
    return told


def _place(file: str) -> str:
    root = Path(xraylab.__file__).resolve().parents[1]
    file = Path(file).resolve()
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
