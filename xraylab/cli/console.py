"""Output of the commands: names from files are printed as text, never interpreted."""

import shlex
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import rich.table
from rich.console import Console
from typer import Argument, BadParameter

from xraylab.io import printable as plain

TextConsole = partial(Console, markup=False, emoji=False)
"""A console that interprets neither ``[red]`` nor ``:key:``."""

OF_FILES = (
    "A model saved as a file is loaded in Python, by keras.models.load_model(FILE), and scored by "
    "evaluation.evaluate(model, split) or exported by models.export_model(model, OUT). An exported "
    "file is loaded by models.load_exported(FILE)."
)
"""What to do with a file instead of the folder of a run."""


def _refuse_file(path: Path) -> Path:
    """Return the path of a folder."""
    if path.is_file():
        raise BadParameter(f"Expected: the folder of a run. Received: the file {path}. {OF_FILES}")
    return path


RunFolder = Annotated[Path, Argument(exists=True, callback=_refuse_file, help="Folder of a run.")]


def command(*arguments: Any) -> str:
    """Return a command line of xraylab with its arguments quoted for the shell."""
    return shlex.join(["xraylab", *map(str, arguments)])


def split_names(text: str) -> list[str]:
    """Split names at commas, without the blanks around them."""
    return [name.strip() for name in text.split(",")]


def show(text: Any, *, bold: bool = False, stderr: bool = False) -> None:
    """Print text; long lines are not broken, so that commands and paths can be copied."""
    console = TextConsole(stderr=stderr, soft_wrap=True, highlight=False)
    console.print(plain(text), style="bold" if bold else None)


class Table(rich.table.Table):
    """A table whose title, headers and cells are plain text.

    Args:
        headers: titles of the columns.
        right: index of the first column that is aligned to the right.
        title: title of the table.
    """

    def __init__(self, *headers: str, right: int | None = None, title: str | None = None):
        super().__init__(*map(plain, headers), title=title and plain(title))
        for column in self.columns:
            column.overflow = "fold"  # the default cuts long paths off
        for column in self.columns[len(headers) if right is None else right :]:
            column.justify = "right"

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; None is an empty cell."""
        super().add_row(*("" if cell is None else plain(cell) for cell in cells), **options)

    def show(self) -> None:
        """Print the table."""
        TextConsole().print(self)
