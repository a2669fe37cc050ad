"""CheXpert from its own image files and tables, with a rule for its uncertain labels."""

import os
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab.arguments import require_choice
from xraylab.data import columns, tables
from xraylab.data.errors import DataError
from xraylab.data.listing import Listing, image_paths
from xraylab.data.report import Report
from xraylab.findings import CHEXPERT_FINDINGS

UNCERTAIN = {"ones": 1.0, "zeros": 0.0, "ignore": np.nan}
"""The value of an uncertain label by rule, see :func:`list_chexpert`."""

COLUMNS = [name.replace("_", " ").title() for name in CHEXPERT_FINDINGS]
"""Columns of the observations."""

_FACTS = ("sex", "age", "view", "Frontal/Lateral")
_VALUES = {"": 0.0, "nan": 0.0, "0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0}


def list_chexpert(
    root: str | os.PathLike,
    *,
    split: str = "train",
    uncertain: str = "ones",
    frontal_only: bool = True,
    preset_split: bool = False,
) -> Listing:
    """List one split of CheXpert from the folder in which it was unpacked.

    A tenth of the patients of ``train.csv``, chosen by a stable hash, validate; the others train.
    The test split is ``valid.csv``, whose 234 images (the lateral ones among them) were labelled by
    radiologists; CheXpert's own test images are not part of the release.

    Shapes:
        labels: (n, 14) float32, NaN where unknown; table: (n,) with ``image``, ``patient``, ``age``
        (years, -1 if missing), ``sex`` and ``view`` (AP, PA …, or Lateral).

    Args:
        root: the folder that has ``train.csv``, or the one above it.
        split: ``"train"``, ``"val"`` or ``"test"``.
        uncertain: what the label -1 counts as: ``"ones"`` (U-1) present, as in Appendix B of
            ``rand2025``; ``"zeros"`` (U-0) absent; ``"ignore"`` (U-Ignore) unknown. A blank cell is
            a finding that the report does not mention and always counts as absent.
        frontal_only: whether to leave out lateral images.
        preset_split: whether the split of the release is kept: all patients of ``train.csv`` train,
            and ``valid.csv`` is both val and test, so that the best epoch is selected on the images
            that score it.

    Returns:
        The images of the split, before any is opened.

    Raises:
        ValueError: if an argument is wrong.
        DataError: if a file is not as described, or a patient is in two splits.

    References: ``irvin2019``, Sect. "Uncertainty Approaches".
    """
    require_choice("uncertain", uncertain, UNCERTAIN)
    for name, option in (("frontal_only", frontal_only), ("preset_split", preset_split)):
        require_choice(name, option, (True, False))
    root = Path(root).expanduser()
    folders = (root, *root.glob("CheXpert-v1.0*"))
    folder = next((path for path in folders if (path / "train.csv").is_file()), root)
    train, valid = (
        tables.find_file(folder, [f"{kind}.csv"], "CheXpert's table") for kind in ("train", "valid")
    )
    lists = {path.stem: _read(path) for path in (train, valid)}
    both = pd.concat(lists, names=["table", "line"]).reset_index("table")
    columns.require_one_split(f"{train} and {valid.name}", both["patient"], both["table"])
    path = valid if split == "test" or (preset_split and split == "val") else train
    table = lists[path.stem]
    if path == train and not preset_split:
        table = table[columns.hash_splits(table["patient"]) == split]
    report = Report()
    side = table["Frontal/Lateral"].str.lower()
    lateral = side == "lateral"
    if frontal_only:
        table, lateral, side = table[~lateral], lateral[~lateral], side[~lateral]
        report.add("no view", table["image"][side != "frontal"])
    labels = observations(path, table, uncertain).to_numpy(np.float32)
    table = table.assign(view=table["view"].mask(lateral, "Lateral"))
    facts = columns.image_table(table[["image", "patient", "age", "sex", "view"]])
    # The whole release has its images in "CheXpert-v1.0 batch 1 (validate & csv)" and so on.
    paths = image_paths([folder, *sorted(folder.glob("CheXpert-v1.0*"))], table["image"].tolist())
    return Listing(folder, paths, labels, CHEXPERT_FINDINGS, facts, report=report)


def observations(path: Path, table: pd.DataFrame, uncertain: str) -> pd.DataFrame:
    """Return the labels in :data:`COLUMNS` by the rule for uncertain ones; blank is absent."""
    expected = "1.0 (present), 0.0 (absent), -1.0 (uncertain) or nothing"
    values = _VALUES | dict.fromkeys(("-1", "-1.0"), UNCERTAIN[uncertain])
    return columns.map_cells(path, table[COLUMNS], values, expected)


def _read(path: Path) -> pd.DataFrame:
    """Read ``train.csv`` or ``valid.csv``, with a column ``patient``."""
    table = tables.read_table(path, ("image", *_FACTS, *COLUMNS))
    table["image"] = table["image"].str.replace("\\", "/")
    columns.require_unique(path, table["image"])
    patients = table["image"].str.extract(r"(?:^|/)(patient\d+)/", expand=False)
    if patients.isna().any():
        expected = "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg"
        received = repr(table["image"][patients.isna()].iloc[0])
        advice = "Load other tables with data.load('folder', …)"
        raise DataError(f"{path} has other paths", f"paths like {expected}", received, advice)
    return table.assign(patient=patients)
