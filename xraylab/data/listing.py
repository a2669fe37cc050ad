"""Images in a folder, as its tables list them, and how they become a split."""

import hashlib
import os
import warnings
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np

from xraylab.arguments import require_choice, require_int
from xraylab.data.errors import DataError
from xraylab.data.image_cache import decode_images
from xraylab.data.image_io import SQUARES
from xraylab.data.split import Split, evenly_spaced, select_boxes
from xraylab.io import write_json

SUFFIXES = (".png", ".jpg", ".jpeg")
"""Endings of image files, in lower case, where a table names images without one."""


@dataclass(frozen=True)
class Listing:
    """The images of one split, before any is opened.

    Shapes:
        labels: (n, num_labels) float32, NaN where unknown; table: (n,) structured; boxes as in
        :class:`xraylab.data.Split`, ``image`` counted in this list.

    Args:
        source: name of the source.
        split: name of the split.
        root: folder that the paths are relative to.
        names: the images' names in the table, all different.
        paths: the file of each image, or None where there is none.
    """

    _: KW_ONLY
    source: str
    split: str
    root: Path
    names: list[str]
    paths: list[Path | None]
    labels: np.ndarray
    label_names: tuple[str, ...]
    table: np.ndarray
    boxes: np.ndarray | None = None


def load_listing(
    listing: Listing,
    *,
    size: int,
    num_images: int | None,
    seed: int,
    cache_dir: Path,
    progress: bool,
    square: str = "pad",
    workers: int | None = None,
) -> Split:
    """Load the split of a listing: its images are decoded once and memory-mapped from then on.

    Images without a file and images that cannot be read are left out; a warning gives their number
    and the path of ``report.json``, which lists them.

    Args:
        listing: the images.
        size: side of an image in pixels.
        num_images: number of images to take of those that have a file, evenly spaced; chosen before
            any is decoded. None takes all.
        seed: determines where an evenly spaced choice begins.
        cache_dir: folder of the decoded arrays.
        progress: whether to show progress.
        square: how an image becomes square, see :func:`xraylab.data.image_io.read_image`.
        workers: number of decoding threads; None stands for one per processor core.

    Raises:
        DataError: if no image is left.
        OSError: if the cache cannot be written.
    """
    require_choice("square", square, SQUARES)
    if workers is not None:
        require_int("workers", workers, 1)
    what = f"images of the {listing.split} split"
    if not listing.names:
        raise DataError(f"{listing.root} has no {what}", f"tables that list {what}", "none")
    there = np.array([path is not None for path in listing.paths])
    rows, missing = np.flatnonzero(there), np.array(listing.names)[~there].tolist()
    if not len(rows):
        expected = f"the files of the {len(missing):,} {what}"
        received, advice = f"none of them, such as {missing[0]}", "Pass their folder as root=…"
        raise DataError(f"{listing.root} lacks the image files", expected, received, advice)
    if num_images is not None:
        rows = rows[evenly_spaced(len(rows), num_images, seed, listing.split)]
    decoded = decode_images(
        [listing.paths[row] for row in rows],
        root=listing.root,
        size=size,
        square=square,
        folder=cache_dir / "images",
        title=f"{listing.source}-{listing.split}",
        progress=progress,
        workers=workers,
    )
    unreadable = {listing.names[rows[index]]: why for index, why in decoded.problems.items()}
    report = decoded.folder / "report.json"
    if missing or unreadable:
        _report(listing, report, missing, unreadable)
    if not len(decoded.images):
        expected = f"{what} that can be read"
        received = f"{len(unreadable):,} that cannot, such as {next(iter(unreadable.items()))}"
        raise DataError(f"{listing.root} is damaged", expected, received, f"See {report}")
    rows = rows[decoded.readable]
    labels = listing.labels[rows]
    boxes = None if listing.boxes is None else select_boxes(listing.boxes, rows)
    return Split(
        decoded.images,
        labels,
        source=listing.source,
        split=listing.split,
        label_names=listing.label_names,
        boxes=boxes,
        table=listing.table[rows],
        fingerprint=_fingerprint(decoded.sha256, labels, boxes),
        path=listing.root.absolute(),
    )


def _fingerprint(images: str, *arrays: np.ndarray | None) -> str:
    """Compute a digest of the images' own digest, the labels and the boxes."""
    digest = hashlib.sha256(images.encode())
    for array in arrays:
        digest.update(b"none" if array is None else f"{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def _report(listing: Listing, path: Path, missing: list[str], unreadable: dict[str, str]) -> None:
    """Write a list of the images that were left out, and warn."""
    report = {"root": listing.root, "split": listing.split, "listed": len(listing.names)}
    write_json(path, report | {"missing": missing, "unreadable": unreadable})
    kinds = [(missing, "have no file"), (unreadable, "cannot be read")]
    left_out = " and ".join(f"{len(images):,} {what}" for images, what in kinds if images)
    warnings.warn(
        f"{listing.root}: of the {len(listing.names):,} images of the {listing.split} split "
        f"{left_out}; they are left out. {path} lists them",
        stacklevel=5,  # the caller of load
    )


def image_path(folder: Path, name: str) -> Path | None:
    """Return the file of an image, whose name may lack its ending; None if there is none."""
    path = folder / name
    if path.suffix and path.is_file():
        return path
    candidates = (folder / f"{name}{ending}" for s in SUFFIXES for ending in (s, s.upper()))
    return next((path for path in candidates if path.is_file()), None)


def paths_by_stem(folders: list[Path]) -> dict[str, Path]:
    """Return all image files in some folders by their names without ending.

    Raises:
        DataError: if two files have the same name without ending.
    """
    found = {}
    for folder in folders:
        for name in sorted(os.listdir(folder)):  # noqa: PTH208 (a Path for each file is slow)
            stem, ending = os.path.splitext(name)  # noqa: PTH122
            if ending.lower() not in SUFFIXES:
                continue
            if stem in found:
                received = f"{folder / name}, and another one at {found[stem]}"
                raise DataError(f"{stem} has two files", "one file for each image", received)
            found[stem] = folder / name
    return found
