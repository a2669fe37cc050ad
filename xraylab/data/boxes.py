"""Bounding boxes of findings: read from tables, checked, and placed on square images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from xraylab.data.errors import DataError
from xraylab.phantom import BOX_DTYPE

_MARGIN = 0.01  # a few published boxes pass the edge by a pixel or two
_STARTS, _ENDS = ["x_min", "y_min"], ["x_max", "y_max"]


def boxes_of(
    path: Path, rows: pd.DataFrame, columns: Sequence[str], images: Sequence[str], side: float = 0
) -> np.ndarray:
    """Return the boxes in the rows of a table.

    Args:
        path: the table.
        rows: its rows by line number, with the columns ``image`` and ``finding``, an index of the
            14 findings.
        columns: of ``x``, ``y``, width and height, in this order, if a side is given; else of the
            left, upper, right and lower end.
        images: names of the images; boxes of others are left out.
        side: side of the images in pixels, of which fractions are returned; 0 returns pixels.

    Raises:
        DataError: if a number is not finite, or a box empty or outside the image.
    """
    ends = rows[[*columns]].apply(pd.to_numeric, errors="coerce").to_numpy(float, copy=True)
    if side:
        ends[:, 2:] += ends[:, :2]
        ends /= side
    margin, largest = (_MARGIN, 1 + _MARGIN) if side else (0, np.finfo(float).max)
    fits = ((ends >= -margin) & (ends <= largest)).all(1) & (ends[:, :2] < ends[:, 2:]).all(1)
    if not fits.all():
        line = rows.index[~fits][0]
        expected = f"numbers of pixels as {', '.join(columns)}, inside the image"
        received = str(rows.loc[line, [*columns]].tolist())
        raise DataError(f"{path}, line {line} is no box", expected, received)
    index = {name: i for i, name in enumerate(images)}
    named = rows["image"].map(index), rows["finding"], *(ends.clip(0, 1) if side else ends).T
    return np.array(sorted(row for row in zip(*named, strict=True) if row[0] >= 0), BOX_DTYPE)


def on_square(boxes: np.ndarray, sides: np.ndarray, square: str, names: np.ndarray) -> np.ndarray:
    """Convert boxes in pixels of image files to fractions of the images made square.

    Args:
        boxes: the boxes; those that ``square="crop"`` cuts off are left out.
        sides: width and height of each image file in pixels, (n, 2).
        square: as for :func:`xraylab.data.image_io.read_image`.
        names: names of the images.

    Raises:
        DataError: if a box is outside its image.
    """
    sides = sides[boxes["image"]].astype(float)
    ends = np.stack([boxes[name] for name in _ENDS], 1)
    outside = (ends > sides * (1 + _MARGIN)).any(1)
    if outside.any():
        row = np.flatnonzero(outside)[0]
        expected = f"inside its {sides[row, 0]:.0f}×{sides[row, 1]:.0f} px"
        received = f"x and y up to {ends[row].tolist()}"
        advice = "Boxes are in pixels of the published files: scale them as the images"
        name = names[boxes["image"][row]]
        raise DataError(f"A box of {name} does not fit", expected, received, advice)
    scales = {"pad": sides.max(1), "crop": sides.min(1)}
    placed = boxes.copy()
    for fields in (_STARTS, _ENDS):
        for axis, name in enumerate(fields):
            centred = boxes[name] - sides[:, axis] / 2
            placed[name] = np.clip(centred / scales.get(square, sides[:, axis]) + 0.5, 0, 1)
    return placed[(placed["x_min"] < placed["x_max"]) & (placed["y_min"] < placed["y_max"])]
