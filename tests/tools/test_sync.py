"""Notebook copies of the chapters: conversion to plain Markdown and synchronization."""

import json

import pytest

pytest.importorskip("jupytext")
pytest.importorskip("pybtex")

import sync
from bibliography import Bibliography
from plain_markdown import SyncError, plain

HEAD = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

"""

BIB = r"""
@article{one, author={Roe, Richard}, title={A}, year={2001}, journal={J}}
@article{two, author={Roe, Richard and von Doe, Jane}, title={B}, year={2002}, journal={J}}
@article{three, author={Doll{\'a}r, P. and Roe, R. and Doe, J.}, title={C}, year={2003}}
"""


@pytest.fixture
def book(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "references.bib").write_text(BIB)
    (tmp_path / "_config.yml").write_text(
        "repository: {url: 'https://example.org/a/b', path_to_book: book, branch: main}\n"
    )
    (tmp_path / "other.md").write_text("# Another page\n")
    (tmp_path / "a.js").write_text("zero();\n// [here]\none();\n  two();\n// [there]\nthree();\n")
    return tmp_path


@pytest.fixture
def chapter(book):
    def write(body, name="01_a.md"):
        path = book / "chapters" / name
        path.write_text(HEAD + body)
        return path

    return write


@pytest.fixture
def flat(book):
    def flatten(text):
        file = book / "chapters" / "01_a.md"
        return plain(text, file, 1, Bibliography(book / "references.bib"), book)

    return flatten


@pytest.mark.parametrize(
    ("myst", "expected"),
    [
        ("```{warning}\nBe *kind*.\n```", "> **Warning**\n>\n> Be *kind*."),
        (":::{admonition} Predict first\n:class: tip\nHow many?\n:::",
         "> **Predict first**\n>\n> How many?"),
        ("::::{warning}\n:::{admonition} Why\nInner\n:::\n::::",
         "> **Warning**\n>\n> > **Why**\n> >\n> > Inner"),
        ("````{solution} ex-a\n:class: dropdown\nIt is\n```python\nx = 1\n```\n````",
         "<details>\n<summary>Solution</summary>\n\nIt is\n```python\nx = 1\n```\n\n</details>"),
        ("```{exercise} Floor\n:label: ex-a\nFind it.\n```", "**Exercise: Floor**\n\nFind it."),
        ("```{exercise}\n:label: ex-a\n\nFind it.\n```", "**Exercise**\n\nFind it."),
        ("```{math}\n:label: eq-a\n\nx^2\n```", "$$\nx^2\n$$"),
        ("the root {math}`\\sqrt[3]{x}`", "the root $\\sqrt[3]{x}$"),
        ("```{literalinclude} ../a.js\n:language: javascript\n:start-after: \"[here]\"\n"
         ":end-before: \"[there]\"\n```", "```javascript\none();\n  two();\n```"),
        ("```python\n# {cite:p}`x` stays\n```", "```python\n# {cite:p}`x` stays\n```"),
        ("A {cite:p}`one` b", "A [Roe, 2001] b"),
        ("{cite:p}`two,three`", "[Roe and von Doe, 2002; Dollár et al., 2003]"),
        ("{cite:t}`three` say", "Dollár et al. [2003] say"),
        ("see {eq}`eq-b`", "see the equation"),
        ("a {term}`phantom` or {term}`images <image>`", "a phantom or images"),
        ("the literal `{cite:p}` stays", "the literal `{cite:p}` stays"),
        ("[next](../other.md#x)", "[next](https://example.org/a/b/blob/main/book/other.md)"),
        ("[](../other.md)", "[Another page](https://example.org/a/b/blob/main/book/other.md)"),
        ("![A drawing](../a.js)", "![A drawing](https://example.org/a/b/raw/main/book/a.js)"),
        ("`[](../other.md)`", "`[](../other.md)`"),
        ("[out](https://x.org) and [in](#part)", "[out](https://x.org) and [in](#part)"),
        ("- a\n  ```{warning}\n  In a list\n  ```", "- a\n  > **Warning**\n  >\n  > In a list"),
    ],
)  # fmt: skip
def test_myst_is_converted_to_plain_markdown(flat, myst, expected):
    assert flat(myst) == expected


@pytest.mark.parametrize(
    ("myst", "line", "message"),
    [
        ("Text\n\n```{mermaid}\na-->b\n```", 3, "{mermaid}"),
        ("Text {unheard}`of`", 1, "{unheard}"),
        ("a\n\n> x\n\n{cite:p}`nobody`", 5, "nobody"),
        ("```{warning}\nopen", 1, "never closed"),
        ("```{warning}\n:class: a\nA {oops}`b`\n```", 3, "{oops}"),
        ("a\n[words](nowhere.md)", 2, "nowhere.md"),
        ("[](nowhere.md)", 1, "nowhere.md"),
        ("```{literalinclude} ../b.js\n```", 1, "b.js"),
        ("```{literalinclude} ../a.js\n:end-before: nowhere\n```", 1, "nowhere"),
        ("a\nsee {term}`words that\ngo on <image>`", 2, "one line"),
        ("so {{name}}", 1, "substitution"),
        ("[words]{.class}", 1, "attributes"),
        ("a\n(sec-a)=\n## Title", 2, "(sec-a)="),
        ("% a comment", 1, "% a comment"),
        ("$$\nx^2\n$$ (eq-a)", 1, "$$"),
    ],
)
def test_unsupported_markup_is_rejected_with_its_line(flat, myst, line, message):
    with pytest.raises(SyncError) as error:
        flat(myst)
    assert f"01_a.md:{line}:" in str(error.value)
    assert message in str(error.value)


def test_copy_has_cells_and_tags_but_no_output(chapter):
    source = chapter(
        "## Part\n\n```{code-cell} ipython3\n:tags: [hide-input]\n"
        ":mystnb: {image: {alt: x}}\nx = 1\n```\n\nText {cite:p}`one`.\n\n"
        "```{code-cell} ipython3\nprint(1)\n```\n"
    )
    text = sync.notebook(source, source.parents[1])
    copy = json.loads(text)
    kinds = [cell["cell_type"] for cell in copy["cells"]]
    assert kinds == ["markdown", "code", "markdown", "code"]
    first, second = (cell for cell in copy["cells"] if cell["cell_type"] == "code")
    assert first["metadata"]["tags"] == ["hide-input"]
    assert second["metadata"] == {}
    assert all(
        cell["outputs"] == [] and cell["execution_count"] is None for cell in (first, second)
    )
    assert copy["metadata"]["kernelspec"]["name"] == "python3"
    assert len({cell["id"] for cell in copy["cells"]}) == 4
    assert "[Roe, 2001]" in text
    assert text == sync.notebook(source, source.parents[1])


def test_errors_name_the_line_of_the_source(chapter):
    source = chapter("Fine.\n\n```{code-cell} ipython3\nx = 1\n```\n\nMore.\n\n{bad}`role`\n")
    line = source.read_text().splitlines().index("{bad}`role`") + 1
    with pytest.raises(SyncError, match=rf"01_a\.md:{line}: .*bad"):
        sync.notebook(source, source.parents[1])


def test_copies_are_valid_notebooks(chapter):
    nbformat = pytest.importorskip("nbformat")
    source = chapter("Text.\n\n```{code-cell} ipython3\nx = 1\n```\n")
    nbformat.validate(nbformat.reads(sync.notebook(source, source.parents[1]), as_version=4))


def test_links_to_chapters_lead_to_their_copies(chapter, book):
    chapter("[next](02_b.md)\n")
    chapter("[back](01_a.md)\n", "02_b.md")
    assert sync.main(["--book", str(book)]) == 0
    assert "blob/main/book/chapters/02_b.ipynb" in (book / "chapters/01_a.ipynb").read_text()
    assert sync.main(["--check", "--book", str(book)]) == 0


def test_outdated_copies_are_reported_and_written(chapter, book, capsys):
    source = chapter("Text.\n")
    (book / "chapters" / "page.md").write_text("# No notebook\n")
    arguments = ["--book", str(book)]
    assert sync.main(["--check", *arguments]) == 1
    assert "01_a.ipynb is out of date" in capsys.readouterr().err
    assert sync.main(arguments) == 0
    assert sync.main(["--check", *arguments]) == 0
    assert not (book / "chapters" / "page.ipynb").exists()
    source.write_text(source.read_text() + "\nMore.\n")
    assert sync.main(["--check", *arguments]) == 1
    source.unlink()
    assert sync.main(arguments) == 1
    assert "has no chapter" in capsys.readouterr().err


def test_the_copies_of_this_book_are_up_to_date(capsys):
    assert sync.main(["--check"]) == 0, capsys.readouterr().err
