"""VinDr-CXR from its own image files and tables: several readers, and boxes."""

import os
from pathlib import Path

import pandas as pd

from xraylab.arguments import require_choice
from xraylab.data import columns, tables
from xraylab.data.boxes import boxes_of
from xraylab.data.listing import Listing, image_paths
from xraylab.findings import FINDINGS, VINDR_FINDINGS, match_labels

_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_CLASSES = dict(zip(VINDR_FINDINGS, match_labels(VINDR_FINDINGS, FINDINGS), strict=True))


def list_vindr_cxr(
    root: str | os.PathLike, *, split: str = "train", readers: str = "majority"
) -> Listing:
    """List one split of VinDr-CXR from the folder in which it was unpacked.

    The images are in ``train/`` and ``test/``, the tables ``image_labels_train.csv``,
    ``image_labels_test.csv`` and, if boxes are wanted, ``annotations_train.csv`` and
    ``annotations_test.csv`` in ``annotations/`` or in the folder itself. A tenth of the training
    images, chosen by a stable hash, validate: the release does not identify patients. All views
    are PA. Three radiologists read each training image; the labels of test images are the consensus
    of five.

    Boxes are those of all readers, where the joined label is present and one of the 14 findings of
    ChestX-ray14: of those by which :data:`xraylab.phantom.BOX_DTYPE` counts. They are in pixels of
    the published files, so that copies of another size need tables of theirs.

    Shapes:
        labels: (n, 28) float32, NaN where unknown; boxes in pixels of the file; table: (n,) with
        ``image``.

    Args:
        root: the folder.
        split: ``"train"``, ``"val"`` or ``"test"``.
        readers: how the readers of an image are joined, ``"majority"`` or ``"any"``, see
            :func:`xraylab.data.columns.join_rows`.

    Returns:
        The images of the split, before any is opened.

    Raises:
        ValueError: if an argument is wrong.
        DataError: if a file is not as described.

    References: ``nguyen2022``.
    """
    require_choice("readers", readers, columns.READERS)
    root, kind = Path(root).expanduser(), "test" if split == "test" else "train"
    folder = root / "annotations" if (root / "annotations").is_dir() else root
    path = tables.find_file(folder, [f"image_labels_{kind}.csv*"], "VinDr-CXR's table of labels")
    rows = tables.read_table(path, ("image", *VINDR_FINDINGS), ("reader",))
    labels = columns.binary_labels(path, rows[[*VINDR_FINDINGS]])
    labels = columns.join_rows(path, rows["image"], labels, readers, rows["reader"])
    labels = labels.set_axis(rows["image"][labels.index])
    if kind == "train":
        labels = labels[columns.hash_splits(labels.index.to_series()) == split]
    images, boxes = labels.index.tolist(), None
    path = folder / f"annotations_{kind}.csv"
    if path.is_file():
        rows = tables.read_table(path, ("image", "class_name", *_CORNERS))
        names = rows["class_name"].map(tables.label_key)
        columns.require_known(path, {*names}, VINDR_FINDINGS)
        rows["finding"] = names.map(_CLASSES)
        present = labels.stack().eq(1)
        joined = pd.MultiIndex.from_frame(pd.DataFrame({"image": rows["image"], "name": names}))
        chosen = present.reindex(joined, fill_value=False).to_numpy() & rows["finding"].notna()
        boxes = boxes_of(path, rows[chosen], _CORNERS, images)
    found = image_paths([root / kind], images)
    table = columns.image_table(pd.DataFrame({"image": images}))
    values = labels.to_numpy("float32")
    return Listing(root, found, values, VINDR_FINDINGS, table, boxes, box_pixels=True)
