"""One split of one data set: images, labels and what is known about them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraylab.data.errors import DataError
from xraylab.data.rows import MaskRows, Rows, select_boxes, take
from xraylab.findings import find_labels
from xraylab.phantom import BOX_DTYPE

if TYPE_CHECKING:
    import pandas as pd

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
            right and ``y`` downwards, both from 0 to 1; ``finding`` is an index of the 14 findings,
            also where the split has other labels.
        table: structured array (n,), what is known of each image, or None.
        masks: ``masks[i]`` is (num_labels, size, size) bool, the pixels of each label in image
            ``i``, and ``masks[rows]`` has an image axis in front; or None. Masks may be computed
            only when they are indexed.

    Args:
        images: the images.
        labels: the labels; column ``j`` belongs to ``label_names[j]``.
        source: where the images come from: ``"phantom"``, ``"chestmnist"``, a file's path, or what
            you call your own arrays.
        split: ``"train"``, ``"val"`` or ``"test"``.
        label_names: the names of the labels.
        boxes: bounding boxes of the findings.
        table: patient, sex, age, projection and the like.
        masks: anything with a length that is indexed by image numbers, slices and lists of them.
        simulated: whether the images are simulated; scores on them say nothing about patients.
        fingerprint: hex digest that changes when the images or labels do; by default that of the
            arrays.
        path: the file or folder the images were read from, if there is one.
        report: names of the images that were left out or are suspect, by reason: ``"unreadable"``,
            ``"constant"``, ``"duplicate"`` …, see ``xraylab.data.report.KINDS``.

    Raises:
        DataError: if the arrays do not fit each other or the names.
    """

    images: np.ndarray
    labels: np.ndarray
    _: KW_ONLY
    source: str = "arrays"
    split: str = "train"
    label_names: tuple[str, ...]
    boxes: np.ndarray | None = None
    table: np.ndarray | None = None
    masks: Any = None
    simulated: bool = False
    fingerprint: str = ""
    path: Path | None = None
    report: Mapping[str, list[str]] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "label_names", tuple(self.label_names))
        object.__setattr__(self, "labels", np.asarray(self.labels, dtype=np.float32))
        n, k = len(self.images), len(self.label_names)
        size = self.images.shape[1] if self.images.ndim > 1 else "size"
        advice = "Pass grey levels from 0 to 255, without an axis of channels: for x in [0, 1], "
        advice += "np.round(255 * x[..., 0]).astype(np.uint8)"
        self._require("images", f"({n}, {size}, {size}) uint8", _type(self.images), advice)
        self._require("labels", f"({n}, {k}) float32", _type(self.labels))
        wrong = ~(np.isnan(self.labels) | np.isin(self.labels, (0, 1)))
        if wrong.any():
            received = f"{wrong.sum():,} other values, such as {self.labels[wrong][0]}"
            advice = "Class numbers become a column per class with np.eye(k)[classes]"
            self._require("labels", "0, 1 or NaN (unknown)", received, advice)
        if self.boxes is not None:
            self._require("boxes", str(BOX_DTYPE.names), str(self.boxes.dtype.names))
        if self.table is not None:
            structured = f"structured {self.table.shape}" if self.table.dtype.names else "plain"
            self._require("table", f"structured ({n},)", structured)
        if self.masks is not None:
            received = len(self.masks) if hasattr(self.masks, "__getitem__") else repr(self.masks)
            self._require("masks", f"{n} masks", f"{received} masks")
        if not self.fingerprint:
            digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
            digest.update(np.ascontiguousarray(self.labels).data)
            object.__setattr__(self, "fingerprint", digest.hexdigest())

    def _require(self, name: str, expected: str, received: str, advice: str = "") -> None:
        if received != expected:
            problem = f"{name} of the {self.split} split of {self.source} do not fit"
            raise DataError(problem, expected, received, advice)

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return self.images.shape[1]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        names = ", ".join(self.label_names[:3]) + (", …" if len(self.label_names) > 3 else "")
        facts = [
            f"Split {self.source} · {self.split} · {len(self):,} images of {self.size}×{self.size} "
            f"px · {len(self.label_names)} labels ({names})"
        ]
        unknown = np.isnan(self.labels).mean()
        extras = {
            "without a positive label": f"{1.0 - (self.labels == 1).any(axis=1).mean():.0%}",
            "unknown labels": f"{unknown:.1%}" if unknown else None,
            "boxes": None if self.boxes is None else f"{len(self.boxes):,}",
            "masks": None if self.masks is None else "yes",
            "table": None if self.table is None else ", ".join(self.table.dtype.names or ()),
        }
        facts.append(" · ".join(f"{name}: {text}" for name, text in extras.items() if text))
        if self.simulated:
            facts.append("SIMULATED images: scores on them say nothing about patients")
        return "\n  ".join(filter(None, facts))

    def __getitem__(self, rows: Rows) -> "Split":
        if not isinstance(rows, slice) and not np.ndim(rows):  # also where a split is iterated
            raise TypeError(
                f"A split is not indexed by image. Expected: a slice or an array. Received: {rows}."
                " Use split.images and split.labels, x, y = split.arrays(), or split.to_dataset(32)"
            )
        return self.subset(rows)

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
                the others of ``xraylab.data.dataset.SplitDataset``.
        """
        from xraylab.data.dataset import SplitDataset  # imports Keras

        return SplitDataset(self, batch_size, **options)

    def subset(self, rows: Rows) -> "Split":
        """Return a split of some images in the order given.

        A slice keeps a memory-mapped source memory-mapped; any other index copies the images.

        Args:
            rows: a slice, row numbers, or one boolean per image.

        Raises:
            IndexError: if a row lies outside the split.
            DataError: if none is chosen.
        """
        numbers = np.atleast_1d(np.arange(len(self))[rows])
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
            masks=None if self.masks is None else MaskRows(self.masks, numbers),
            fingerprint=digest.hexdigest(),
        )

    def column(self, name: str) -> np.ndarray | None:
        """Return a column of the table, (n,), such as ``"patient"``; None if there is none."""
        if self.table is None or name not in (self.table.dtype.names or ()):
            return None
        return self.table[name]

    def to_frame(self) -> "pd.DataFrame":
        """Return labels and table as a data frame, a row per image.

        Columns of the table with several values per image hold arrays.
        """
        import pandas as pd  # half a second that few callers need

        frame = pd.DataFrame(self.labels, columns=[*self.label_names])
        if (table := self.table) is None:
            return frame
        return frame.assign(**{name: list(table[name]) for name in table.dtype.names or ()})

    def with_labels(self, label_names: Sequence[str]) -> "Split":
        """Return the split with some of its labels, in the order given.

        Boxes are not changed: they name findings whatever the labels are.

        Raises:
            ValueError: if the split has no such label, with a suggestion, or one repeats.
        """
        columns = find_labels(label_names, self.label_names)
        if columns == list(range(len(self.label_names))):
            return self
        names = tuple(label_names)
        rows = np.arange(len(self))
        return replace(
            self,
            labels=self.labels[:, columns],
            label_names=names,
            masks=None if self.masks is None else MaskRows(self.masks, rows, columns),
            fingerprint=hashlib.sha256(f"{self.fingerprint} labels {names}".encode()).hexdigest(),
        )


def _type(array: np.ndarray) -> str:
    return f"{array.shape} {array.dtype}"
