"""One look: figures show themselves, leave the global state alone and are readable on any page."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from xraylab import plotting
from xraylab.findings import FINDINGS

PAGES = {"white": "#ffffff", "dark theme": "#121212", "dark": "#14181e"}


def _linear(colour):
    channels = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _contrast(one, other):
    low, high = sorted(float(_linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def _oklab(linear):
    lms = np.cbrt(
        np.clip(linear, 0, 1)
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    return lms @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )


# Machado, Oliveira and Fernandes 2009, full severity, on linear RGB.
EYES = {
    "normal": np.eye(3),
    "red-blind": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "green-blind": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("finding", [*FINDINGS, None])
def test_colours_stand_out_from_light_and_dark_pages(page, finding):
    colour = plotting.FINDING_COLOURS.get(finding, plotting.ACCENT)
    assert _contrast(colour, PAGES[page]) >= 3


@pytest.mark.parametrize("eyes", EYES)
def test_findings_can_be_told_apart(eyes):
    colours = np.array([_linear(plotting.FINDING_COLOURS[name]) for name in FINDINGS])
    seen = _oklab(colours @ np.array(EYES[eyes]).T)
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 9 * np.eye(len(FINDINGS))
    assert apart.min() > 0.06


def test_importing_the_package_imports_no_matplotlib():
    script = "import sys, xraylab, xraylab.findings; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_plotting_leaves_pyplot_and_the_settings_alone():
    script = (
        "import sys, matplotlib; before = dict(matplotlib.rcParams)\n"
        "from xraylab import plotting\n"
        "figure, axes = plotting.figure(alt='A line'); axes.plot([1, 2]); figure.to_svg()\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "import matplotlib.pyplot; sys.exit(bool(matplotlib.pyplot.get_fignums()))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_figure_shows_itself_in_the_colours_of_the_page():
    figure, axes = plotting.figure(alt='Points of "one" & two')
    axes.plot([1, 2])
    axes.set_title("A title")
    shown = figure._repr_mimebundle_()["text/html"]
    assert shown.startswith("<svg")
    assert 'role="img"' in shown
    assert 'aria-label="Points of &quot;one&quot; &amp; two"' in shown
    assert "currentColor" in shown
    assert plotting.INK not in shown
    assert "http" not in shown.replace("http://www.w3.org/", "")


def test_a_figure_is_the_same_bytes_each_time_and_shares_no_names_with_another():
    def draw(values):
        return plotting.bars(values, unit="images").to_svg()

    def names(svg):
        return {part.split('"')[0] for part in svg.split(' id="')[1:]}

    one, other = draw(np.arange(14)), draw(np.arange(14)[::-1])
    assert one == draw(np.arange(14))
    assert names(one)
    assert not names(one) & names(other)


def test_png_is_on_white():
    figure, _ = plotting.figure(alt="Nothing")
    assert figure.to_png().startswith(b"\x89PNG")
