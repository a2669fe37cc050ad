"""CheXpert from its own image files and tables, with a rule for its uncertain labels."""

import os
import re
from pathlib import Path

import numpy as np

from xraylab.data.errors import DataError
from xraylab.data.listing import Listing
from xraylab.data.tables import (
    find_file,
    image_table,
    read_table,
    require_apart,
    require_different,
    share_of,
)
from xraylab.findings import CHEXPERT_FINDINGS

UNCERTAIN = ("ones", "zeros", "ignore")
"""What an uncertain label may count as, see :func:`list_chexpert`."""

VAL_SHARE = 0.1
"""Share of the patients of ``train.csv`` that validate."""

_COLUMNS = tuple(name.replace("_", " ").title() for name in CHEXPERT_FINDINGS)
_FACTS = ("Sex", "Age", "Frontal/Lateral", "AP/PA")
_ABSENT, _PRESENT, _UNCERTAIN = 0, 1, -1
_RELEASES = ("CheXpert-v1.0-small", "CheXpert-v1.0")


def list_chexpert(
    root: str | os.PathLike,
    *,
    split: str = "train",
    uncertain: str = "ones",
    frontal_only: bool = True,
) -> Listing:
    """List one split of CheXpert from the folder in which it was unpacked.

    Of the patients of ``train.csv`` a tenth, chosen by a stable hash, validate and the others
    train. The test split is ``valid.csv``, whose 234 images (the lateral ones among them) were
    labelled by radiologists; CheXpert's own test images are not part of the release.

    Shapes:
        labels: (n, 14) uint8; known: (n, 14) bool with ``uncertain="ignore"``, else None; table:
        (n,) with ``image``, ``patient``, ``age`` (years, -1 where there is none), ``sex`` and
        ``view`` (AP, PA …, or Lateral).

    Args:
        root: the folder that has ``train.csv``, or the one above it.
        split: ``"train"``, ``"val"`` or ``"test"``.
        uncertain: what the label -1 counts as: ``"ones"`` (U-Ones) present, ``"zeros"`` (U-Zeros)
            absent, ``"ignore"`` (U-Ignore) unknown, so that it counts neither way. A blank cell is
            a finding that the report does not mention and always counts as absent.
        frontal_only: whether to leave out lateral images.

    Raises:
        DataError: if an argument or a file is not as described, or a patient is in two splits.

    Source: ``irvin2019``, Sect. "Uncertainty Approaches".
    """
    if uncertain not in UNCERTAIN:
        raise DataError(
            "argument uncertain",
            expected=f"one of {', '.join(UNCERTAIN)}",
            found=repr(uncertain),
            advice="choose what an uncertain label counts as: present, absent or not at all",
        )
    if not isinstance(frontal_only, bool):
        raise DataError(
            "argument frontal_only",
            expected="True or False",
            found=repr(frontal_only),
            advice="pass True to leave out lateral images, False to take them too",
        )
    root = Path(root).expanduser()
    within = (root / release for release in _RELEASES)
    folder = next((path for path in (root, *within) if (path / "train.csv").is_file()), root)
    train, valid = (
        _Entries(find_file(folder, [f"{kind}.csv"], "CheXpert's table"))
        for kind in ("train", "valid")
    )
    require_apart(
        f"{train.path} and {valid.path.name}",
        [*train.patients, *valid.patients],
        ["train"] * len(train.patients) + ["valid"] * len(valid.patients),
    )
    entries = valid if split == "test" else train
    rows = np.array(
        [
            row
            for row, (patient, view) in enumerate(
                zip(entries.patients, entries.columns["Frontal/Lateral"], strict=True)
            )
            if (view != "Lateral" or not frontal_only)
            and (split == "test" or (share_of(patient) < VAL_SHARE) == (split == "val"))
        ],
        dtype=int,
    )
    states = entries.states()[rows]
    counted = (_PRESENT, _UNCERTAIN) if uncertain == "ones" else (_PRESENT,)
    chosen = [entries.columns["Path"][row] for row in rows]
    return Listing(
        source="chexpert",
        split=split,
        root=folder,
        names=chosen,
        paths=[_file(folder, name) for name in chosen],
        labels=np.isin(states, counted).astype(np.uint8),
        label_names=CHEXPERT_FINDINGS,
        known=states != _UNCERTAIN if uncertain == "ignore" else None,
        table=entries.table()[rows],
    )


class _Entries:
    """The rows of ``train.csv`` or ``valid.csv``."""

    def __init__(self, path: Path):
        self.path = path
        self.columns = read_table(path, ("Path", *_FACTS, *_COLUMNS))
        require_different(path, self.columns["Path"])
        self.patients = [_patient(path, name) for name in self.columns["Path"]]

    def states(self) -> np.ndarray:
        """Return the cells as (n, 14) int8: 1 present, 0 absent or blank, -1 uncertain."""
        columns = []
        for name in _COLUMNS:
            cells = self.columns[name]
            values = {cell: self._state(name, cell) for cell in set(cells)}
            columns.append([values[cell] for cell in cells])
        return np.array(columns, np.int8).T

    def _state(self, column: str, cell: str) -> int:
        try:
            state = float(cell) if cell else 0.0
        except ValueError:
            state = float("nan")
        if state not in (_ABSENT, _PRESENT, _UNCERTAIN):
            raise DataError(
                f"{self.path}, column {column!r}",
                expected="1.0 (present), 0.0 (absent), -1.0 (uncertain) or nothing",
                found=repr(cell),
                advice="fetch the table again",
            )
        return int(state)

    def table(self) -> np.ndarray:
        """Return what is known of each image."""
        sex, age, direction, view = (self.columns[name] for name in _FACTS)
        return image_table(
            {
                "image": self.columns["Path"],
                "patient": self.patients,
                "age": [int(text) if text.isdecimal() else -1 for text in age],
                "sex": [text[:1] if text in ("Female", "Male") else "" for text in sex],
                "view": [
                    "Lateral" if side == "Lateral" else projection
                    for side, projection in zip(direction, view, strict=True)
                ],
            }
        )


def _patient(path: Path, name: str) -> str:
    found = re.search(r"(?:^|/)(patient\d+)/", name)
    if found is None:
        raise DataError(
            path,
            expected="paths like CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg",
            found=repr(name),
            advice="fetch the table again; other tables go through data.load('folder', …)",
        )
    return found[1]


def _file(folder: Path, name: str) -> Path | None:
    """Return the file of an image, whose path in the table begins with the release's own folder."""
    path = folder / name.split("/", 1)[-1]
    return path if path.is_file() else None
