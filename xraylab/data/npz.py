"""MedMNIST-style ``.npz`` files, checked before use and unpacked once.

``np.load(..., mmap_mode="r")`` silently reads a whole ``.npz`` into memory, and the 224-pixel
images of ChestMNIST are 3.94 GB. So each array is unpacked once into an ``.npy`` file, which can be
memory-mapped. Types and shapes are checked before a byte is copied.
"""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy

from xraylab import io
from xraylab.data.errors import DataError, reading
from xraylab.data.split import SPLITS, Split
from xraylab.findings import check_label_names

_CHUNK = 1 << 20
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
        _check(images, labels, size, names)
        infos = (images.info, labels.info)
        sums = (f"{info.filename} {info.CRC:08x} {info.file_size}\n" for info in infos)
        fingerprint = hashlib.sha256("".join(sums).encode()).hexdigest()
        folder = cache_dir / "arrays" / fingerprint[:24]
        label_array, image_array = (
            _unpacked(archive, member, folder, progress) for member in (labels, images)
        )
    return Split(
        image_array if image_array.ndim == 3 else image_array[..., 0],
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
    info: zipfile.ZipInfo
    shape: tuple[int, ...]
    dtype: np.dtype

    def require(self, fits: bool, expected: str, received: str, advice: str) -> None:
        """Raise a :class:`DataError` that names the array unless it fits."""
        if not fits:
            problem = f"{self.path}: array {self.info.filename} cannot be used"
            raise DataError(problem, expected, received, advice)


def _check(images: _Member, labels: _Member, size: int | None, names: tuple[str, ...]) -> None:
    """Raise a :class:`DataError` unless the arrays have the types and shapes that are needed."""
    shape, dtype = images.shape, images.dtype
    advice = "Scale the images to 0…255 and write them again as .astype(np.uint8)"
    images.require(dtype == np.uint8, "dtype uint8", f"dtype {dtype}", advice)
    square = len(shape) in (3, 4) and shape[1] == shape[2] and shape[3:] in ((), (1,))
    expected = "some square images, (n, size, size) or (n, size, size, 1)"
    advice = "Write square images with one grey channel, or load another split"
    images.require(square and min(shape) > 0, expected, f"shape {shape}", advice)
    expected, received = f"images of {size}×{size} px", f"images of {shape[1]}×{shape[1]} px"
    advice = f"Pass size={shape[1]}, or a file with images of {size} px"
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
        complete = [s for s in SPLITS if {f"{s}_images", f"{s}_labels"} <= set(arrays)]
        expected, received = "MedMNIST's train_images, train_labels, …", ", ".join(arrays)
        advice = f"Load a split that is there: {', '.join(complete)}" if complete else _WRITE_AGAIN
        raise DataError(f"{path} has no array {key}", expected, received or "no array", advice)
    info = archive.getinfo(f"{key}.npy")
    with archive.open(info) as stream:
        if npy.read_magic(stream) != (1, 0):
            raise ValueError(f"unknown format of array {key}")
        shape, _, dtype = npy.read_array_header_1_0(stream)
    return _Member(path, info, shape, dtype)


def _unpacked(
    archive: zipfile.ZipFile, member: _Member, folder: Path, progress: bool
) -> np.ndarray:
    """Return an array memory-mapped from the cache, after unpacking it there if necessary."""
    name, size = member.info.filename, member.info.file_size
    path = io.make_folder(folder) / name
    if not path.exists() or path.stat().st_size != size:
        io.require_free_disk(folder, size, f"unpacking {name} of {member.path}")
        options = {"total": size, "unit": "B", "unit_scale": True}
        with (
            io.atomic_write(path) as target,
            archive.open(member.info) as stream,
            io.progress_bar(progress, desc=f"unpacking {name}", **options) as bar,
        ):
            # zipfile compares the checksum at the last byte, before the file gets its name.
            while chunk := stream.read(_CHUNK):
                target.write(chunk)
                bar.update(len(chunk))
    return np.load(path, mmap_mode="r")
