"""Images in a folder, as its tables list them: what is known of them, and the way to a split."""

import hashlib
import json
import os
import warnings
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

import numpy as np

from xraylab.arguments import require_int
from xraylab.data.decoded import decode_images
from xraylab.data.errors import DataError
from xraylab.data.image_io import check_square
from xraylab.data.split import Split, boxes_of, evenly_spaced
from xraylab.io import atomic_write

SUFFIXES = (".png", ".jpg", ".jpeg")
"""Endings of image files, in lower case, where a table names images without one."""


@dataclass(frozen=True)
class Listing:
    """The images of one split, before any is opened.

    Shapes:
        labels: (n, k) uint8; known: (n, k) bool, or None; table: (n,) structured; boxes as in
        :class:`xraylab.data.Split`, ``image`` counted in this list.

    Args:
        source: name of the source.
        split: name of the split.
        root: folder that the paths are told relative to.
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
    known: np.ndarray | None = None
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
    """Return the split of a listing: its images decoded once and memory-mapped from then on.

    Images without a file and images that cannot be read are left out; a warning gives their number
    and names ``report.json`` beside the array, which lists them.

    Args:
        listing: the images.
        size: side of an image in pixels.
        square: how an image becomes square, see :func:`xraylab.data.image_io.read_image`.
        num_images: how many images to take of those that have a file, evenly spaced; chosen before
            any is decoded, so that a few cost little. None takes all.
        seed: where an evenly spaced choice begins.
        cache_dir: folder of the decoded arrays.
        progress: whether to show progress.
        workers: threads that decode; None stands for one a processor core.

    Raises:
        DataError: if an argument is wrong, no image is left, or the disk refuses.
    """
    check_square(square)
    if workers is not None:
        require_int("workers", workers, 1)
    if not listing.names:
        raise DataError(
            listing.root,
            expected=f"images of the {listing.split} split",
            found=f"none: the tables put no image into {listing.split}",
            advice="ask for another split, or check the tables",
        )
    present = np.array([path is not None for path in listing.paths], dtype=bool)
    missing = [name for name, there in zip(listing.names, present, strict=True) if not there]
    if not present.any():
        raise DataError(
            listing.root,
            expected=f"the files of the {len(missing):,} images of the {listing.split} split",
            found=f"none of them; the first would be {missing[0]}",
            advice="pass the folder that has the images as root=…",
        )
    rows = np.flatnonzero(present)
    if num_images is not None:
        rows = rows[evenly_spaced(len(rows), num_images, seed, listing.split)]
    images = decode_images(
        [listing.paths[row] for row in rows],
        root=listing.root,
        size=size,
        square=square,
        folder=cache_dir / "images",
        title=f"{listing.source}-{listing.split}",
        progress=progress,
        workers=workers,
    )
    unreadable = {listing.names[rows[place]]: reason for place, reason in images.problems.items()}
    if missing or unreadable:
        _report(listing, images.folder / "report.json", missing, unreadable)
    if not len(images.images):
        raise DataError(
            listing.root,
            expected="images that can be read",
            found=f"{len(unreadable):,} that cannot, such as {next(iter(unreadable.items()))}",
            advice=f"see {images.folder / 'report.json'}, and fetch the files again",
        )
    rows = rows[images.readable]
    labels = listing.labels[rows]
    known = None if listing.known is None else listing.known[rows]
    boxes = None if listing.boxes is None else boxes_of(listing.boxes, rows)
    return Split(
        images.images,
        labels,
        source=listing.source,
        split=listing.split,
        size=size,
        label_names=listing.label_names,
        known=known,
        boxes=boxes,
        table=listing.table[rows],
        fingerprint=_fingerprint(images.sha256, labels, known, boxes),
        path=listing.root.absolute(),
    )


def _fingerprint(images: str, *arrays: np.ndarray | None) -> str:
    """Return a digest of the images' own digest and what is said of them."""
    digest = hashlib.sha256(images.encode())
    for array in arrays:
        digest.update(b"none" if array is None else f"{array.shape}".encode() + array.tobytes())
    return digest.hexdigest()


def _report(listing: Listing, path: Path, missing: list[str], unreadable: dict[str, str]) -> None:
    """Write down which images were left out, and warn."""
    report = {
        "root": str(listing.root),
        "split": listing.split,
        "listed": len(listing.names),
        "missing": missing,
        "unreadable": unreadable,
    }
    text = json.dumps(report, indent=1)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        with atomic_write(path) as stream:
            stream.write(text.encode())
    kinds = [(missing, "have no file"), (unreadable, "cannot be read")]
    left_out = " and ".join(f"{len(images):,} {what}" for images, what in kinds if images)
    warnings.warn(
        f"{listing.root}: of the {len(listing.names):,} images of the {listing.split} split "
        f"{left_out}; they are left out. {path} lists them",
        stacklevel=5,  # whoever called load
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
        DataError: if two files have the same such name, for then neither can be told from it.
    """
    found = {}
    for folder in folders:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            stem, ending = os.path.splitext(name)  # noqa: PTH122 (a Path for each is slow)
            if ending.lower() not in SUFFIXES:
                continue
            path = folder / name
            if stem in found:
                raise DataError(
                    path,
                    expected=f"one file for the image {stem}",
                    found=f"another one at {found[stem]}",
                    advice="move one of the two out of the folder",
                )
            found[stem] = path
    return found
