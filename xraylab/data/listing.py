"""Images in a folder, as its tables list them, and how they become a split."""

import hashlib
import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xraylab.data.errors import DataError
from xraylab.data.image_cache import decode_images
from xraylab.data.split import Split, evenly_spaced, select_boxes
from xraylab.io import write_json

SUFFIXES = (".png", ".jpg", ".jpeg")
"""Endings of image files, in lower case, where a table names images without one."""


class Listing(NamedTuple):
    """The images of one split, before any is opened.

    Shapes:
        labels: (n, num_labels) float32, NaN where unknown; table: (n,) structured, its ``image``
        the names in the source's table, all different; boxes as in
        :class:`xraylab.data.Split`, ``image`` counted in this list.

    Args:
        root: folder that the paths are relative to.
        paths: the file of each image, or None where there is none.
    """

    root: Path
    paths: list[Path | None]
    labels: np.ndarray
    label_names: tuple[str, ...]
    table: np.ndarray
    boxes: np.ndarray | None = None


def load_listing(
    listing: Listing,
    *,
    source: str,
    split: str,
    num_images: int | None,
    seed: int,
    cache_dir: Path,
    **decoding: Any,
) -> Split:
    """Load the split of a listing: its images are decoded once and memory-mapped from then on.

    Images without a file and images that cannot be read are left out; a warning gives their number
    and the path of ``report.json``, which lists them.

    Args:
        listing: the images.
        source: name of the source.
        split: name of the split.
        num_images: number of images to take of those that have a file, evenly spaced; chosen before
            any is decoded. None takes all.
        seed: determines where an evenly spaced choice begins.
        cache_dir: folder of the decoded arrays.
        decoding: ``size``, ``square``, ``progress`` and ``workers`` of
            :func:`xraylab.data.image_cache.decode_images`.

    Returns:
        The split.

    Raises:
        ValueError: if an argument of the decoding is wrong.
        DataError: if no image is left.
        OSError: if the cache cannot be written.
    """
    what = f"images of the {split} split"
    names = listing.table["image"]
    rows = np.array([row for row, path in enumerate(listing.paths) if path is not None], int)
    missing = np.delete(names, rows)
    if not len(names):
        raise DataError(f"{listing.root} has no {what}", f"tables that list {what}", "none")
    if not len(rows):
        expected, advice = f"files of the {len(missing):,} {what}", "Pass their folder as root=…"
        received = f"none of them, such as {missing[0]}"
        raise DataError(f"{listing.root} lacks files", expected, received, advice)
    if num_images is not None:
        rows = rows[evenly_spaced(len(rows), num_images, seed, split)]
    paths, folder = [listing.paths[row] for row in rows], cache_dir / "images" / f"{source}-{split}"
    decoded = decode_images(paths, root=listing.root, folder=folder, **decoding)
    unreadable = {str(names[rows[index]]): why for index, why in decoded.problems.items()}
    path = decoded.folder / "report.json"
    if len(missing) or unreadable:
        report = {"root": listing.root, "split": split, "listed": len(names)}
        write_json(path, report | {"missing": missing, "unreadable": unreadable})
        kinds = [(missing, "have no file"), (unreadable, "cannot be read")]
        left_out = " and ".join(f"{len(some):,} {why}" for some, why in kinds if len(some))
        text = f"{listing.root}: of the {len(names):,} {what} {left_out}; they are left out."
        warnings.warn(f"{text} {path} lists them", stacklevel=3)  # names the caller of load
    if not len(decoded.images):
        received = f"{len(unreadable):,} that cannot, such as {next(iter(unreadable.items()))}"
        raise DataError(f"{listing.root} is damaged", f"{what} to read", received, f"See {path}")
    rows = rows[decoded.readable]
    labels, boxes = listing.labels[rows], listing.boxes
    boxes = None if boxes is None else select_boxes(boxes, rows)
    digest = hashlib.sha256(decoded.sha256.encode())
    for array in (labels, boxes):
        digest.update(b"none" if array is None else f"{array.shape}".encode() + array.tobytes())
    return Split(
        decoded.images,
        labels,
        source=source,
        split=split,
        label_names=listing.label_names,
        boxes=boxes,
        table=listing.table[rows],
        fingerprint=digest.hexdigest(),
        path=listing.root.absolute(),
    )


def image_path(folder: Path, name: str) -> Path | None:
    """Return the file of an image, whose name may lack its ending; None if there is none."""
    endings = ("", *SUFFIXES, *(ending.upper() for ending in SUFFIXES))
    candidates = (folder / f"{name}{ending}" for ending in endings)
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
