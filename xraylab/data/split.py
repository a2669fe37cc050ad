"""One split of one data set: images, labels and what is known about them."""

import hashlib
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from xraylab.data.batches import take
from xraylab.data.errors import DataError
from xraylab.phantom import BOX_DTYPE

if TYPE_CHECKING:
    from xraylab.data.dataset import SplitDataset

SPLITS = ("train", "val", "test")
"""Names of the three splits, as MedMNIST writes them."""


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """The images of one split with their labels.

    Shapes:
        images: (n, size, size) uint8, 0 to 255; memory-mapped where the source is a file.
        labels: (n, num_labels) float32, 0 or 1, NaN where unknown.
        boxes: structured array of :data:`xraylab.phantom.BOX_DTYPE`, or None; ``x`` runs to the
            right and ``y`` downwards, both from 0 to 1.
        table: structured array (n,), what is known of each image, or None.
        masks: ``masks[i]`` is (num_labels, size, size) bool, the pixels of each label in image
            ``i``, and ``masks[rows]`` has an image axis in front; or None. Masks may be computed
            only when they are indexed.

    Args:
        images: the images.
        labels: the labels; column ``j`` belongs to ``label_names[j]``.
        source: where the images come from: ``"phantom"``, ``"chestmnist"`` or a file's path.
        split: ``"train"``, ``"val"`` or ``"test"``.
        label_names: the names of the labels.
        boxes: bounding boxes of the findings.
        table: patient, sex, age, projection and the like.
        masks: anything with a length that is indexed by image numbers, slices and lists of them.
        simulated: whether the images are simulated; scores on them say nothing about patients.
        fingerprint: hex digest that changes when the images or labels do.
        path: the file or folder the images were read from, if there is one.

    Raises:
        DataError: if the arrays do not fit each other or the names.
    """

    images: np.ndarray
    labels: np.ndarray
    _: KW_ONLY
    source: str
    split: str
    label_names: tuple[str, ...]
    boxes: np.ndarray | None = None
    table: np.ndarray | None = None
    masks: Any = None
    simulated: bool = False
    fingerprint: str
    path: Path | None = None

    def __post_init__(self):
        object.__setattr__(self, "label_names", tuple(self.label_names))
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype=np.float32))
        n, k, size = len(self.images), len(self.label_names), self.images.shape[-1]
        self._require("images", f"({n}, {size}, {size}) uint8", _type(self.images))
        self._require("labels", f"({n}, {k}) float32", _type(self.labels))
        wrong = self.labels[~(np.isnan(self.labels) | np.isin(self.labels, (0, 1)))]
        if len(wrong):
            self._require("labels", "0, 1 or NaN (unknown)", str(wrong[0]))
        if self.boxes is not None:
            self._require("boxes", str(BOX_DTYPE.names), str(self.boxes.dtype.names))
        if self.table is not None:
            structured = f"structured {self.table.shape}" if self.table.dtype.names else "plain"
            self._require("table", f"structured ({n},)", structured)
        if self.masks is not None:
            indexed = hasattr(self.masks, "__len__") and hasattr(self.masks, "__getitem__")
            received = f"{len(self.masks)} masks" if indexed else repr(self.masks)
            self._require("masks", f"{n} masks", received)

    def _require(self, name: str, expected: str, received: str) -> None:
        if received != expected:
            problem = f"{name} of the {self.split} split of {self.source} do not fit"
            raise DataError(problem, expected, received)

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return self.images.shape[1]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        k, size = len(self.label_names), self.size
        names = ", ".join(self.label_names[:3]) + (", …" if k > 3 else "")
        of = f"{len(self):,} images of {size}×{size} px"
        facts = [f"Split {self.source}", self.split, of, f"{k} labels ({names})"]
        if len(self):
            negative = 1.0 - (self.labels == 1).any(axis=1).mean()
            facts.append(f"{negative:.0%} of the images without a positive label")
        extras = []
        if np.isnan(self.labels).any():
            extras.append(f"unknown labels: {np.isnan(self.labels).mean():.1%}")
        if self.boxes is not None:
            extras.append(f"boxes: {len(self.boxes):,}")
        if self.masks is not None:
            extras.append("masks")
        if self.table is not None:
            extras.append(f"table: {', '.join(self.table.dtype.names)}")
        warning = "SIMULATED images: scores on them say nothing about patients"
        lines = [" · ".join(facts), " · ".join(extras), warning if self.simulated else ""]
        return "\n  ".join(filter(None, lines))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all images and labels in memory, as ``Model.fit`` takes them.

        Shapes:
            returns: (n, size, size, 1) float32 in [0, 1]; (n, num_labels) float32, NaN where
            unknown.
        """
        return take(self, slice(None))

    def to_dataset(self, batch_size: int = 32, **options: Any) -> "SplitDataset":
        """Return a Keras dataset of the split, for ``Model.fit``, ``evaluate`` and ``predict``.

        Args:
            batch_size: images per batch.
            options: ``shuffle=False``, ``seed=0``, ``drop_remainder=False``, ``augment=None`` and
                the others of ``xraylab.data.SplitDataset``.
        """
        from xraylab.data.dataset import SplitDataset  # imports Keras

        return SplitDataset(self, batch_size, **options)

    def subset(self, rows: slice | np.ndarray | list[int]) -> "Split":
        """Return a split of some images in the order given.

        A slice keeps a memory-mapped source memory-mapped; any other index copies the images.

        Args:
            rows: a slice, row numbers, or one boolean per image.

        Raises:
            DataError: if a row lies outside the split or none is chosen.
        """
        try:
            numbers = np.atleast_1d(np.arange(len(self))[rows])
        except IndexError as error:
            expected = f"a slice, row numbers from 0 to {len(self) - 1}, or {len(self)} booleans"
            raise DataError("rows lie outside the split", expected, str(error)) from error
        if not len(numbers):
            raise DataError("rows choose no image", f"some of {len(self)} images", repr(rows))
        chosen = rows if isinstance(rows, slice) else numbers
        digest = hashlib.sha256(f"{self.fingerprint} rows ".encode())
        digest.update(numbers.astype("<i8").tobytes())
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            boxes=None if self.boxes is None else select_boxes(self.boxes, numbers),
            table=None if self.table is None else self.table[chosen],
            masks=None if self.masks is None else _Rows(self.masks, numbers),
            fingerprint=digest.hexdigest(),
        )


class _Rows:
    """Some rows of masks, which are read only when they are indexed."""

    def __init__(self, masks: Any, rows: np.ndarray):
        self._masks, self._rows = masks, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | np.ndarray | list[int]) -> np.ndarray:
        return self._masks[self._rows[index]]


def evenly_spaced(num_images: int, count: int, seed: int, split: str) -> slice:
    """Return a slice of ``count`` evenly spaced rows out of ``num_images``."""
    if count > num_images:
        problem = f"num_images is larger than the {split} split"
        raise DataError(problem, f"at most {num_images:,}", f"{count:,}", "Pass a smaller number")
    step = num_images // count
    last_start = num_images - (count - 1) * step
    start = int(np.random.Philox(key=seed).random_raw() % last_start)
    return slice(start, start + (count - 1) * step + 1, step)


def select_boxes(boxes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the boxes of the images in ``rows``, with ``image`` counted in the new order."""
    images = pd.DataFrame({"image": rows, "new": range(len(rows))})
    pairs = images.merge(pd.DataFrame({"image": boxes["image"], "box": range(len(boxes))}))
    chosen = boxes[pairs["box"].to_numpy()]
    chosen["image"] = pairs["new"]
    return chosen


def _type(array: np.ndarray) -> str:
    return f"{array.shape} {array.dtype}"
