"""Figures display themselves, change no global state and are readable on light and dark pages."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from xraylab import plotting
from xraylab.findings import FINDINGS

PAGES = {"white": "#ffffff", "dark theme": "#121212", "dark": "#14181e"}


def linear_rgb(color):
    channels = np.array(matplotlib.colors.to_rgb(color))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(first, second):
    weights = [0.2126, 0.7152, 0.0722]
    low, high = sorted(float(linear_rgb(color) @ weights) for color in (first, second))
    return (high + 0.05) / (low + 0.05)


def oklab(linear):
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


# Machado, Oliveira and Fernandes 2009, full severity, for linear RGB.
COLOR_VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("finding", [*FINDINGS, None])
def test_colors_have_enough_contrast_on_every_page(page, finding):
    color = plotting.FINDING_COLORS.get(finding, plotting.ACCENT)
    assert contrast(color, PAGES[page]) >= 3


@pytest.mark.parametrize("vision", COLOR_VISION)
def test_finding_colors_are_distinguishable(vision):
    colors = np.array([linear_rgb(plotting.FINDING_COLORS[name]) for name in FINDINGS])
    perceived = oklab(colors @ np.array(COLOR_VISION[vision]).T)
    distance = np.linalg.norm(perceived[:, None] - perceived[None], axis=-1)
    assert (distance + 9 * np.eye(len(FINDINGS))).min() > 0.06


def test_importing_the_package_imports_no_matplotlib():
    script = "import sys, xraylab, xraylab.findings; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_importing_figures_imports_no_keras():
    """In chapters without a model, TensorFlow would take seconds and print its log on the page."""
    script = "import sys; from xraylab import plotting, widgets; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_plotting_changes_no_global_state():
    script = (
        "import sys, matplotlib; before = dict(matplotlib.rcParams)\n"
        "from xraylab import plotting\n"
        "figure, axes = plotting.figure(alt='A line'); axes.plot([1, 2]); figure.to_svg()\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "import matplotlib.pyplot; sys.exit(bool(matplotlib.pyplot.get_fignums()))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_svg_is_accessible_and_takes_the_color_of_the_page():
    figure, axes = plotting.figure(alt='Points of "one" & two')
    axes.plot([1, 2])
    axes.set_title("A title")
    svg = figure._repr_mimebundle_()["text/html"]
    assert svg.startswith("<svg")
    assert 'role="img"' in svg
    assert 'aria-label="Points of &quot;one&quot; &amp; two"' in svg
    assert "currentColor" in svg
    assert plotting.FOREGROUND not in svg
    assert "http" not in svg.replace("http://www.w3.org/", "")


def test_svg_is_reproducible_and_its_identifiers_are_unique():
    def draw(values):
        return plotting.bar_chart(values, xlabel="images").to_svg()

    def identifiers(svg):
        return {part.split('"')[0] for part in svg.split(' id="')[1:]}

    one, other = draw(np.arange(14)), draw(np.arange(14)[::-1])
    assert one == draw(np.arange(14))
    assert identifiers(one)
    assert not identifiers(one) & identifiers(other)


def test_dollar_signs_in_names_are_text():
    image = np.zeros((8, 8), np.uint8)
    figure = plotting.image_grid([image], titles=[r"$\undefined{ and $x_1$"])  # no TeX
    assert figure.to_svg().startswith("<")
