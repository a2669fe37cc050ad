"""Images in a folder, as its tables list them, decoded once and memory-mapped from then on."""

import hashlib
import json
import os
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xraylab.arguments import require_choice, require_int
from xraylab.data.errors import DataError
from xraylab.data.image_io import DECODER, SQUARES, UnreadableImage, read_image
from xraylab.data.split import Split, evenly_spaced, select_boxes
from xraylab.io import cached_arrays, progress_bar, wrap_os_error, write_json
from xraylab.workers import in_order

SUFFIXES = (".png", ".jpg", ".jpeg")
"""Endings of image files, in lower case, where a table names images without one."""


_BATCH = 32
_PROBLEM = np.dtype([("index", np.int64), ("reason", "U200")])


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
            :func:`decode_images`.

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


class DecodedImages(NamedTuple):
    """Images decoded from files.

    Shapes:
        images: (readable files, size, size) uint8, memory-mapped; readable: (files,) bool.

    Args:
        images: the images that could be read, in the order of their files.
        readable: which files could be read.
        problems: why the others could not, by their index in the list of files.
        sha256: hex digest of the array of images.
        folder: the cache folder.
    """

    images: np.ndarray
    readable: np.ndarray
    problems: dict[int, str]
    sha256: str
    folder: Path


def decode_images(
    paths: Sequence[Path],
    *,
    root: Path,
    folder: Path,
    size: int,
    square: str = "pad",
    progress: bool = True,
    workers: int | None = None,
) -> DecodedImages:
    """Decode image files, or load them from the cache.

    The cache key covers the files (name under ``root``, size and time of last change, in their
    order), ``size``, ``square`` and the version of the decoder. Interrupted decoding resumes.

    Args:
        paths: the files.
        root: folder that their names are relative to.
        folder: the cache folder, to whose name the size and the key are added.
        size: side of an image in pixels.
        square: how an image becomes square, see :func:`xraylab.data.image_io.read_image`.
        progress: whether to show progress.
        workers: number of decoding threads; None means one per processor core.

    Returns:
        The images that could be read, and why others could not.

    Raises:
        ValueError: if ``square`` or ``workers`` is wrong.
        OSError: if a file or the cache cannot be read or written, or the disk is too full.
    """
    require_choice("square", square, SQUARES)
    if workers is not None:
        require_int("workers", workers, 1)
    plan = {"decoder": DECODER, "size": size, "square": square, "files": len(paths)}
    plan["sha256_of_files"] = _digest(paths, root, progress)
    key = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
    folder = folder.with_name(f"{folder.name}-{size}px-{key}")
    images_type = np.dtype((np.uint8, (size, size)))
    layout = {"readable.npy": np.dtype(bool), "images.npy": images_type, "problems.npy": _PROBLEM}

    def decode(first: int) -> dict[str, np.ndarray]:
        """Decode a few files; return the rows by the names of the array files."""
        images, problems = [], []
        some = paths[first : first + _BATCH]
        readable = np.ones(len(some), bool)
        for index, path in enumerate(some):
            try:
                with wrap_os_error(path, "reading an image"):
                    images.append(read_image(path, size, square))
            except UnreadableImage as error:
                problems.append((first + index, str(error)))
                readable[index] = False
        rows = np.array(images, np.uint8).reshape(-1, size, size)
        columns = (readable, rows, np.array(problems, _PROBLEM))
        return dict(zip(layout, columns, strict=True))

    def batches(start: int) -> Generator[dict[str, np.ndarray]]:
        return in_order(decode, range(start, len(paths), _BATCH), workers or os.cpu_count() or 1)

    options = {"count": len(paths), "description": "decoding images", "progress": progress}
    arrays, sums = cached_arrays(folder, plan, layout, batches, **options)
    readable, images, problems = arrays.values()
    reasons = {int(row["index"]): str(row["reason"]) for row in problems}
    return DecodedImages(images, np.array(readable), reasons, sums["images.npy"], folder)


def _digest(paths: Sequence[Path], root: Path, progress: bool) -> str:
    """Compute a digest that changes when a file does; the files themselves are not read."""
    digest = hashlib.sha256()
    for path in progress_bar(progress, iterable=paths, desc="checking files", unit="image"):
        with wrap_os_error(path, "checking for changes"):
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
