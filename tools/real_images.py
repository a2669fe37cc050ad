"""Command line and data of the measurements on the NIH subset."""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab import data, evaluation, io

BOOK = Path(__file__).resolve().parents[1] / "book"
MEASURED, RESULTS = BOOK / "measured", BOOK / "results"

SHARED = "nih_64_of_128.npz"
"""The images of nih_128.npz at 64 pixels, a file that :func:`write_shared` makes."""


def parser(description: str, file: str) -> argparse.ArgumentParser:
    """Return a parser of ``--real``, the folder of the real images, and ``--out``.

    Args:
        description: docstring of the tool.
        file: name of the file in ``book/measured`` that it writes.
    """
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("--real", type=Path, required=True, help="folder of the real images")
    made.add_argument("--out", type=Path, default=MEASURED / file)
    return made


def write(path: Path, values: dict) -> None:
    """Write what was measured as JSON, and print it."""
    io.write_json(path, values)
    print(path.read_text())


def macro_auc(
    split: data.Split, probabilities: np.ndarray, minus: np.ndarray | None = None
) -> evaluation.Interval:
    """Return the macro AUC with its interval by patient, or the paired difference from another.

    Args:
        split: the images, with their table.
        probabilities: of one model, or of several for their mean score.
        minus: the probabilities whose macro AUC is subtracted.
    """
    options = {"scores": ["macro_auc"], "patients": split.table["patient"]}
    if minus is None:
        return evaluation.bootstrap(split.labels, probabilities, **options)["macro_auc"]
    return evaluation.compare(split.labels, minus, probabilities, **options)["macro_auc"]


def load(folder: Path, *splits: str, name: str = "nih_64.npz") -> list[data.Split]:
    """Load splits with the table of their patients, without warnings of suspect images."""
    with tempfile.TemporaryDirectory() as scratch:
        path, table = find(folder, name, Path(scratch))
        options = {"table": table, "on_suspect": None, "progress": False}
        return [data.load(path, split=split, **options) for split in splits]


def find(folder: Path, name: str, scratch: Path) -> tuple[Path, Path]:
    """Return the paths of a file of images and of its table; those of SHARED are in scratch."""
    if name != SHARED:
        return folder / name, folder / "nih_images.csv"
    path = scratch / SHARED
    if not path.exists():
        write_shared(folder, path)
    return path, path.with_suffix(".csv")


def write_shared(folder: Path, out: Path) -> None:
    """Write the images of nih_64.npz that nih_128.npz has too, in its order, and their table.

    Args:
        folder: folder of the real images.
        out: ``.npz`` file to write; the table has the same name with the suffix ``.csv``.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    table = pd.read_csv(folder / "nih_images.csv", dtype={"row_128": "Int64"})
    table = table.dropna(subset="row_128").sort_values(["split", "row_128"])
    arrays = {}
    with np.load(folder / "nih_64.npz") as file:
        for split, rows in table.groupby("split"):
            for key in (f"{split}_images", f"{split}_labels"):
                arrays[key] = file[key][rows["row_64"]]
    columns = ["split", "row", "patient", "age", "sex", "view"]
    text = table.rename(columns={"row_128": "row"})[columns].to_csv(index=False)
    with io.atomic_write(out.with_suffix(".csv")) as stream:
        stream.write(text.encode())
    with io.atomic_write(out) as stream:
        np.savez(stream, **arrays)
