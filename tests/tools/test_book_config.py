"""Consistency of the badges and the table of contents with the configuration of the book."""

import re
from pathlib import Path

import jupytext
import pytest
import sync
import yaml

BOOK = Path(__file__).resolve().parents[2] / "book"
CONFIG = yaml.safe_load((BOOK / "_config.yml").read_text(encoding="utf-8"))
CHAPTERS = sync.chapters()


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_badges_open_the_copy_of_this_chapter(chapter):
    repository = CONFIG["repository"]
    page = chapter.relative_to(BOOK).with_suffix(".ipynb")
    copy = f"blob/{repository['branch']}/{repository['path_to_book']}/{page}"
    text = chapter.read_text(encoding="utf-8")
    name = repository["url"].removeprefix("https://github.com/")
    assert f"https://colab.research.google.com/github/{name}/{copy}" in text
    assert f"https://kaggle.com/kernels/welcome?src={repository['url']}/{copy}" in text
    # No other spelling of the repository's address.
    for found in re.findall(r"github\.com/([\w.-]+/xraylab)\b", text):
        assert found == name


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_is_in_the_table_of_contents(chapter):
    contents = (BOOK / "_toc.yml").read_text(encoding="utf-8")
    assert f"{chapter.parent.name}/{chapter.stem}" in contents


@pytest.mark.parametrize(
    "chapter", [path for path in CHAPTERS if path.parent.name == "chapters"], ids=lambda p: p.stem
)
def test_code_is_at_most_a_third_of_a_chapter(chapter):
    """Lines of code that are not empty, of all lines; with a margin for rewording the text."""
    text = chapter.read_text(encoding="utf-8")
    cells = jupytext.reads(text, fmt="md:myst").cells
    code = [line for c in cells if c.cell_type == "code" for line in c.source.split("\n") if line]
    # In chapter 20 the code is the subject: a course's work in plain Keras, to be copied.
    most = 0.36 if chapter.stem == "20_coursework" else 0.34
    assert len(code) <= most * len(text.splitlines())


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_short_setup_cell_finds_the_files_that_the_chapter_reads(chapter):
    """Outside a checkout they are downloaded, which must fail before a long computation."""
    cells = jupytext.reads(chapter.read_text(encoding="utf-8"), fmt="md:myst").cells
    first, *others = (cell.source for cell in cells if cell.cell_type == "code")
    assert len(first.splitlines()) <= 10
    assert "book.setup(" in first
    code = "\n".join(others)
    build = r'build\(\s*"(\w+)"(?:(?!build\().)*?weights="pretrained"'
    models = set(re.findall(build, code, re.DOTALL)) - {"rr_vit"}  # part of the package
    reads_files = bool(models) or re.search(r"book\.(folder|measured)\(", code + first)
    assert not (reads_files and "files=False" in first)


def test_copies_are_no_pages():
    assert "**.ipynb" in CONFIG["exclude_patterns"]
