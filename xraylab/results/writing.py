"""Tables written down: Markdown for pages, LaTeX for papers, CSV for everything else."""

import csv
import io

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


def to_markdown(table):
    """Return a :class:`xraylab.results.Table` as Markdown, best values in bold, caption below."""
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
    """Return a :class:`xraylab.results.Table` as LaTeX for the booktabs package."""
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
    """Return a :class:`xraylab.results.Table` as CSV, the caption in a first line behind ``#``."""
    stream = io.StringIO()
    stream.write(f"# {table.caption}\n")
    csv.writer(stream, lineterminator="\n").writerows([table.heads, *table.rows])
    return stream.getvalue().rstrip("\n")


def _cell(text):
    return text.replace("|", r"\|")


def _latex(text):
    return "".join(_LATEX.get(sign, sign) for sign in text)
