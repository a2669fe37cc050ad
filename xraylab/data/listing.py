"""Images in a folder, as its tables list them, decoded once and memory-mapped from then on."""

import hashlib
import json
import os
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xraylab.arguments import require_choice
from xraylab.data.errors import DataError
from xraylab.data.image_io import DECODER, SQUARES, UnreadableImage, read_image
from xraylab.data.split import Split, evenly_spaced, select_boxes
from xraylab.io import cached_arrays, progress_bar
from xraylab.workers import in_order

SUFFIXES = (".png", ".jpg", ".jpeg")
"""Endings of image files, in lower case, where a table names images without one."""

_BATCH = 32
_LISTED = 10  # unreadable files that a warning names


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
    size: int,
    square: str = "pad",
    num_images: int | None,
    seed: int,
    cache_dir: Path,
    progress: bool,
) -> Split:
    """Load the split of a listing: its images are decoded once and memory-mapped from then on.

    Images without a file and images that cannot be read are left out; a warning gives their number
    and names unreadable ones.

    Args:
        listing: the images.
        source: name of the source.
        split: name of the split.
        size: side of an image in pixels.
        square: how an image becomes square, see :func:`xraylab.data.image_io.read_image`.
        num_images: number of images to take of those that have a file, evenly spaced; chosen before
            any is decoded. None takes all.
        seed: determines where an evenly spaced choice begins.
        cache_dir: folder of the decoded arrays.
        progress: whether to show progress.

    Returns:
        The split.

    Raises:
        ValueError: if ``square`` is wrong.
        DataError: if no image is left.
        OSError: if a file or the cache cannot be read or written, or the disk is too full.
    """
    require_choice("square", square, SQUARES)
    root, what = listing.root, f"images of the {split} split"
    rows = np.array([row for row, path in enumerate(listing.paths) if path is not None], int)
    num_missing = len(listing.paths) - len(rows)
    if not len(rows):
        expected, received = f"files of the {num_missing:,} {what} in its tables", "none of them"
        raise DataError(f"{root} lacks files", expected, received, "Pass their folder as root=…")
    if num_images is not None:
        rows = rows[evenly_spaced(len(rows), num_images, seed, split)]
    folder = cache_dir / "images" / f"{source}-{split}"
    paths = [path for row in rows if (path := listing.paths[row])]
    images, reasons, digest = decode_images(paths, root, folder, size, square, progress)
    unreadable = {str(path): why for path, why in zip(paths, reasons, strict=True) if why}
    if num_missing or unreadable:
        text = f"{root}: of the {len(listing.paths):,} {what} {num_missing:,} have no file and "
        text += f"{len(unreadable):,} cannot be read; they are left out"
        named = (f"{path} ({why})" for path, why in [*unreadable.items()][:_LISTED])
        warnings.warn(": ".join(filter(None, (text, ", ".join(named)))), stacklevel=3)
    if not len(images):
        received = f"{len(unreadable):,} that cannot, such as {next(iter(unreadable.items()))}"
        raise DataError(f"{root} is damaged", f"{what} that can be read", received)
    rows = rows[reasons == ""]
    labels, boxes = listing.labels[rows], listing.boxes
    boxes = None if boxes is None else select_boxes(boxes, rows)
    fingerprint = hashlib.sha256(digest.encode() + labels.tobytes())
    fingerprint.update(b"none" if boxes is None else boxes.tobytes())
    return Split(
        images,
        labels,
        source=source,
        split=split,
        label_names=listing.label_names,
        boxes=boxes,
        table=listing.table[rows],
        fingerprint=fingerprint.hexdigest(),
        path=root.absolute(),
    )


def decode_images(
    paths: Sequence[Path], root: Path, folder: Path, size: int, square: str, progress: bool
) -> tuple[np.ndarray, np.ndarray, str]:
    """Decode image files, or load them from the cache.

    The cache key covers the files (name under ``root``, size and time of last change, in their
    order), ``size``, ``square`` and the version of the decoder. Interrupted decoding resumes.

    Shapes:
        returns: the images that could be read, (readable files, size, size) uint8, memory-mapped;
        why the others could not, (files,) text, empty for those that could; and a hex digest of
        the images.

    Args:
        paths: the files.
        root: folder that their names are relative to.
        folder: the cache folder, to whose name the size and the key are added.
        size: side of an image in pixels.
        square: how an image becomes square, see :func:`xraylab.data.image_io.read_image`.
        progress: whether to show progress.
    """
    plan = {"decoder": DECODER, "size": size, "square": square, "files": len(paths)}
    plan["sha256_of_files"] = _digest(paths, root, progress)
    key = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
    folder = folder.with_name(f"{folder.name}-{size}px-{key}")
    layout = {"reasons.npy": np.dtype("U80"), "images.npy": np.dtype((np.uint8, (size, size)))}

    def decode(first: int) -> dict[str, list]:
        """Decode a few files; return rows by the names of the array files."""
        images, reasons = [], []
        for path in paths[first : first + _BATCH]:
            try:
                images.append(read_image(path, size, square))
                reasons.append("")
            except UnreadableImage as error:
                reasons.append(str(error))
        return {"reasons.npy": reasons, "images.npy": images}

    def batches(start: int) -> Generator[dict[str, list]]:
        return in_order(decode, range(start, len(paths), _BATCH), os.cpu_count() or 1)

    options = {"count": len(paths), "description": "decoding images", "progress": progress}
    arrays, sums = cached_arrays(folder, plan, layout, batches, **options)
    return arrays["images.npy"], np.array(arrays["reasons.npy"]), sums["images.npy"]


def _digest(paths: Sequence[Path], root: Path, progress: bool) -> str:
    """Compute a digest that changes when a file does; the files themselves are not read."""
    digest = hashlib.sha256()
    for path in progress_bar(progress, iterable=paths, desc="checking files", unit="image"):
        status = path.stat()
        name = os.path.relpath(path, root)
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


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
