"""Command line and data of the measurements on the NIH subset."""

import argparse
from pathlib import Path

from xraylab import data


def parser(description: str, out: Path) -> argparse.ArgumentParser:
    """Return a parser of ``--real``, the folder of the real images, and ``--out``."""
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("--real", type=Path, required=True, help="folder of the real images")
    made.add_argument("--out", type=Path, default=out)
    return made


def load(folder: Path, *splits: str, name: str = "nih_64.npz") -> list[data.Split]:
    """Load splits with the table of their patients; what is suspect about them is known."""
    options = {"table": folder / "nih_images.csv", "on_suspect": None}
    return [data.load(folder / name, split=split, **options) for split in splits]
