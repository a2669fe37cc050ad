"""Set up a chapter of the book: scale, versions and accelerator, and the book's data."""

import os
import shutil
import subprocess
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from xraylab import __version__, doctor
from xraylab.arguments import require_choice
from xraylab.io import read_json

SCALES = ("smoke", "laptop", "full")
"""How much a chapter computes: seconds for a test, minutes on two cores, or as in the papers."""

REPOSITORY = "https://github.com/xraylab/xraylab"


def setup(backend: bool = True, files: bool = True) -> str:
    """Print versions, accelerator and scale, and return the scale.

    The scale is ``"laptop"`` unless the environment variable ``XRAYLAB_SCALE`` sets another one.

    Args:
        backend: whether to start Keras and look for an accelerator.
        files: whether the chapter reads weights, records or measurements of the book. They are
            found or downloaded here, by :func:`folder`, before anything is computed.

    Raises:
        ValueError: if ``XRAYLAB_SCALE`` is not one of :data:`SCALES`.
        FileNotFoundError: as :func:`folder`, if ``files`` is true.
    """
    scale = require_choice("XRAYLAB_SCALE", os.environ.get("XRAYLAB_SCALE", "laptop"), SCALES)
    if files:
        folder()
    banner = doctor.banner() if backend else f"xraylab {__version__} on {doctor.host()}"
    print(textwrap.fill(f"{banner}; scale {scale}", 80))  # pages do not wrap output
    return scale


def folder(url: str = REPOSITORY) -> Path:
    """Return the folder ``book`` of a checkout, with the recorded results and measurements.

    It is that of the installed checkout, or of one that holds the working directory; otherwise the
    repository is downloaded into ``xraylab-book``. Call it before any long computation.

    Raises:
        FileNotFoundError: if there is no checkout and the download fails.
    """
    roots = (Path(__file__).parents[1], Path.cwd(), *Path.cwd().parents, Path("xraylab-book"))
    for root in roots:
        if (root / "book" / "measured").is_dir():
            return root / "book"
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        command = ["git", "clone", "--quiet", "--depth", "1", url, f"{scratch}/clone"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=600)
        except (OSError, subprocess.SubprocessError) as error:
            raise FileNotFoundError(
                f"The book's data are not on this machine and could not be downloaded: run this "
                f"notebook inside a checkout of {REPOSITORY}, or connect to the network."
            ) from error
        shutil.move(f"{scratch}/clone", "xraylab-book")
    return Path("xraylab-book") / "book"


def measured(name: str) -> Any:
    """Return what a tool of the book measured: the content of ``measured/NAME.json``.

    Args:
        name: name of the file in :func:`folder`, without ``.json``.

    Raises:
        FileNotFoundError: as :func:`folder`.
        ValueError: if there is no such file.
    """
    files = {file.stem: file for file in (folder() / "measured").glob("*.json")}
    return read_json(files[require_choice("name", name, sorted(files))])
