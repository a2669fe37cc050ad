"""One split of one data set: films, labels and what is known about them."""

import hashlib
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

import numpy as np

from xraylab.data.errors import DataError
from xraylab.phantom import BOX_DTYPE

SPLITS = ("train", "val", "test")
"""Names of the three splits, as MedMNIST writes them."""


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """The films of one split with their labels; nothing in it is copied or changed.

    Shapes:
        images: (n, size, size) uint8, 0 to 255; memory-mapped where the source is a file.
        labels: (n, k) uint8, 0 or 1.
        boxes: structured array of :data:`xraylab.phantom.BOX_DTYPE`, or None where the source
            knows no boxes; ``x`` runs to the right and ``y`` downwards, both from 0 to 1.

    Args:
        images: the films.
        labels: the labels; column ``j`` belongs to ``label_names[j]``.
        source: where the films come from: ``"phantom"``, ``"chestmnist"`` or a file's path.
        split: ``"train"``, ``"val"`` or ``"test"``.
        size: side of a film in pixels.
        label_names: the ``k`` names of the labels.
        boxes: where the findings lie.
        simulated: whether the films are simulated; their scores then say nothing about patients.
        fingerprint: hex digest that changes when the films or labels do.
        path: the file the films were read from, if there is one.

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
    boxes: np.ndarray | None = None
    simulated: bool = False
    fingerprint: str
    path: Path | None = None

    def __post_init__(self):
        object.__setattr__(self, "label_names", tuple(self.label_names))
        films = len(self.images)
        self._require(
            "images",
            self.images.dtype == np.uint8 and self.images.shape == (films, self.size, self.size),
            f"(n, {self.size}, {self.size}) uint8",
            f"{self.images.shape} {self.images.dtype}",
        )
        self._require(
            "labels",
            self.labels.dtype == np.uint8 and self.labels.shape == (films, len(self.label_names)),
            f"({films}, {len(self.label_names)}) uint8: a row a film, a column a label name",
            f"{self.labels.shape} {self.labels.dtype}",
        )
        if self.boxes is not None:
            self._require(
                "boxes",
                self.boxes.dtype.names == BOX_DTYPE.names,
                f"a structured array with the fields {', '.join(BOX_DTYPE.names)}",
                f"{self.boxes.dtype}",
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

    def __repr__(self) -> str:
        k = len(self.label_names)
        names = ", ".join(self.label_names[:3]) + (", …" if k > 3 else "")
        healthy = 1.0 - self.labels.any(axis=1).mean() if len(self) else 0.0
        lines = [
            f"Split {self.source} · {self.split} · {len(self):,} films of"
            f" {self.size}×{self.size} px · {k} labels ({names}) · {healthy:.0%} of the films"
            " without any"
        ]
        if self.boxes is not None:
            lines.append(f"  boxes known: {len(self.boxes):,}")
        if self.simulated:
            lines.append("  SIMULATED films: scores on them say nothing about patients")
        return "\n".join(lines)

    def subset(self, indices: slice | np.ndarray | list[int]) -> "Split":
        """Return a split of the films named, in the order named; boxes go with their films.

        A slice keeps a memory-mapped source memory-mapped; any other index copies its films.

        Args:
            indices: a slice, row numbers, or one truth value a film.

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
                expected="at least one film",
                found="a choice of none",
                advice=f"choose among the {len(self)} films of the split",
            )
        chosen = indices if isinstance(indices, slice) else rows
        digest = hashlib.sha256(f"{self.fingerprint} rows ".encode())
        digest.update(rows.astype("<i8").tobytes())
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            boxes=None if self.boxes is None else _boxes_of(self.boxes, rows),
            fingerprint=digest.hexdigest(),
        )


def _boxes_of(boxes: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the boxes of the films in ``rows``, with ``film`` counted in the new order."""
    # Sorted once, each film's boxes lie together and are found by bisection; a film that was chosen
    # twice keeps its boxes both times.
    boxes = boxes[np.argsort(boxes["film"], kind="stable")]
    first = np.searchsorted(boxes["film"], rows, side="left")
    count = np.searchsorted(boxes["film"], rows, side="right") - first
    new_film = np.repeat(np.arange(len(rows)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    chosen = boxes[np.repeat(first, count) + within]
    chosen["film"] = new_film
    return chosen
