"""One split of one data set: images, labels and what is known about them."""

import hashlib
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from xraylab.data.errors import DataError
from xraylab.phantom import BOX_DTYPE

SPLITS = ("train", "val", "test")
"""Names of the three splits, as MedMNIST writes them."""


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """The images of one split with their labels; nothing in it is copied or changed.

    Shapes:
        images: (n, size, size) uint8, 0 to 255; memory-mapped where the source is a file.
        labels: (n, k) uint8, 0 or 1; 0 too where the label is not known.
        known: (n, k) bool, which labels are known, or None where all are.
        boxes: structured array of :data:`xraylab.phantom.BOX_DTYPE`, or None where the source
            knows no boxes; ``x`` runs to the right and ``y`` downwards, both from 0 to 1.
        table: structured array (n,), what is known of each image, or None.
        masks: ``masks[i]`` is (k, size, size) bool, the pixels of each label on image ``i``, and
            ``masks[rows]`` is (len(rows), k, size, size) bool; or None. They may be made only when
            they are asked for.

    Args:
        images: the images.
        labels: the labels; column ``j`` belongs to ``label_names[j]``.
        source: where the images come from: ``"phantom"``, ``"chestmnist"`` or a file's path.
        split: ``"train"``, ``"val"`` or ``"test"``.
        size: side of an image in pixels.
        label_names: the ``k`` names of the labels.
        known: which labels count; :func:`xraylab.data.batches` gives NaN for those that do not.
        boxes: where the findings lie.
        table: what is known of each image, such as sex, age and projection.
        masks: anything with a length that takes image numbers, slices and lists of them in brackets.
        simulated: whether the images are simulated; their scores then say nothing about patients.
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
    size: int
    label_names: tuple[str, ...]
    known: np.ndarray | None = None
    boxes: np.ndarray | None = None
    table: np.ndarray | None = None
    masks: Any = None
    simulated: bool = False
    fingerprint: str
    path: Path | None = None

    def __post_init__(self):
        object.__setattr__(self, "label_names", tuple(self.label_names))
        images = len(self.images)
        self._require(
            "images",
            self.images.dtype == np.uint8 and self.images.shape == (images, self.size, self.size),
            f"(n, {self.size}, {self.size}) uint8",
            f"{self.images.shape} {self.images.dtype}",
        )
        self._require(
            "labels",
            self.labels.dtype == np.uint8 and self.labels.shape == (images, len(self.label_names)),
            f"({images}, {len(self.label_names)}) uint8: a row an image, a column a label name",
            f"{self.labels.shape} {self.labels.dtype}",
        )
        if self.known is not None:
            self._require(
                "known",
                self.known.dtype == np.bool_ and self.known.shape == self.labels.shape,
                f"{self.labels.shape} bool: a truth a label",
                f"{self.known.shape} {self.known.dtype}",
            )
        if self.boxes is not None:
            self._require(
                "boxes",
                self.boxes.dtype.names == BOX_DTYPE.names,
                f"a structured array with the fields {', '.join(BOX_DTYPE.names)}",
                f"{self.boxes.dtype}",
            )
        if self.table is not None:
            table = np.asarray(self.table)
            self._require(
                "table",
                table.dtype.names is not None and table.shape == (images,),
                f"({images},) structured: a row an image",
                f"{table.shape} {table.dtype}",
            )
        if self.masks is not None:
            found = len(self.masks) if hasattr(self.masks, "__len__") else None
            self._require(
                "masks",
                found == images and hasattr(self.masks, "__getitem__"),
                f"({images}, {len(self.label_names)}, {self.size}, {self.size}) bool, or what gives"
                " such masks in brackets",
                f"a {type(self.masks).__name__}" + ("" if found is None else f" of {found}"),
            )

    def _require(self, name: str, good: bool, expected: str, found: str) -> None:
        if not good:
            raise DataError(
                f"{name} of the {self.split} split of {self.source}",
                expected=expected,
                found=found,
                advice="pass arrays of this shape and type to Split",
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def truth(self) -> np.ndarray:
        """The labels to score against: 0 or 1, and nan where ``known`` says they are unknown."""
        labels = np.asarray(self.labels)
        return labels if self.known is None else np.where(self.known, labels, np.float32("nan"))

    def __repr__(self) -> str:
        k = len(self.label_names)
        names = ", ".join(self.label_names[:3]) + (", …" if k > 3 else "")
        healthy = 1.0 - self.labels.any(axis=1).mean() if len(self) else 0.0
        lines = [
            f"Split {self.source} · {self.split} · {len(self):,} images of"
            f" {self.size}×{self.size} px · {k} labels ({names}) · {healthy:.0%} of the images"
            " without any label"
        ]
        extras = []
        if self.known is not None and self.known.size:
            extras.append(f"labels known: {self.known.mean():.1%}")
        if self.boxes is not None:
            extras.append(f"boxes known: {len(self.boxes):,}")
        if self.masks is not None:
            extras.append("masks known")
        if self.table is not None:
            extras.append(f"table known: {', '.join(self.table.dtype.names)}")
        if extras:
            lines.append("  " + " · ".join(extras))
        if self.simulated:
            lines.append("  SIMULATED images: scores on them say nothing about patients")
        return "\n".join(lines)

    def subset(self, indices: slice | np.ndarray | list[int]) -> "Split":
        """Return a split of the images named, in the order named; what is known of them goes along.

        A slice keeps a memory-mapped source memory-mapped; any other index copies its images. Masks
        are never copied: they stay where they are until they are asked for.

        Args:
            indices: a slice, row numbers, or one truth value an image.

        Raises:
            DataError: if a row number lies outside the split or none is left.
        """
        rows = np.arange(len(self))
        try:
            rows = np.atleast_1d(
                rows[indices if isinstance(indices, slice) else np.asarray(indices)]
            )
        except IndexError as error:
            raise DataError(
                "indices",
                expected=f"a slice, row numbers from 0 to {len(self) - 1}, or {len(self)} truths",
                found=str(error),
                advice="choose rows inside the split; len(split) gives their number",
            ) from error
        if not len(rows):
            raise DataError(
                "indices",
                expected="at least one image",
                found="a choice of none",
                advice=f"choose among the {len(self)} images of the split",
            )
        chosen = indices if isinstance(indices, slice) else rows
        digest = hashlib.sha256(f"{self.fingerprint} rows ".encode())
        digest.update(rows.astype("<i8").tobytes())
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            known=None if self.known is None else self.known[chosen],
            boxes=None if self.boxes is None else boxes_of(self.boxes, rows),
            table=None if self.table is None else self.table[chosen],
            masks=None if self.masks is None else _MasksOf(self.masks, rows),
            fingerprint=digest.hexdigest(),
        )


class _MasksOf:
    """The masks of some images, in their order; taken from all masks when they are asked for."""

    def __init__(self, masks: Any, rows: np.ndarray):
        self._masks, self._rows = masks, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, images: int | slice | np.ndarray | list[int]) -> np.ndarray:
        return self._masks[self._rows[images]]


def evenly_spaced(images: int, num_images: int, seed: int, split: str) -> slice:
    """Return the rows of every so-many-th image; as a slice, which keeps a memory map one.

    Raises:
        DataError: if there are fewer than ``num_images``.
    """
    if num_images > images:
        raise DataError(
            "argument num_images",
            expected=f"at most {images:,}, the images in the {split} split",
            found=f"{num_images:,}",
            advice="ask for fewer, or for all with num_images=None",
        )
    step = images // num_images
    last_start = images - (num_images - 1) * step
    start = int(np.random.Philox(key=seed).random_raw() % last_start)
    return slice(start, start + (num_images - 1) * step + 1, step)


def boxes_of(boxes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the boxes of the images in ``rows``, with ``image`` counted in the new order."""
    # Sorted once, each image's boxes lie together and are found by bisection; an image that was chosen
    # twice keeps its boxes both times.
    boxes = boxes[np.argsort(boxes["image"], kind="stable")]
    first = np.searchsorted(boxes["image"], rows, side="left")
    count = np.searchsorted(boxes["image"], rows, side="right") - first
    new_image = np.repeat(np.arange(len(rows)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    chosen = boxes[np.repeat(first, count) + within]
    chosen["image"] = new_image
    return chosen
