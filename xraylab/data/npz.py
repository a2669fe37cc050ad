"""MedMNIST-style ``.npz`` files, checked before use and unpacked once.

``np.load(..., mmap_mode="r")`` silently reads a whole ``.npz`` into memory, and the 224-pixel
images of ChestMNIST are 3.94 GB. So each array is unpacked once into an ``.npy`` file, which can be
memory-mapped. Everything that the headers contain is checked before a byte is copied.
"""

import hashlib
import os
import tokenize
import warnings
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy

from xraylab import io
from xraylab.arguments import invalid_argument
from xraylab.data.errors import DataError, reading
from xraylab.data.split import SPLITS, Split
from xraylab.findings import FINDINGS

_HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_WRITE_AGAIN = "Fetch the file again, or write it again with np.savez_compressed"


def load_npz(
    path: str | os.PathLike,
    *,
    split: str = "train",
    size: int | None = None,
    label_names: Sequence[str] | None = None,
    cache_dir: Path,
    progress: bool = True,
) -> Split:
    """Load one split of a MedMNIST-style file, its images memory-mapped.

    Shapes:
        in the file: ``{split}_images`` (n, size, size) or (n, size, size, 1) uint8,
        ``{split}_labels`` (n, num_labels) integers 0 or 1, or floats 0, 1 or NaN (unknown).

    Args:
        path: the ``.npz`` file; it is the split's ``source``.
        split: ``"train"``, ``"val"`` or ``"test"``.
        size: expected side of the images in pixels; None takes the file's own.
        label_names: names of the labels; None means the 14 findings.
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
    expected = "a MedMNIST-style .npz file (a zip archive of arrays)"
    with reading(path, expected, _WRITE_AGAIN), zipfile.ZipFile(path) as archive:
        images, labels = (
            _read_header(path, archive, f"{split}_{kind}") for kind in ("images", "labels")
        )
        _check_images(images, size)
        _check_labels(labels, images, names)
        infos = (images.info, labels.info)
        sums = (f"{info.filename} {info.CRC:08x} {info.file_size}\n" for info in infos)
        fingerprint = hashlib.sha256("".join(sums).encode()).hexdigest()
        folder = cache_dir / "arrays" / fingerprint[:24]
        # The few labels first: their values are checked before gigabytes of images are copied.
        label_array = np.array(_unpacked(archive, labels, folder, progress))
        _check_values(labels, label_array)
        image_array = _unpacked(archive, images, folder, progress)
    return Split(
        image_array.reshape(images.shape[:3]),
        label_array,
        source=str(path),
        split=split,
        label_names=names,
        fingerprint=fingerprint,
        path=path.absolute(),
    )


class _Member(NamedTuple):
    """One array of an archive, as its header describes it."""

    path: Path
    key: str
    info: zipfile.ZipInfo
    header: bytes
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool

    def require(self, fits: bool, expected: str, received: str, advice: str) -> None:
        """Raise a :class:`DataError` that names the array unless it fits."""
        if not fits:
            problem = f"{self.path}: array {self.key} cannot be used"
            raise DataError(problem, expected, received, advice)


def check_label_names(label_names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the label names as a tuple, after a check; None means the 14 findings."""
    if label_names is None:
        return FINDINGS
    names = () if isinstance(label_names, str) else tuple(label_names)
    text = all(isinstance(name, str) for name in names)
    if not names or not text or len(set(names)) < len(names):
        advice = 'Pass names such as label_names=["normal", "pneumonia"]'
        expected = "a list of different names, one per label column"
        raise invalid_argument("label_names", expected, repr(label_names), advice)
    return names


def _check_images(images: _Member, size: int | None) -> None:
    """Raise a :class:`DataError` unless the images are square, 8-bit grey and in C order."""
    shape, dtype = images.shape, images.dtype
    advice = "Scale the images to 0…255 and write them again as .astype(np.uint8)"
    images.require(dtype == np.uint8, "dtype uint8", f"dtype {dtype}", advice)
    square = len(shape) in (3, 4) and shape[1] == shape[2] > 0 and shape[3:] in ((), (1,))
    expected = "(n, size, size) or (n, size, size, 1)"
    images.require(square, expected, f"shape {shape}", "Write square images, one grey channel")
    advice = "Load another split, or write images into this one"
    images.require(shape[0] > 0, "at least one image", f"an empty split, shape {shape}", advice)
    advice = "Write the file again with np.ascontiguousarray(images)"
    images.require(not images.fortran_order, "C order", "Fortran order", advice)
    expected, received = f"images of {size}×{size} px", f"images of {shape[1]}×{shape[1]} px"
    advice = f"Pass size={shape[1]}, or a file with images of {size} px"
    images.require(size in (None, shape[1]), expected, received, advice)


def _check_labels(labels: _Member, images: _Member, names: tuple[str, ...]) -> None:
    """Raise a :class:`DataError` unless the labels are numbers, a row per image."""
    shape, dtype = labels.shape, labels.dtype
    expected = "integers 0 and 1, or floats 0, 1 and NaN (unknown)"
    advice = "Write the labels as uint8, or as float32 with NaN where a label is unknown"
    labels.require(dtype.kind in "iubf", expected, f"dtype {dtype}", advice)
    advice = "Write the labels with two axes; labels[:, None] makes one column"
    labels.require(len(shape) == 2, "shape (n, num_labels)", f"shape {shape}", advice)
    expected, advice = f"{images.shape[0]:,} rows, one per image", "Write both with the same length"
    labels.require(shape[0] == images.shape[0], expected, f"{shape[0]:,} rows", advice)
    expected = f"{len(names)} label columns: {', '.join(names)}"
    advice = f"Pass label_names=[…] with {shape[1]} names (command line: --label-names a,b,c)"
    labels.require(shape[1] == len(names), expected, f"{shape[1]} label columns", advice)


def _check_values(labels: _Member, values: np.ndarray) -> None:
    """Raise a :class:`DataError` if a label is neither 0, 1 nor NaN."""
    wrong = np.argwhere(~(np.isin(values, (0, 1)) | (values != values)))
    if len(wrong):
        row, column = wrong[0]
        expected = "only 0 (absent), 1 (present) and, in a float array, NaN (unknown)"
        first = f"{values[row, column]} in row {row}, column {column}"
        advice = "Class numbers become a column per class with np.eye(k, dtype=np.uint8)[classes]"
        labels.require(False, expected, f"{len(wrong):,} other values, the first {first}", advice)


def _read_header(path: Path, archive: zipfile.ZipFile, key: str) -> _Member:
    """Read the header of an array; the array itself is neither read nor unpickled."""
    arrays = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
    if key not in arrays:
        complete = [s for s in SPLITS if {f"{s}_images", f"{s}_labels"} <= set(arrays)]
        expected, received = "MedMNIST's train_images, train_labels, …", ", ".join(arrays)
        advice = f"Load a split that is there: {', '.join(complete)}" if complete else _WRITE_AGAIN
        raise DataError(f"{path} has no array {key}", expected, received or "no array", advice)
    info = archive.getinfo(f"{key}.npy")
    with archive.open(info) as stream:
        start = BytesIO(stream.read(1 << 16))
    try:
        shape, fortran_order, dtype = _HEADER_READERS[npy.read_magic(start)](start)
    except (ValueError, KeyError, TypeError, SyntaxError, tokenize.TokenError) as error:
        problem, expected = f"{path}: the header of array {key} is damaged", "one of np.save"
        raise DataError(problem, expected, str(error), _WRITE_AGAIN) from error
    header = start.getvalue()[: start.tell()]
    member = _Member(path, key, info, header, shape, dtype, fortran_order)
    received = f"pickled Python objects (dtype {dtype}), which could run code; they were not opened"
    advice = "Do not unpickle files from strangers; write your own again as numbers, such as uint8"
    member.require(not dtype.hasobject, "an array of numbers", received, advice)
    size = len(header) + dtype.itemsize * int(np.prod(shape, dtype=object))
    fits = size == info.file_size and min(shape, default=0) >= 0
    expected = f"{size:,} bytes for shape {shape} and dtype {dtype}"
    member.require(fits, expected, f"{info.file_size:,} bytes in the archive", _WRITE_AGAIN)
    return member


def _unpacked(
    archive: zipfile.ZipFile, member: _Member, folder: Path, progress: bool
) -> np.ndarray:
    """Return an array memory-mapped from the cache, after unpacking it there if necessary."""
    path, size = folder / f"{member.key}.npy", member.info.file_size
    with io.wrap_os_error(path, f"unpacking {member.path}"):
        if path.exists():
            # An .npz member *is* an .npy file, so both size and header must be the same.
            with path.open("rb") as stream:
                intact = stream.read(len(member.header)) == member.header
            if intact and path.stat().st_size == size:
                return np.load(path, mmap_mode="r", allow_pickle=False)
            text = f"{path} is damaged (its size or header is not that in {member.path})"
            warnings.warn(f"{text}; it is unpacked again", stacklevel=2)
            path.unlink()
        io.make_folder(folder, mode=0o700)
        io.require_free_disk(folder, size, f"unpacking {member.key} of {member.path}")
        with io.atomic_write(path) as target, archive.open(member.info) as stream:
            # zipfile compares the checksum at the last byte, before the file gets its name.
            for chunk in io.read_chunks(stream, f"unpacking {member.key}", size, progress):
                target.write(chunk)
        return np.load(path, mmap_mode="r", allow_pickle=False)
