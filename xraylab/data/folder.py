"""Any folder of images with a table of labels."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab.data.errors import DataError
from xraylab.data.listing import Listing, image_path
from xraylab.data.npz import check_label_names
from xraylab.data.tables import (
    hash_fraction,
    image_table,
    read_table,
    require_one_split,
    require_unique,
)

VAL_FRACTION, TEST_FRACTION = 0.1, 0.2
"""Fractions of the patients (or images) that validate and test, without a split column."""

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_VALUES = dict.fromkeys(("0", "0.0", "false", "no"), 0.0)
_VALUES |= dict.fromkeys(("1", "1.0", "true", "yes"), 1.0)
_UNKNOWN = ("", "nan")


def list_folder(
    root: str | os.PathLike | None = None,
    *,
    label_names: Sequence[str] | None = None,
    table: str = "labels.csv",
    image_column: str = "image",
    label_column: str | None = None,
    patient_column: str | None = None,
    split_column: str | None = None,
    split: str = "train",
) -> Listing:
    """List one split of images in a folder, with labels from a CSV table.

    Shapes:
        labels: (n, num_labels) float32, NaN where unknown; table: (n,) with ``image`` and, if there
        is such a column, ``patient``.

    Args:
        root: the folder.
        label_names: the labels: columns of the table with 0 or 1 (false or true, no or yes) in each
            cell, and nothing where the label is unknown.
        table: the CSV file, plain or gzipped; its path is relative to ``root``.
        image_column: column with the path of each image from ``root``; ``.png``, ``.jpg`` or
            ``.jpeg`` at its end may be missing.
        label_column: a single column that holds the names of an image's labels instead, with ``|``
            between several; an image with none of the ``label_names`` in it has no label.
        patient_column: column that identifies the patient.
        split_column: column with train, val (or valid, validation) or test. Without one, a stable
            hash of the patient puts a tenth of the patients into val and a fifth into test; without
            patients, the images, and then images of one patient may fall into two splits.
        split: ``"train"``, ``"val"`` or ``"test"``.

    Raises:
        DataError: if an argument or a file is not as described, or a patient is in two splits.
    """
    for name, value, what in (
        ("root", root, "the folder with the images"),
        ("label_names", label_names, "the names of the labels"),
    ):
        if value is None:
            raise DataError(
                f"Missing argument {name}",
                what,
                "None",
                'Load as in data.load("folder", root="images", table="labels.csv", '
                'label_names=["effusion", "mass"])',
            )
    label_names = check_label_names(label_names)
    root = Path(root).expanduser()
    path = root / table
    label_columns = label_names if label_column is None else (label_column,)
    others = [column for column in (patient_column, split_column) if column is not None]
    rows = read_table(path, dict.fromkeys((image_column, *label_columns, *others)))
    require_unique(path, rows[image_column])
    patients = rows[patient_column or image_column]
    splits = (
        patients.map(_split_by_hash) if split_column is None else _splits(path, rows[split_column])
    )
    require_one_split(path, patients, splits)
    if label_column is None:
        labels = _labels(path, rows[list(label_names)])
    else:
        labels = _named_labels(path, rows[label_column], label_names)
    chosen = (splits == split).to_numpy()
    images = rows[image_column][chosen].tolist()
    facts = {} if patient_column is None else {"patient": patients[chosen]}
    return Listing(
        source="folder",
        split=split,
        root=root,
        names=images,
        paths=[image_path(root, image) for image in images],
        labels=labels[chosen],
        label_names=label_names,
        table=image_table(image=images, **facts),
    )


def _labels(path: Path, cells: pd.DataFrame) -> np.ndarray:
    """Return the labels from a column per label."""
    cells = cells.apply(lambda column: column.str.lower())
    labels = cells.apply(lambda column: column.map(_VALUES)).to_numpy(np.float32)
    wrong = np.isnan(labels) & ~cells.isin(_UNKNOWN).to_numpy()
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{path}, column {cells.columns[column]!r}, line {cells.index[row]} is no label",
            "0, 1, or nothing where the label is unknown",
            f"{cells.iloc[row, column]!r}, and {int(wrong.sum()) - 1:,} more such cells",
            "Write 0 and 1, or pass label_column=… if one column holds the labels' names",
        )
    return labels


def _named_labels(path: Path, cells: pd.Series, label_names: tuple[str, ...]) -> np.ndarray:
    """Return the labels from one column of names."""
    named = [{name.strip() for name in cell.split("|")} for cell in cells]
    there = set().union(*named)
    for name in label_names:
        if name not in there:
            raise DataError(
                f"{path} has no label {name!r} (argument label_names)",
                f"names in the table, such as {', '.join(sorted(there)[:20])}",
                repr(name),
                "Check the spelling and the capitals",
            )
    return np.array([[name in names for name in label_names] for names in named], np.float32)


def _split_by_hash(patient: str) -> str:
    fraction = hash_fraction(patient)
    if fraction < VAL_FRACTION:
        return "val"
    return "test" if fraction < VAL_FRACTION + TEST_FRACTION else "train"


def _splits(path: Path, cells: pd.Series) -> pd.Series:
    """Return the split of each row from its name in the table."""
    splits = cells.str.lower().map(_SPLITS)
    if splits.isna().any():
        raise DataError(
            f"{path}, line {splits.index[splits.isna()][0]} has no split",
            f"one of {', '.join(_SPLITS)}",
            repr(cells[splits.isna()].iloc[0]),
            "Write train, val or test, or leave split_column out",
        )
    return splits
