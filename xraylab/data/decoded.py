"""Image files decoded once, in parallel, into an array that is memory-mapped from then on."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xraylab.data.errors import as_data_error
from xraylab.data.growing import GrowingArrays
from xraylab.data.image_io import DECODER, UnreadableImage, read_image
from xraylab.data.kept import make_once, read_manifest
from xraylab.io import atomic_write, progress_bar, require_free_disk, sha256
from xraylab.workers import in_order

_BATCH = 32
_PROBLEM = np.dtype([("place", np.int64), ("reason", "U200")])
_PER_IMAGE = ("images.npy", "readable.npy", "problems.npy")


@dataclass(frozen=True)
class DecodedImages:
    """What came of some image files.

    Shapes:
        images: (readable images, size, size) uint8, memory-mapped; readable: (files,) bool.

    Args:
        images: the images that could be read, in the order of their files.
        readable: which files could be read.
        problems: why the others could not, by their places in the list of files.
        sha256: hex digest of the array of images.
        folder: where it lies.
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
    size: int,
    square: str,
    folder: Path,
    title: str,
    progress: bool,
    workers: int | None,
) -> DecodedImages:
    """Return images from image files, from the cache where they are in it.

    What decides the array decides its place: the files (name under ``root``, size and time of last
    change, in their order), ``size``, ``square`` and the rules of decoding. Decoding that was
    stopped, or killed, goes on where it was.

    Args:
        paths: the files.
        root: folder that their names are relative to.
        size: side of an image in pixels.
        square: how an image becomes square, see :func:`xraylab.data.image_io.read_image`.
        folder: the cache.
        title: first part of the name of the array's folder, for people.
        progress: whether to show progress.
        workers: threads that decode; None stands for one a processor core.

    Raises:
        DataError: if a file or the cache cannot be read or written, or the disk is too full.
    """
    plan = {
        "decoder": DECODER,
        "size": int(size),
        "square": square,
        "files": len(paths),
        "sha256_of_files": _digest(paths, root, progress),
    }
    key = hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]
    place = folder / f"{title}-{size}px-{key}"
    workers = workers or os.cpu_count() or 1

    def is_whole(folder):
        return _is_whole(folder, plan)

    def fill(part):
        _fill(part, plan, paths, progress, workers)

    if not is_whole(place):
        make_once(place, is_whole=is_whole, fill=fill, made="decoded", progress=progress)
    images, readable, problems = (
        np.load(place / name, mmap_mode="r" if name == "images.npy" else None, allow_pickle=False)
        for name in _PER_IMAGE
    )
    return DecodedImages(
        images,
        readable,
        {int(row["place"]): str(row["reason"]) for row in problems},
        read_manifest(place)["sha256"],
        place,
    )


def _digest(paths: Sequence[Path], root: Path, progress: bool) -> str:
    """Return a digest that changes when a file does; the files themselves are not read."""
    digest = hashlib.sha256()
    show = progress and len(paths) > 20_000  # on a network disk this takes a while
    for path in progress_bar(show, iterable=paths, desc="looking at files", unit="image"):
        try:
            status = path.stat()
        except OSError as error:
            raise as_data_error(error, path, "looking for images") from error
        name = os.path.relpath(path, root)
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _fill(part: Path, plan: dict, paths: Sequence[Path], progress: bool, workers: int) -> None:
    """Decode the files that a part folder lacks, and give it its manifest."""
    size, images = plan["size"], part / "images.npy"
    there = images.stat().st_size if images.exists() else 0
    require_free_disk(
        part.parent, max(0, len(paths) * size**2 - there), f"{len(paths):,} decoded images"
    )
    layout = {
        "images.npy": (np.dtype(np.uint8), (size, size)),
        "readable.npy": (np.dtype(np.bool_), ()),
        "problems.npy": (_PROBLEM, ()),
    }
    with GrowingArrays(part, plan, layout) as arrays:
        done = arrays.rows("readable.npy")
        with (
            progress_bar(
                progress, total=len(paths), initial=done, desc="decoding images", unit="image"
            ) as bar,
            contextlib.closing(_batches(paths, plan, done, workers)) as batches,
        ):
            for batch in batches:
                arrays.append(batch)
                bar.update(len(batch["readable.npy"]))
        arrays.finish()
    with atomic_write(part / "manifest.json") as stream:
        manifest = {**plan, "sha256": sha256(images), "bytes": _sizes(part)}
        stream.write(json.dumps(manifest, indent=2).encode())


def _batches(
    paths: Sequence[Path], plan: dict, done: int, workers: int
) -> Iterator[dict[str, np.ndarray]]:
    """Decode the files after the first ``done`` and yield them batch by batch, in their order."""

    def make(start):
        return _batch(paths[start : start + _BATCH], start, plan["size"], plan["square"])

    return in_order(make, range(done, len(paths), _BATCH), workers)


def _batch(paths: Sequence[Path], start: int, size: int, square: str) -> dict[str, np.ndarray]:
    """Decode a few files; return the arrays of a batch by the names of their files."""
    images, problems = [], []
    for place, path in enumerate(paths, start):
        try:
            images.append(read_image(path, size, square))
        except UnreadableImage as error:
            problems.append((place, str(error)))
        except OSError as error:
            raise as_data_error(error, path, "reading an image") from error
    unreadable = {place for place, _ in problems}
    return {
        "images.npy": np.stack(images) if images else np.zeros((0, size, size), np.uint8),
        "readable.npy": np.array([start + i not in unreadable for i in range(len(paths))]),
        "problems.npy": np.array(problems, _PROBLEM),
    }


def _is_whole(place: Path, plan: dict) -> bool:
    """Whether a folder holds the images of its plan; told by their sizes, as reading takes long."""
    manifest = read_manifest(place)
    if manifest is None or any(manifest.get(name) != value for name, value in plan.items()):
        return False
    try:
        return isinstance(manifest.get("sha256"), str) and manifest.get("bytes") == _sizes(place)
    except OSError:
        return False


def _sizes(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_size for name in _PER_IMAGE}
