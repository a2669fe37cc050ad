"""Any folder of images with a table of labels."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab.arguments import invalid_argument, require_choice
from xraylab.data import columns, tables
from xraylab.data.errors import DataError
from xraylab.data.listing import Listing, image_paths
from xraylab.data.report import Report
from xraylab.findings import check_label_names

TEST_FRACTION = 0.2
"""Fraction of the patients (or images) that test, without a split column."""


def list_folder(
    root: str | os.PathLike | None = None,
    *,
    label_names: Sequence[str] | None = None,
    table: str | os.PathLike | pd.DataFrame = "labels.csv",
    image_column: str = "image",
    label_column: str | None = None,
    patient_column: str | None = None,
    split_column: str | None = None,
    reader_column: str | None = None,
    readers: str | None = None,
    split: str = "train",
) -> Listing:
    """List one split of images in a folder, with labels from a CSV table.

    Shapes:
        labels: (n, num_labels) float32, NaN where unknown; table: (n,) with ``image`` and, if there
        are such columns, ``patient``, ``age`` (years, -1 if unknown), ``sex`` and ``view``.

    Args:
        root: the folder.
        label_names: the labels: columns of the table with 0 or 1 (false or true, no or yes) in each
            cell, and nothing where the label is unknown.
        table: the CSV file, plain or gzipped, whose path is relative to ``root``; or a data frame.
        image_column: column with the path of each image from ``root``; ``.png``, ``.jpg`` or
            ``.jpeg`` at its end may be missing.
        label_column: a single column that holds the names of an image's labels instead, as
            ``a|b``, ``a; b``, ``A, b`` or ``['a', 'b']``; labels that are not named are absent, and
            all are unknown where the cell is empty.
        patient_column: column that identifies the patient; None takes a column ``patient``,
            ``Patient ID``, ``PatientID`` or ``subject_id``, if there is one.
        split_column: column with train, val (or valid, validation) or test. Without one, a stable
            hash of the patient puts a tenth of the patients into val and a fifth into test; without
            patients, the images, and then images of one patient may fall into two splits.
        reader_column: column that identifies the reader, where an image has several rows.
        readers: how several rows of an image are joined, ``"any"`` or ``"majority"``, see
            :func:`xraylab.data.columns.join_rows`; None refuses them.
        split: ``"train"``, ``"val"`` or ``"test"``.

    Returns:
        The images of the split, before any is opened.

    Raises:
        ValueError: if an argument is wrong.
        DataError: if a file is not as described, or a patient is in two splits.
    """
    if root is None or label_names is None:
        arguments = f'root={str(root or "images")!r}, table="labels.csv"'
        example = f'data.load("folder", {arguments}, label_names=["effusion", "mass"])'
        name, option = "root", "--set data_options.root=images"
        if root is not None:
            name, option = "label_names", "--label-names effusion,mass"
        raise invalid_argument(name, f"a value, as in {example} or {option}", "None")
    label_names = check_label_names(label_names)
    if readers is not None:
        require_choice("readers", readers, columns.READERS)
    root, report = Path(root).expanduser(), Report()
    if isinstance(table, pd.DataFrame):
        path, cells = Path("table"), tables.as_text(table)
    else:
        path, here = root / table, Path(table).absolute()
        if not path.exists() and here.is_file():
            problem, expected = f"{path} does not exist", "a table, its path relative to root"
            raise DataError(problem, expected, str(table), f"Pass table={str(here)!r}")
        cells = tables.read_csv(path)
    if patient_column is None:
        patient_column = tables.find_column(cells, "patient")
        if patient_column not in (None, "patient") and split_column is None:
            note = f"the column {patient_column!r} of {path.name} keeps patients in one split"
            report.add("note", [f"{note} (patient_column)"])
    label_columns = label_names if label_column is None else (label_column,)
    known = [name for name in ("age", "sex", "view") if tables.find_column(cells, name)]
    names = (image_column, *label_columns, patient_column, split_column, reader_column, *known)
    rows = tables.select(path, cells, [*dict.fromkeys(filter(None, names))])
    images = rows[image_column]
    patients = rows[patient_column or image_column]
    unknown = patients == ""
    patients = patients.mask(unknown, images)
    if split_column is None:
        splits = columns.hash_splits(patients, TEST_FRACTION)
    else:
        splits = columns.split_names(path, rows[split_column])
    columns.require_one_split(path, patients, splits)
    report.add("no patient", images[unknown & (splits == split)])
    if label_column is None:
        labels = columns.binary_labels(path, rows[list(label_names)])
    else:
        labels, contradictory = _named_labels(path, rows[label_column], label_names)
        report.add("contradictory", images[contradictory & (splits == split)])
    by_reader = None if reader_column is None else rows[reader_column]
    labels = columns.join_rows(path, images, labels, readers, by_reader)
    labels = labels[splits[labels.index] == split]
    named = {"image": images} | ({"patient": patients} if patient_column else {})
    facts = columns.image_table(rows[known].assign(**named).loc[labels.index, [*named, *known]])
    found, values = image_paths([root], facts["image"].tolist()), labels.to_numpy(np.float32)
    return Listing(root, found, values, label_names, facts, report=report)


def _named_labels(
    path: Path, cells: pd.Series, label_names: tuple[str, ...]
) -> tuple[pd.DataFrame, pd.Series]:
    """Return the labels from one column of names, and where No Finding is beside another one."""
    named, frame = columns.named_labels(cells, label_names)
    every = sorted(set().union(*named))
    for name in label_names:
        if tables.label_key(name) not in every:
            expected = f"one of {', '.join(every[:20])}"
            raise DataError(f"{path} has no label {name!r} (argument label_names)", expected, name)
    wrong = [len(names) > 1 and bool(names & {"no_finding", "normal"}) for names in named]
    return frame, pd.Series(wrong, cells.index)
