"""One split of one data set: images, labels and what is known about them, read batch by batch."""

import hashlib
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xraylab.arguments import MAX_SEED, require_int
from xraylab.data.errors import DataError
from xraylab.findings import find_labels
from xraylab.phantom import BOX_DTYPE

if TYPE_CHECKING:
    import pandas as pd

    from xraylab.data.dataset import SplitDataset

SPLITS = ("train", "val", "test")
"""Names of the three splits, as MedMNIST writes them."""

Rows = slice | np.ndarray | list[int]
"""What images are chosen by: a slice, row numbers, or one boolean per image."""

_ROWS_AT_A_TIME = 16  # the system may map 2 MB of the file for each row


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
            masks=None if self.masks is None else _Rows(self.masks, numbers),
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
            masks=None if self.masks is None else _Rows(self.masks, rows, columns),
            fingerprint=hashlib.sha256(f"{self.fingerprint} labels {names}".encode()).hexdigest(),
        )


def take(split: Split, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return some images of a split and their labels as model inputs and targets.

    Shapes:
        images: (batch, size, size, 1) float32 in [0, 1].
        labels: (batch, num_labels) float32, 0 or 1, NaN where unknown.

    Args:
        split: the split.
        rows: row numbers, or a slice.

    Returns:
        The images and the labels.

    Raises:
        DataError: if the file of the images was truncated after it was mapped.
    """
    images = read_rows(split.images, rows)[..., np.newaxis]
    return np.divide(images, np.float32(255), dtype=np.float32), np.array(split.labels[rows])


def epoch_order(num_images: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of the images in one epoch: a permutation of ``num_images`` row numbers.

    It depends on the three arguments alone, on every machine and with every NumPy: images are
    sorted by the random words of a Philox counter keyed by ``(seed, epoch)``. NumPy guarantees that
    the words stay the same, which it does not for ``Generator.permutation``.

    Shapes:
        returns: (num_images,) int64.

    Args:
        num_images: number of images.
        seed: seed of all epochs, from 0 to 2**64 - 1.
        epoch: number of the epoch, from 0.

    Raises:
        ValueError: if ``seed`` or ``epoch`` is out of range.
    """
    key = [require_int("seed", seed, 0, MAX_SEED), require_int("epoch", epoch, 0, MAX_SEED)]
    words = np.random.Philox(key=np.array(key, dtype=np.uint64)).random_raw(num_images)
    return np.argsort(words, kind="stable")


def read_rows(images: np.ndarray, rows: Rows) -> np.ndarray:
    """Return a copy of some rows of an array, without keeping the pages of a memory map.

    Every page of a memory map that is read counts as memory of the process: after one epoch of the
    224-pixel images, that would be all 3.94 GB. The pages are released again; the system's file
    cache still has them.

    Shapes:
        images: (n, ...); returns: (number of rows, ...), of the same dtype.

    Args:
        images: the array, in memory or memory-mapped.
        rows: row numbers, or a slice.

    Raises:
        DataError: if the file was truncated after it was mapped.
    """
    mapped: Any = images
    while isinstance(mapped, np.ndarray):
        mapped = mapped.base
    if not isinstance(mapped, mmap.mmap) or images.flags.writeable:
        return np.array(images[rows])
    if mapped.size() < len(mapped):  # reading beyond the end of the file would kill the process
        problem = f"{getattr(images, 'filename', None) or 'The file'} was cut short while in use"
        expected, advice = f"{len(mapped):,} bytes", "Load the split again to rebuild the file"
        raise DataError(problem, expected, f"{mapped.size():,} bytes", advice)
    rows = np.arange(len(images))[rows]
    copied = np.empty((len(rows), *images.shape[1:]), images.dtype)
    for start in range(0, len(rows), _ROWS_AT_A_TIME):
        part = slice(start, start + _ROWS_AT_A_TIME)
        copied[part] = images[rows[part]]
        if hasattr(mapped, "madvise"):  # not on Windows
            mapped.madvise(mmap.MADV_DONTNEED)
    return copied


class _Rows:
    """Some rows and labels of masks, which are read only when they are indexed."""

    def __init__(self, masks: Any, rows: np.ndarray, columns: list[int] | None = None):
        self._masks, self._rows = masks, rows
        self._columns = slice(None) if columns is None else columns

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | Rows) -> np.ndarray:
        return self._masks[self._rows[index]][..., self._columns, :, :]


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
    import pandas as pd  # half a second that few callers need

    images = pd.DataFrame({"image": rows, "new": range(len(rows))})
    pairs = images.merge(pd.DataFrame({"image": boxes["image"], "box": range(len(boxes))}))
    chosen = boxes[pairs["box"].to_numpy()]
    chosen["image"] = pairs["new"]
    return chosen


def _type(array: np.ndarray) -> str:
    return f"{array.shape} {array.dtype}"
