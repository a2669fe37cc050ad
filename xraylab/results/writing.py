"""A table, and how it is written: on a page, in Markdown, LaTeX and CSV."""

import csv
import io
from dataclasses import dataclass
from html import escape

_LATEX = {
    "\\": r"\textbackslash{}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


@dataclass(frozen=True)
class Table:
    """A table ready to be written; in a notebook it shows itself.

    Attributes:
        caption: what it holds, with the data set and the number of images; says SIMULATED of
            simulated images.
        heads: the headings.
        rows: cells as text, one tuple a row.
        best: places (row, column) of the best value of each column that has a best one.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]] = frozenset()

    def _repr_html_(self):
        return to_html(self)


_CELL = ' style="padding: 0.2em 0.6em; white-space: nowrap"'


def to_html(table):
    """Return a :class:`Table` as HTML, best values in bold, that scrolls where it is too wide."""
    heads = "".join(f'<th scope="col">{escape(text)}</th>' for text in table.heads)
    rows = []
    for i, row in enumerate(table.rows):
        cells = [
            f"<td{_CELL}><b>{text}</b></td>" if (i, j) in table.best else f"<td{_CELL}>{text}</td>"
            for j, text in enumerate(map(escape, row))
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    # The caption stands outside of what scrolls: on a phone it would be cut off.
    return (
        '<figure style="margin: 0; text-align: left">'
        f'<figcaption style="text-align: left">{escape(table.caption)}.</figcaption>'
        '<div style="overflow-x: auto" tabindex="0"><table class="dataframe">'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></figure>"
    )


def to_markdown(table):
    """Return a :class:`Table` as Markdown, best values in bold, caption below."""
    lines = ["| " + " | ".join(map(_cell, table.heads)) + " |"]
    lines.append("|" + "|".join(["---"] + ["---:"] * (len(table.heads) - 1)) + "|")
    for i, row in enumerate(table.rows):
        cells = [
            f"**{_cell(text)}**" if (i, j) in table.best else _cell(text)
            for j, text in enumerate(row)
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"*{table.caption}.*"])


def to_latex(table):
    """Return a :class:`Table` as LaTeX for the booktabs package."""
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(table.caption)}.}}"]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(table.heads) - 1)}}}", r"\toprule"]
    lines += [" & ".join(map(_latex, table.heads)) + r" \\", r"\midrule"]
    for i, row in enumerate(table.rows):
        cells = [
            rf"\textbf{{{_latex(text)}}}" if (i, j) in table.best else _latex(text)
            for j, text in enumerate(row)
        ]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def to_csv(table):
    """Return a :class:`Table` as CSV, the caption in a first line behind ``#``."""
    stream = io.StringIO()
    stream.write(f"# {table.caption}\n")
    csv.writer(stream, lineterminator="\n").writerows([table.heads, *table.rows])
    return stream.getvalue().rstrip("\n")


def _cell(text):
    return text.replace("|", r"\|")


def _latex(text):
    return "".join(_LATEX.get(sign, sign) for sign in text)
