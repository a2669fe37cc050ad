"""MedMNIST-style ``.npz`` files, checked before use and unpacked once.

``np.load(..., mmap_mode="r")`` silently reads a whole ``.npz`` into memory, and the 224-pixel
images of ChestMNIST are 3.94 GB. So each array is unpacked once into an ``.npy`` file, which can be
memory-mapped. Everything that the headers tell is checked before a byte is copied.
"""

import contextlib
import hashlib
import lzma
import os
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from xraylab import io
from xraylab.data.errors import DataError
from xraylab.data.locations import arrays_folder, data_root
from xraylab.data.split import SPLITS, Split
from xraylab.findings import FINDINGS

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,  # encrypted, or compressed by a method that zipfile does not know
    ValueError,  # offsets that point outside the file
)
_WRITE_AGAIN = "Fetch the file again, or write it again with np.savez_compressed"


def load_npz(
    path: str | os.PathLike,
    *,
    split: str = "train",
    size: int | None = None,
    label_names: Sequence[str] | None = None,
    cache_dir: str | os.PathLike | None = None,
    progress: bool = True,
    source: str | None = None,
) -> Split:
    """Load one split of a MedMNIST-style file, its images memory-mapped.

    Shapes:
        in the file: ``{split}_images`` (n, size, size) or (n, size, size, 1) uint8,
        ``{split}_labels`` (n, num_labels) integers 0 or 1, or floats 0, 1 or NaN (unknown).

    Args:
        path: the ``.npz`` file.
        split: ``"train"``, ``"val"`` or ``"test"``.
        size: expected side of the images in pixels; None takes the file's own.
        label_names: names of the labels; None stands for the 14 findings.
        cache_dir: folder for the unpacked arrays; None stands for :func:`data_root`.
        progress: whether to show the progress of unpacking.
        source: the split's ``source``; None stands for the path.

    Raises:
        DataError: if the file or its contents are not as described.
        OSError: if the file cannot be read or unpacked.
    """
    path = Path(path)
    names = check_label_names(label_names)
    with _opened(path) as archive:
        images, labels = (
            _read_header(path, archive, f"{split}_{kind}") for kind in ("images", "labels")
        )
        _check_images(images, size)
        _check_labels(labels, images, names, label_names is None)
        fingerprint = _fingerprint(images, labels)
        root = data_root() if cache_dir is None else Path(cache_dir)
        folder = arrays_folder(root) / fingerprint[:24]
        # The few labels first: their values are checked before gigabytes of images are copied.
        label_array = np.array(_unpacked(archive, labels, folder, progress))
        _check_values(labels, label_array)
        image_array = _unpacked(archive, images, folder, progress)
    return Split(
        image_array.reshape(images.shape[:3]),
        label_array,
        source=str(path) if source is None else source,
        split=split,
        label_names=names,
        fingerprint=fingerprint,
        path=path.absolute(),
    )


@dataclass(frozen=True)
class _Member:
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
            raise DataError(
                f"{self.path}: array {self.key} cannot be used", expected, received, advice
            )


def check_label_names(label_names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the label names as a tuple, after a check; None stands for the 14 findings."""
    if label_names is None:
        return FINDINGS
    names = () if isinstance(label_names, str) else tuple(label_names)
    text = all(isinstance(name, str) for name in names)
    if not names or not text or len(set(names)) < len(names):
        raise DataError(
            "Invalid argument label_names",
            "a list of different names, one per label column",
            repr(label_names),
            'Pass names such as label_names=["normal", "pneumonia"]',
        )
    return names


def _check_images(images: _Member, size: int | None) -> None:
    """Raise a :class:`DataError` unless the images are square, 8-bit grey and in C order."""
    shape = images.shape
    images.require(
        images.dtype == np.uint8,
        "dtype uint8, grey values 0 to 255",
        f"dtype {images.dtype}",
        "Scale the images to 0…255 and write them again as .astype(np.uint8)",
    )
    square = len(shape) in (3, 4) and shape[1] == shape[2] > 0 and shape[3:] in ((), (1,))
    images.require(
        square,
        "shape (n, size, size) or (n, size, size, 1): square grey images",
        f"shape {shape}",
        "Write square images with one grey channel",
    )
    images.require(
        shape[0] > 0,
        "at least one image",
        f"an empty split, shape {shape}",
        "Load another split, or write the file again with images in this one",
    )
    images.require(
        not images.fortran_order,
        "C order, in which each image can be read without the others",
        "Fortran order",
        "Write the file again with np.ascontiguousarray(images)",
    )
    images.require(
        size is None or shape[1] == size,
        f"images of {size}×{size} px, the requested size",
        f"images of {shape[1]}×{shape[1]} px",
        f"Pass size={shape[1]}, or a file with images of {size} px",
    )


def _check_labels(
    labels: _Member, images: _Member, names: tuple[str, ...], by_default: bool
) -> None:
    """Raise a :class:`DataError` unless the labels are numbers, a row per image."""
    shape = labels.shape
    labels.require(
        labels.dtype.kind in "iubf",
        "integers 0 and 1, or floats 0, 1 and NaN (unknown)",
        f"dtype {labels.dtype}",
        "Write the labels again as uint8, or as float32 with NaN where a label is unknown",
    )
    labels.require(
        len(shape) == 2,
        "shape (n, num_labels): a row per image, a column per label",
        f"shape {shape}",
        "Write the labels again with two axes; labels[:, None] makes one column",
    )
    labels.require(
        shape[0] == images.shape[0],
        f"{images.shape[0]:,} rows, one per image of {images.key}",
        f"{shape[0]:,} rows",
        "Write images and labels again with the same length",
    )
    why = "the 14 findings of ChestMNIST, the default" if by_default else "label_names"
    labels.require(
        shape[1] == len(names),
        f"{len(names)} label columns ({why})",
        f"{shape[1]} label columns",
        f"For another data set pass label_names=[…] with its {shape[1]} names (on the command "
        "line: --label-names a,b,c)",
    )


def _check_values(labels: _Member, values: np.ndarray) -> None:
    """Raise a :class:`DataError` if a label is neither 0, 1 nor NaN."""
    wrong = ~(np.isin(values, (0, 1)) | (values != values))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        labels.require(
            False,
            "only 0 (absent), 1 (present) and, in a float array, NaN (unknown)",
            f"{int(wrong.sum()):,} other values, the first {values[row, column]} in row {row}, "
            f"column {column}",
            "Write the labels again; class numbers become one column per class with "
            "np.eye(k, dtype=np.uint8)[classes]",
        )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive; turn damage into an error that describes the file."""
    try:
        with io.wrap_os_error(path, "reading the file"), zipfile.ZipFile(path) as archive:
            yield archive
    except DataError:
        raise
    except (OSError, *_DAMAGE) as error:
        # bz2 reports damaged data as an OSError, too, but one without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"{path} cannot be read",
            "a MedMNIST-style .npz file (a zip archive of arrays)",
            f"{_describe(path)} ({error})",
            _WRITE_AGAIN,
        ) from error


def _describe(path: Path) -> str:
    """Describe the content of a file that is no readable archive."""
    with path.open("rb") as stream:
        start = stream.read(64)
    size = io.format_bytes(path.stat().st_size)
    if not start:
        return "an empty file"
    if start.startswith(b"PK\x03\x04"):
        return f"{size} of a truncated or damaged archive"
    if start.startswith(b"\x93NUMPY"):
        return f"{size} of a single .npy array"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return f"{size} of a web page"
    return f"{size} that begin with {start[:8]!r}"


def _read_header(path: Path, archive: zipfile.ZipFile, key: str) -> _Member:
    """Read the header of an array; the array itself is neither read nor unpickled."""
    members = {
        info.filename.removesuffix(".npy"): info
        for info in archive.infolist()
        if info.filename.endswith(".npy")
    }
    if key not in members:
        complete = [s for s in SPLITS if {f"{s}_images", f"{s}_labels"} <= members.keys()]
        raise DataError(
            f"{path} has no array {key}",
            "MedMNIST's layout: train_images, train_labels, …",
            f"the arrays {', '.join(members) or '(none)'}",
            f"Load a split that is there: {', '.join(complete)}"
            if complete
            else "Write the file again with np.savez_compressed(path, train_images=…, …)",
        )
    info = members[key]
    with archive.open(info) as stream:
        start = BytesIO(stream.read(1 << 16))
    try:
        shape, fortran_order, dtype = _HEADER_READERS[np.lib.format.read_magic(start)](start)
    except (ValueError, KeyError, TypeError, SyntaxError, tokenize.TokenError) as error:
        raise DataError(
            f"{path}: the header of array {key} is damaged",
            "an array as np.save writes it, format 1.0 or 2.0",
            str(error),
            _WRITE_AGAIN,
        ) from error
    member = _Member(path, key, info, start.getvalue()[: start.tell()], shape, dtype, fortran_order)
    member.require(
        not dtype.hasobject,
        "an array of numbers",
        f"pickled Python objects (dtype {dtype}), which could run code; they were not opened",
        "Do not unpickle files from strangers; write an array of your own again with a dtype of "
        "numbers, such as uint8",
    )
    expected = len(member.header) + dtype.itemsize * int(np.prod(shape, dtype=object))
    member.require(
        expected == info.file_size and min(shape, default=0) >= 0,
        f"{expected:,} bytes for shape {shape} and dtype {dtype}",
        f"{info.file_size:,} bytes in the archive",
        _WRITE_AGAIN,
    )
    return member


def _fingerprint(*members: _Member) -> str:
    """Compute a digest of the arrays from the checksums in the archive."""
    digest = hashlib.sha256()
    for member in members:
        line = f"{member.info.filename} {member.info.CRC:08x} {member.info.file_size}\n"
        digest.update(line.encode())
    return digest.hexdigest()


def _unpacked(
    archive: zipfile.ZipFile, member: _Member, folder: Path, progress: bool
) -> np.ndarray:
    """Return an array memory-mapped from the cache, after unpacking it there if necessary."""
    path = folder / f"{member.key}.npy"
    with io.wrap_os_error(path, f"unpacking {member.path}"):
        if path.exists() and not _is_intact(path, member):
            warnings.warn(
                f"{path} is damaged (its size or header is not that of {member.key} in "
                f"{member.path}); it is unpacked again",
                stacklevel=2,
            )
            path.unlink()
        if not path.exists():
            io.make_folder(folder, mode=0o700)
            _unpack(archive, member, path, progress)
        return np.load(path, mmap_mode="r", allow_pickle=False)


def _is_intact(unpacked: Path, member: _Member) -> bool:
    # An .npz member *is* an .npy file, so both size and header must be the same to the byte.
    if unpacked.stat().st_size != member.info.file_size:
        return False
    with unpacked.open("rb") as stream:
        return stream.read(len(member.header)) == member.header


def _unpack(archive: zipfile.ZipFile, member: _Member, path: Path, progress: bool) -> None:
    size = member.info.file_size
    io.require_free_disk(path.parent, size, f"unpacking {member.key} of {member.path}")
    with (
        io.atomic_write(path) as target,
        archive.open(member.info) as stream,
        io.byte_bar(f"unpacking {member.key}", size, progress and size > 100 << 20) as bar,
    ):
        # zipfile compares the checksum at the last byte and raises before the file gets its name.
        while chunk := stream.read(1 << 20):
            target.write(chunk)
            bar.update(len(chunk))
