"""Checks of rendered pages."""

import check_html
import pytest

GOOD = '<html><body><h1 id="top">A</h1><a href="#top">up</a>{}</body></html>'


@pytest.fixture
def checked(tmp_path):
    def run(body):
        (tmp_path / "index.html").write_text(GOOD.format(body))
        return check_html.check(tmp_path)[0]

    return run


@pytest.mark.parametrize(
    "body",
    [
        '<a href="https://example.org/x">a link in the text may leave the book</a>',
        '<img src="data:image/png;base64,AA" alt="A chest X-ray with a box on the heart">',
        '<svg role="img" aria-label="Bars: hernia 42"></svg><svg><path/></svg>',
        '<link rel="canonical" href="https://example.org/">',
    ],
)
def test_valid_pages_pass(checked, body):
    assert checked(body) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('<img src="data:,">', "no alternative text"),
        ('<img src="data:," alt="">', "no alternative text"),
        ('<img src="data:," alt="../_images/abc.png">', "no alternative text"),
        ('<img src="data:," alt="Figure">', "no alternative text"),
        ('<svg role="img"></svg>', "no alternative text"),
        ('<script src="https://cdn.example.org/a.js"></script>', "external"),
        ('<script>load("https://unpkg.com/thebe@0.8.2/lib/index.js")</script>', "external"),
        ('<link rel="stylesheet" href="//fonts.example.org/a.css">', "external"),
        ('<img alt="A chest X-ray" src="http://example.org/a.png">', "external"),
        ('<iframe src="https://example.org"></iframe>', "external"),
        ("<style>@import 'https://example.org/a.css';</style>", "external"),
        ('<a href="#nowhere">x</a>', "no such anchor"),
        ('<a href="gone.html">x</a>', "no such file"),
        ('<a href="index.html#gone">x</a>', "no such anchor"),
        ('<img alt="A chest X-ray" src="gone.png">', "does not exist"),
        ("<pre>Traceback (most recent call last)</pre>", "traceback"),
        ('<div class="output stderr">x</div>', "error stream"),
        ('<span class="problematic">x</span>', "unknown directive"),
        ("<p>" + "x" * 1_500_001 + "</p>", "bytes, more than"),
    ],
)
def test_problems_are_found(checked, body, message):
    problems = checked(body)
    assert len(problems) == 1, problems
    assert message in problems[0]


def test_external_resources_of_style_sheets_are_found(tmp_path, checked):
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.css").write_text("p{background:url(https://example.org/a.png)}")
    assert "external" in checked("")[0]


def test_an_empty_folder_is_rejected(tmp_path):
    assert "no pages" in check_html.check(tmp_path)[0][0]


def test_size_counts_pictures_of_a_page_but_no_shared_files(tmp_path):
    page = '<html lang="en"><img src="a.svg" alt="A"><script src="searchindex.js"></script></html>'
    (tmp_path / "page.html").write_text(page)
    (tmp_path / "a.svg").write_bytes(b" " * 1_000)
    (tmp_path / "searchindex.js").write_bytes(b" " * 5_000)
    assert check_html.check(tmp_path)[1] == {"page.html": len(page) + 1_000}
