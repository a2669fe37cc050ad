"""Images in a folder, as its tables list them, decoded once and memory-mapped from then on."""

import hashlib
import json
import os
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xraylab.arguments import require_choice
from xraylab.backend import installed_version
from xraylab.data.boxes import on_square
from xraylab.data.errors import DataError
from xraylab.data.image_io import (
    DECODER,
    DICOM_DECODERS,
    OTHER_SUFFIXES,
    SQUARES,
    UnreadableImage,
    decode_image,
    pixel_digest,
)
from xraylab.data.report import Report, examined
from xraylab.data.rows import evenly_spaced, select_boxes
from xraylab.data.split import Split
from xraylab.io import cached_arrays, progress_bar
from xraylab.workers import in_order

SUFFIXES = (".png", ".jpg", ".jpeg", ".dicom", ".dcm")
"""Endings of image files, in lower case, where a table names images without one."""

_BATCH = 32


class Listing(NamedTuple):
    """The images of one split, before any is opened.

    Shapes:
        labels: (n, num_labels) float32, NaN where unknown; table: (n,) structured, its ``image``
        the names in the source's table, all different; boxes as in
        :class:`xraylab.data.Split`, ``image`` counted in this list.

    Args:
        root: folder that the paths are relative to.
        paths: the file of each image, or None where there is none.
        report: what the tables have to be warned of.
        box_pixels: whether the boxes are in pixels of the image files, not fractions of a side.
    """

    root: Path
    paths: list[Path | None]
    labels: np.ndarray
    label_names: tuple[str, ...]
    table: np.ndarray
    boxes: np.ndarray | None = None
    report: Report = Report()
    box_pixels: bool = False


def load_listing(
    listing: Listing,
    *,
    source: str,
    split: str,
    size: int,
    square: str = "pad",
    on_suspect: str | None = "warn",
    num_images: int | None,
    seed: int,
    cache_dir: Path,
    progress: bool,
) -> Split:
    """Load the split of a listing: its images are decoded once and memory-mapped from then on.

    Images without a file and images that cannot be read are left out. A warning gives their number,
    and that of images which are suspect (see :func:`xraylab.data.image_io.suspect`), equal to
    another one or without a known label; the split's ``report`` names them all.

    Args:
        listing: the images.
        source: name of the source.
        split: name of the split.
        size: side of an image in pixels.
        square: how an image becomes square, see :func:`xraylab.data.image_io.read_image`.
        on_suspect: whether to warn of suspect and duplicate images, to leave them out as well
            (``"drop"``), or to refuse them and unreadable ones (``"error"``); None only reports
            them.
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
    if not listing.paths:
        advice = "Load another split"
        if source == "folder":
            advice += ", or name the column of the splits with split_column=…: without one, a hash "
            advice += "of each patient chooses the split, and a small folder may lack one"
        raise DataError(f"{root} has no {what}", "rows of this split in its tables", "none", advice)
    if not len(rows):
        first = root / str(next(iter(listing.table["image"]), ""))
        expected = f"files of the {num_missing:,} {what} in its tables"
        received = f"none of them; the first would be {first}"
        raise DataError(f"{root} lacks files", expected, received, "Pass their folder as root=…")
    if num_images is not None:
        rows = rows[evenly_spaced(len(rows), num_images, seed, split)]
    folder = cache_dir / "images" / f"{source}-{split}"
    paths = [path for row in rows if (path := listing.paths[row])]
    images, facts, digest = decode_images(paths, root, folder, size, square, progress)
    read = facts["reason"] == ""
    names, report = listing.table["image"], Report({**listing.report})
    lacking = (name for name, path in zip(names, listing.paths, strict=True) if path is None)
    report.add("missing", lacking)
    unreadable = [
        f"{path} ({why})" for path, why in zip(paths, facts["reason"], strict=True) if why
    ]
    report.add("unreadable", unreadable)
    if not len(images):
        received = f"{len(unreadable):,} that cannot, such as {unreadable[0]}"
        raise DataError(f"{root} is damaged", f"{what} that can be read", received)
    rows, facts = rows[read], facts[read]
    labels, boxes = listing.labels[rows], listing.boxes
    boxes = None if boxes is None else select_boxes(boxes, rows)
    if boxes is not None and listing.box_pixels:
        boxes = on_square(boxes, facts["sides"], square, names[rows].tolist())
    fingerprint = hashlib.sha256(digest.encode() + labels.tobytes())
    fingerprint.update(b"none" if boxes is None else boxes.tobytes())
    loaded = Split(
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
    subject = f"{root}: of the {len(listing.paths):,} {what}"
    return examined(loaded, report, names[rows].tolist(), facts, subject, on_suspect)


_FACTS = np.dtype(
    [("reason", "U80"), ("suspect", "U9"), ("digest", np.uint64), ("sides", np.int32, (2,))]
)


def decode_images(
    paths: Sequence[Path], root: Path, folder: Path, size: int, square: str, progress: bool
) -> tuple[np.ndarray, np.ndarray, str]:
    """Decode image files, or load them from the cache.

    The cache key covers the files (name under ``root``, size and time of last change, in their
    order), ``size``, ``square`` and the versions of the decoders. Interrupted decoding resumes.

    Shapes:
        returns: the images that could be read, (readable files, size, size) uint8, memory-mapped;
        what is known of all files, (files,) structured, with ``reason``, why it could not be read
        or nothing, ``suspect``, ``digest`` (see :mod:`xraylab.data.image_io`) and ``sides``, width
        and height in pixels; and a hex digest of the images.

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
    if any(path.suffix.lower() not in OTHER_SUFFIXES for path in paths):
        plan["dicom"] = {name: installed_version(name) for name in DICOM_DECODERS}
    key = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
    folder = folder.with_name(f"{folder.name}-{size}px-{key}")
    layout = {"facts.npy": _FACTS, "images.npy": np.dtype((np.uint8, (size, size)))}

    def decode(first: int) -> dict[str, list]:
        """Decode a few files; return rows by the names of the array files."""
        facts, images = [], []
        for path in paths[first : first + _BATCH]:
            try:
                image = decode_image(path, size, square)
                facts.append(("", image.suspect, pixel_digest(image.pixels), image.sides))
                images.append(image.pixels)
            except UnreadableImage as error:
                facts.append((str(error), "", 0, (0, 0)))
        return {"facts.npy": facts, "images.npy": images}

    def batches(start: int) -> Generator[dict[str, list]]:
        return in_order(decode, range(start, len(paths), _BATCH), os.cpu_count() or 1)

    options = {"count": len(paths), "description": "decoding images", "progress": progress}
    arrays, sums = cached_arrays(folder, plan, layout, batches, **options)
    return arrays["images.npy"], np.array(arrays["facts.npy"]), sums["images.npy"]


def _digest(paths: Sequence[Path], root: Path, progress: bool) -> str:
    """Compute a digest that changes when a file does; the files themselves are not read.

    Raises:
        DataError: if two paths lead to the same file.
    """
    digest, inodes = hashlib.sha256(), {}
    for path in progress_bar(progress, iterable=paths, desc="checking files", unit="image"):
        status = path.stat()
        other = inodes.setdefault((status.st_dev, status.st_ino), path)
        if other is not path and os.path.realpath(other) == os.path.realpath(path):
            advice = "Correct the table: a file has one row"
            received = f"{path.name} twice, as {other} and {path}"
            raise DataError(f"{root} lists a file twice", "each file once", received, advice)
        name = os.path.relpath(path, root)
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def image_paths(folders: Sequence[Path], names: Sequence[str]) -> list[Path | None]:
    """Return the files of images, None where there is none.

    Names may lack their ending, and all may begin with folders that are not there: the fewest
    leading folders are left out with which any of the names has a file.

    Args:
        folders: where the images may be, in this order.
        names: paths from there.
    """
    endings = ("", *SUFFIXES, *(ending.upper() for ending in SUFFIXES))

    def find(name: str, depth: int) -> Path | None:
        tail = name.replace("\\", "/").split("/", depth)[-1]
        candidates = (os.path.join(folder, tail) for folder in folders)  # noqa: PTH118
        files = (f"{path}{ending}" for path in candidates for ending in endings)
        return next((Path(file) for file in files if os.path.isfile(file)), None)  # noqa: PTH113

    sample = names[:: max(1, len(names) // 1000)]
    most = max((name.count("/") + name.count("\\") for name in sample), default=0)
    depths = (d for d in range(most + 1) if any(find(name, d) for name in sample))
    depth = next(depths, 0)
    return [find(name, depth) for name in names]


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
