"""Tables with a caption, written as HTML, Markdown, LaTeX and CSV by pandas."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import pandas as pd

from xraylab.io import csv_text

_LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "_%&#${}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def _markdown(text: str) -> str:
    """Escape what Markdown would take for HTML, a link, code or emphasis."""
    return re.sub(r"([\\|`*<]|\](?=\())", r"\\\1", text)


@dataclass(frozen=True)
class Table:
    """A table with a caption; notebooks display it.

    Attributes:
        caption: what the table shows, with the data set and the number of images; it contains
            SIMULATED for simulated images.
        frame: cells as text.
    """

    caption: str
    frame: pd.DataFrame

    def to_html(self) -> str:
        """Format as an HTML figure that scrolls where it is too wide."""
        table = self.frame.to_html(index=False, border=0)
        # The caption is outside the scrolling part, so that a phone does not cut it off.
        return (
            f'<figure style="margin: 0; text-align: left"><figcaption>{escape(self.caption)}.'
            '</figcaption><div style="overflow-x: auto; white-space: nowrap" tabindex="0">'
            f"{table}</div></figure>"
        )

    _repr_html_ = to_html

    def to_markdown(self) -> str:
        """Format as Markdown, with the caption below."""
        frame = self._escaped(_markdown)
        align = ("left", *["right"] * (frame.shape[1] - 1))
        text = frame.to_markdown(index=False, disable_numparse=True, colalign=align)
        return f"{text}\n\n*{_markdown(self.caption)}.*"

    def to_latex(self) -> str:
        """Format as LaTeX for the booktabs package."""
        frame = self._escaped(lambda text: text.translate(_LATEX))
        return frame.to_latex(
            index=False,
            escape=False,
            caption=f"{self.caption.translate(_LATEX)}.",
            column_format="l" + "r" * (frame.shape[1] - 1),
            position="htbp",
        ).strip()

    def to_csv(self) -> str:
        """Format as CSV, with the caption in a first line that begins with ``#``."""
        return f"# {self.caption}\n{csv_text(self.frame)}".strip()

    def _escaped(self, escape: Callable[[str], str]) -> pd.DataFrame:
        """Escape headings and cells."""
        return self.frame.map(escape).rename(columns=escape)
