"""MedMNIST-style ``.npz`` files, checked before use and unpacked once.

``np.load(..., mmap_mode="r")`` silently reads a whole ``.npz`` into memory, and the 224-pixel
images of ChestMNIST are 3.94 GB. So each array is unpacked once into an ``.npy`` file, which can be
memory-mapped. Types and shapes are checked before a byte is copied.
"""

import contextlib
import hashlib
import itertools
import math
import os
import zipfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy

from xraylab import io
from xraylab.data.errors import DataError, reading
from xraylab.data.image_io import DECODER, pixel_digest, suspect
from xraylab.data.report import Report, examined
from xraylab.data.rows import read_rows
from xraylab.data.split import SPLITS, Split
from xraylab.findings import check_label_names

_CHECKS = np.dtype([("digest", np.uint64), ("suspect", "U9")])
_CHUNK, _IMAGES = 1 << 23, 512  # bytes to unpack, and images to check, at a time
_MAX_HEADER, _MAX_BYTES = 1024, 64 << 30  # of one array, in bytes
_DEFLATE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_WRITE_AGAIN = "Fetch the file again, or write it again with np.savez_compressed"


def load_npz(
    path: str | os.PathLike,
    *,
    split: str = "train",
    size: int | None = None,
    label_names: Sequence[str] | None = None,
    table: str | os.PathLike | None = None,
    on_suspect: str | None = "warn",
    cache_dir: Path,
    progress: bool = True,
) -> Split:
    """Load one split of a MedMNIST-style file, its images memory-mapped.

    A warning, and the split's ``report``, name images that are suspect, equal to another one of the
    split, or to one of a split before it (train, val, test).

    Shapes:
        in the file: ``{split}_images`` (n, size, size) or (n, size, size, 1) uint8,
        ``{split}_labels`` (n, num_labels) integers 0 or 1, or floats 0, 1 or NaN (unknown).

    Args:
        path: the ``.npz`` file; it is the split's ``source``.
        split: ``"train"``, ``"val"`` or ``"test"``.
        size: expected side of the images in pixels; None takes the file's own.
        label_names: names of the labels; None means the 14 findings.
        table: a table for :func:`xraylab.data.columns.read_image_table`, or None.
        on_suspect: whether to warn of suspect and duplicate images, to leave them out as well
            (``"drop"``), or to refuse them (``"error"``); None does not check the images.
        cache_dir: folder for the unpacked arrays.
        progress: whether to show the progress of unpacking.

    Returns:
        The split.

    Raises:
        ValueError: if the label names are not different names.
        DataError: if the file or its contents are not as described.
        OSError: if the file cannot be read or unpacked.
    """
    path = Path(path)
    names = check_label_names(label_names)
    with _opened(path) as archive:
        images, labels = (
            _read_header(path, archive, f"{split}_{kind}") for kind in ("images", "labels")
        )
        _check(images, labels, size, names)
        infos = (images.info, labels.info)
        sums = (f"{info.filename} {info.CRC:08x} {info.file_size}\n" for info in infos)
        fingerprint = hashlib.sha256("".join(sums).encode()).hexdigest()
        # Archives with other bytes may have these checksums, too.
        status = path.stat()
        stamp = f"{path.resolve()} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"
        folder = cache_dir / "arrays" / hashlib.sha256(stamp.encode()).hexdigest()[:24]
        label_array, image_array = (
            _unpacked(archive, member, folder, progress) for member in (labels, images)
        )
        known = None
        if table is not None:
            from xraylab.data.columns import read_image_table  # pandas takes half a second

            known = read_image_table(table, split, image_array.shape[1], len(image_array))
        loaded = Split(
            image_array if image_array.ndim == 3 else image_array[..., 0],
            label_array,
            source=str(path),
            split=split,
            label_names=names,
            table=known,
            fingerprint=fingerprint,
            path=path.absolute(),
        )
        if on_suspect is None:
            return loaded
        starts = range(0, len(loaded), _IMAGES)
        batches = (read_rows(loaded.images, slice(row, row + _IMAGES)) for row in starts)
        checks = _checks(batches, len(loaded), folder / f"{split}_checks")
        others = _digests_of_splits_before(archive, loaded, folder)
    names = [f"{split}[{row}]" for row in range(len(loaded))]
    subject = f"{path}: of the {len(loaded):,} images of the {split} split"
    return examined(loaded, Report(), names, checks, subject, on_suspect, others)


def iterate_images(path: Path, split: str) -> Iterator[np.ndarray]:
    """Yield the images of a split of any shape, (height, width) uint8, without unpacking them.

    Raises:
        DataError: if the file is damaged, or has no such images.
        OSError: if it cannot be read.
    """
    with _opened(path) as archive:
        images = _read_header(path, archive, f"{split}_images")
        grey = len(images.shape) == 3 or images.shape[3:] == (1,)
        expected = "(n, height, width) or (n, height, width, 1) uint8, no dimension of 0"
        received = f"{images.shape} {images.dtype}"
        fits = images.dtype == np.uint8 and grey and min(images.shape) > 0
        images.require(fits, expected, received, "Write grey images as uint8, 0 to 255")
        for batch in _rows(archive, images):
            yield from batch.reshape(-1, *images.shape[1:3])


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; raise a :class:`DataError` where it is none, or damaged."""
    expected = "a MedMNIST-style .npz file (a zip archive of arrays)"
    table = 'A table of labels is loaded with its images: data.load("folder", root=…, table=…)'
    advice = table if path.suffix == ".csv" else _WRITE_AGAIN
    with reading(path, expected, advice), zipfile.ZipFile(path) as archive:
        yield archive


def _digests_of_splits_before(
    archive: zipfile.ZipFile, split: Split, folder: Path
) -> dict[int, str]:
    """Return the names of the images of earlier splits of the same size by their digests."""
    named = {}
    for other in SPLITS[: SPLITS.index(split.split)]:
        if f"{other}_images.npy" not in archive.namelist():
            continue
        member = _read_header(Path(split.source), archive, f"{other}_images")
        if member.dtype == np.uint8 and member.shape[1:3] == split.images.shape[1:]:
            rows, cached = _rows(archive, member), folder / f"{other}_checks"
            digests = _checks(rows, member.shape[0], cached)["digest"]
            named |= {int(d): f"{other}[{i}]" for i, d in enumerate(digests) if d}
    return named


def _checks(batches: Iterable[np.ndarray], count: int, folder: Path) -> np.ndarray:
    """Return what is checked of each image, from the cache if it is there.

    Shapes:
        batches: (batch, height, width) or (batch, height, width, 1) uint8; returns: (count,) of
        :data:`_CHECKS`.
    """

    def examine(start: int) -> Generator[dict[str, list]]:
        rows = (image.reshape(image.shape[:2]) for batch in batches for image in batch)
        rows = itertools.islice(rows, start, None)
        while chunk := list(itertools.islice(rows, _IMAGES)):
            yield {name: [(pixel_digest(image), suspect(image)) for image in chunk]}

    name, plan = "checks.npy", {"decoder": DECODER}
    options = {"count": count, "description": "checking images", "progress": False}
    return np.array(io.cached_arrays(folder, plan, {name: _CHECKS}, examine, **options)[0][name])


def _rows(archive: zipfile.ZipFile, member: "_Member") -> Iterator[np.ndarray]:
    """Yield the rows of an array in batches, without unpacking it unless it is in Fortran order."""
    shape, dtype = member.shape, member.dtype
    row = math.prod(shape[1:]) * dtype.itemsize
    with archive.open(member.info) as stream:
        stream.read(member.info.file_size - shape[0] * row)
        if member.fortran:
            yield np.frombuffer(stream.read(), dtype).reshape(shape, order="F")
            return
        # zipfile compares the checksum when nothing is left to read.
        while chunk := stream.read(max(1, _CHUNK // row) * row):
            yield np.frombuffer(chunk, dtype).reshape(-1, *shape[1:])


class _Member(NamedTuple):
    """One array of an archive, as its header describes it."""

    path: Path
    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool

    def require(self, fits: bool, expected: str, received: str, advice: str) -> None:
        """Raise a :class:`DataError` that names the array unless it fits."""
        if not fits:
            problem = f"{self.path}: array {self.info.filename} cannot be used"
            raise DataError(problem, expected, received, advice)


def _check(images: _Member, labels: _Member, size: int | None, names: tuple[str, ...]) -> None:
    """Raise a :class:`DataError` unless the arrays have the types and shapes that are needed."""
    shape, dtype = images.shape, images.dtype
    advice = "Scale the images to 0…255 and write them again as .astype(np.uint8)"
    received = f"dtype {dtype}{' (pickled)' if dtype.hasobject else ''}"
    images.require(dtype == np.uint8, "dtype uint8", received, advice)
    square = len(shape) in (3, 4) and shape[1] == shape[2] and shape[3:] in ((), (1,))
    expected = "some square images, (n, size, size) or (n, size, size, 1)"
    advice = "Write square images with one grey channel, or load another split"
    images.require(square and min(shape) > 0, expected, f"shape {shape}", advice)
    expected, received = f"images of {size}×{size} px", f"images of {shape[1]}×{shape[1]} px"
    advice = f"Pass size={shape[1]} (command line: --size {shape[1]}), or images of {size} px"
    images.require(size in (None, shape[1]), expected, received, advice)
    expected = "integers 0 and 1, or floats 0, 1 and NaN (unknown)"
    advice = "Write the labels as uint8, or as float32 with NaN where a label is unknown"
    labels.require(labels.dtype.kind in "iubf", expected, f"dtype {labels.dtype}", advice)
    expected = f"shape {(shape[0], len(names))}: a row per image, {len(names)} label columns"
    advice = (
        "Pass label_names=[…] with a name per column (command line: --label-names a,b,c); "
        "class numbers become columns with np.eye(k, dtype=np.uint8)[classes]"
    )
    fits = labels.shape == (shape[0], len(names))
    labels.require(fits, expected, f"shape {labels.shape}", advice)


def _read_header(path: Path, archive: zipfile.ZipFile, key: str) -> _Member:
    """Read the header of an array; the array itself is neither read nor unpickled."""
    arrays = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
    if key not in arrays:
        complete = [split for split in SPLITS if f"{split}_{key.partition('_')[2]}" in arrays]
        expected, received = "MedMNIST's train_images, train_labels, …", ", ".join(arrays)
        there = f"Load a split that is there: {', '.join(complete)} (command line: --split)"
        advice = there if complete else _WRITE_AGAIN
        raise DataError(f"{path} has no array {key}", expected, received or "no array", advice)
    info = archive.getinfo(f"{key}.npy")
    if info.compress_type not in _DEFLATE:
        raise ValueError(f"array {key} is compressed by a method other than deflate")
    if info.file_size > _MAX_BYTES:
        raise ValueError(f"array {key} of {io.format_bytes(info.file_size)} is larger than allowed")
    with archive.open(info) as stream:
        if npy.read_magic(stream) != (1, 0):
            raise ValueError(f"unknown format of array {key}")
        shape, fortran, dtype = npy.read_array_header_1_0(stream, max_header_size=_MAX_HEADER)
        header = stream.tell()
    if not dtype.hasobject and info.file_size - header != math.prod(shape) * dtype.itemsize:
        sizes = f"{math.prod(shape) * dtype.itemsize:,} bytes, not {info.file_size - header:,}"
        raise ValueError(f"array {key} of shape {shape} has {sizes}")
    return _Member(path, info, shape, dtype, fortran)


def _unpacked(
    archive: zipfile.ZipFile, member: _Member, folder: Path, progress: bool
) -> np.ndarray:
    """Return an array memory-mapped from the cache, after unpacking it there if necessary."""
    name, shape = member.info.filename, member.shape

    def batches(start: int) -> Generator[dict[str, np.ndarray]]:
        row = 0
        for rows in _rows(archive, member):
            if len(missing := rows[max(0, start - row) :]):
                yield {name: missing}
            row += len(rows)

    layout = {name: np.dtype((member.dtype, shape[1:]))}
    what = f"unpacking {name} of {member.path}"
    options = {"count": shape[0], "description": what, "progress": progress}
    arrays, _ = io.cached_arrays(folder / name[:-4], {"array": what}, layout, batches, **options)
    return arrays[name]
