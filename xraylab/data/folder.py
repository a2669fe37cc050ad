"""Any folder of images with a table of labels: the data of coursework."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from xraylab.data.errors import DataError
from xraylab.data.listing import Listing, image_path
from xraylab.data.npz_checks import checked_names
from xraylab.data.tables import (
    image_table,
    read_table,
    require_apart,
    require_different,
    share_of,
)

VAL_SHARE, TEST_SHARE = 0.1, 0.2
"""Shares of the patients (or images) that validate and test, where the table does not say."""

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_ABSENT, _PRESENT, _UNKNOWN = ("0", "0.0", "false", "no"), ("1", "1.0", "true", "yes"), ("", "nan")


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
    """List one split of images in a folder, with labels from a CSV table of any make.

    Shapes:
        labels: (n, k) uint8; known: (n, k) bool, or None where all labels are known; table: (n,)
        with ``image`` and, if there is such a column, ``patient``.

    Args:
        root: the folder.
        label_names: the ``k`` labels: columns of the table with 0 or 1 (false or true, no or yes)
            in each cell, and nothing where the label is not known.
        table: the CSV file, plain or gzipped; its path counts from ``root``.
        image_column: column with the path of each image from ``root``; ``.png``, ``.jpg`` or
            ``.jpeg`` at its end may be missing.
        label_column: a single column that holds the names of an image's labels instead, ``|`` between
            several; an image with none of the ``label_names`` in it has no label.
        patient_column: column that tells whose image it is.
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
                f"argument {name}",
                expected=what,
                found="nothing",
                advice='load as in data.load("folder", root="images", table="labels.csv", '
                'label_names=["effusion", "mass"])',
            )
    label_names = checked_names(label_names)
    root = Path(root).expanduser()
    path = root / table
    label_columns = label_names if label_column is None else (label_column,)
    others = [column for column in (patient_column, split_column) if column is not None]
    columns = read_table(path, (image_column, *label_columns, *others))
    images = columns[image_column]
    require_different(path, images)
    patients = images if patient_column is None else columns[patient_column]
    splits = (
        [_split_of(patient) for patient in patients]
        if split_column is None
        else [_split_named(path, text) for text in columns[split_column]]
    )
    require_apart(path, patients, splits)
    rows = np.array([row for row, name in enumerate(splits) if name == split], int)
    if label_column is None:
        labels, known = _labels(path, columns, label_names)
    else:
        labels, known = _named_labels(path, columns[label_column], label_names), None
    facts = {"image": images} | ({} if patient_column is None else {"patient": patients})
    return Listing(
        source="folder",
        split=split,
        root=root,
        names=[images[row] for row in rows],
        paths=[image_path(root, images[row]) for row in rows],
        labels=labels[rows],
        label_names=label_names,
        known=None if known is None else known[rows],
        table=image_table(facts)[rows],
    )


def _labels(path: Path, columns, label_names) -> tuple[np.ndarray, np.ndarray | None]:
    """Return labels and, unless all are known, which are, from a column a label."""
    cells = np.array([[cell.lower() for cell in columns[name]] for name in label_names]).T
    present, known = np.isin(cells, _PRESENT), ~np.isin(cells, _UNKNOWN)
    wrong = known & ~present & ~np.isin(cells, _ABSENT)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{path}, column {label_names[column]!r}",
            expected="0, 1, or nothing where the label is not known",
            found=f"{cells[row, column]!r}, and {int(wrong.sum()) - 1:,} more such cells",
            advice="write 0 and 1, or pass label_column=… if one column holds the labels' names",
        )
    return present.astype(np.uint8), None if known.all() else known


def _named_labels(path: Path, cells: list[str], label_names: tuple[str, ...]) -> np.ndarray:
    """Return labels from one column of names."""
    named = [{name.strip() for name in cell.split("|")} for cell in cells]
    there = set().union(*named)
    for name in label_names:
        if name not in there:
            raise DataError(
                f"{path}, argument label_names",
                expected=f"names that the table has, such as {', '.join(sorted(there)[:20])}",
                found=repr(name),
                advice="check the spelling, capitals too",
            )
    return np.array([[name in names for name in label_names] for names in named], np.uint8)


def _split_of(key: str) -> str:
    share = share_of(key)
    if share < VAL_SHARE:
        return "val"
    return "test" if share < VAL_SHARE + TEST_SHARE else "train"


def _split_named(path: Path, text: str) -> str:
    if text.lower() not in _SPLITS:
        raise DataError(
            path,
            expected=f"a split in each row: one of {', '.join(_SPLITS)}",
            found=repr(text),
            advice="write train, val or test, or leave split_column out",
        )
    return _SPLITS[text.lower()]
