"""The checks of the rendered pages find what they are there to find."""

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
def test_a_good_page_passes(checked, body):
    assert checked(body) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<img src="data:,">', "no text"),
        ('<img src="data:," alt="">', "no text"),
        ('<img src="data:," alt="../_images/abc.png">', "no text"),
        ('<img src="data:," alt="Figure">', "no text"),
        ('<svg role="img"></svg>', "no text"),
        ('<script src="https://cdn.example.org/a.js"></script>', "outside"),
        ('<script>load("https://unpkg.com/thebe@0.8.2/lib/index.js")</script>', "outside"),
        ('<link rel="stylesheet" href="//fonts.example.org/a.css">', "outside"),
        ('<img alt="A chest X-ray" src="http://example.org/a.png">', "outside"),
        ('<iframe src="https://example.org"></iframe>', "outside"),
        ("<style>@import 'https://example.org/a.css';</style>", "outside"),
        ('<a href="#nowhere">x</a>', "no such place"),
        ('<a href="gone.html">x</a>', "no such file"),
        ('<a href="index.html#gone">x</a>', "no such place"),
        ('<img alt="A chest X-ray" src="gone.png">', "not there"),
        ("<pre>Traceback (most recent call last)</pre>", "traceback"),
        ('<div class="output stderr">x</div>', "error stream"),
        ('<span class="problematic">x</span>', "not understood"),
        ("<p>" + "x" * 1_500_001 + "</p>", "weighs"),
    ],
)
def test_a_bad_page_is_found(checked, body, words):
    problems = checked(body)
    assert len(problems) == 1, problems
    assert words in problems[0]


def test_a_style_sheet_that_leaves_the_book_is_found(tmp_path, checked):
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.css").write_text("p{background:url(https://example.org/a.png)}")
    assert "outside" in checked("")[0]


def test_an_empty_folder_is_no_book(tmp_path):
    assert check_html.main(str(tmp_path)) == 1
