"""Any MedMNIST-style ``.npz`` file, checked before it is used and unpacked once.

``np.load(..., mmap_mode="r")`` silently reads a whole ``.npz`` into memory, and the 224-pixel images
of ChestMNIST are 3.94 GB. So each array is unpacked once into an ``.npy`` of its own, which can be
memory-mapped. Everything that headers can tell is checked before a byte is copied.
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
from io import BytesIO
from pathlib import Path

import numpy as np

from xraylab import io
from xraylab.data.errors import DataError, as_data_error
from xraylab.data.locations import arrays_folder, data_root
from xraylab.data.npz_checks import (
    Member,
    check_images,
    check_labels,
    check_values,
    checked_names,
)
from xraylab.data.split import SPLITS, Split

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,  # encrypted, or packed by a method that zipfile does not know
    ValueError,  # offsets that point outside the file
)


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
        in the file: ``{split}_images`` (n, size, size) uint8, ``{split}_labels`` (n, k) integers,
        0 or 1.

    Args:
        path: the ``.npz`` file.
        split: ``"train"``, ``"val"`` or ``"test"``.
        size: side of the images that the caller counts on; None takes the file's own.
        label_names: names of the ``k`` labels; None stands for the 14 findings.
        cache_dir: folder for the unpacked arrays; None stands for :func:`data_root`.
        progress: whether to show the progress of unpacking.
        source: name that the split gives as its source; None stands for the path.

    Raises:
        DataError: if the file or what is in it is not as described, or cannot be unpacked.
    """
    path = Path(path)
    names = checked_names(label_names)
    with _opened(path) as archive:
        images, labels = (
            _read_header(path, archive, f"{split}_{kind}") for kind in ("images", "labels")
        )
        check_images(path, images, size)
        check_labels(path, labels, images, names, label_names is None)
        fingerprint = _fingerprint(images, labels)
        root = data_root() if cache_dir is None else Path(cache_dir)
        folder = arrays_folder(root) / fingerprint[:24]
        # The few labels first: their values are checked before gigabytes of images are copied.
        label_array = _unpacked(path, archive, labels, folder, progress)
        check_values(path, labels.key, label_array)
        image_array = _unpacked(path, archive, images, folder, progress)
    return Split(
        image_array,
        np.array(label_array, dtype=np.uint8),
        source=str(path) if source is None else source,
        split=split,
        size=images.shape[1],
        label_names=names,
        fingerprint=fingerprint,
        path=path.absolute(),
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive; turn whatever is wrong with it into an error that says so."""
    whole = "a whole MedMNIST-style .npz file (a zip archive of arrays)"
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DataError:
        raise
    except FileNotFoundError as error:
        there = sorted(file.name for file in path.parent.glob("*.npz"))
        raise DataError(
            path,
            expected=whole,
            found="no such file; "
            + (f"its folder has {', '.join(there)}" if there else "its folder has no .npz file"),
            advice="check the path for misspellings",
        ) from error
    except IsADirectoryError as error:
        raise DataError(
            path,
            expected=whole,
            found="a folder",
            advice="pass the path of the .npz file itself",
        ) from error
    except (OSError, *_DAMAGE) as error:
        # bz2 reports damaged data as an OSError too, but one without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise as_data_error(error, path, "reading the file") from error
        raise DataError(
            path,
            expected=whole,
            found=f"{_likeness(path)} ({error})",
            advice="fetch the file again, or write it again with np.savez_compressed",
        ) from error


def _likeness(path: Path) -> str:
    """Say what a file that could not be read as an archive looks like."""
    with path.open("rb") as stream:
        start = stream.read(64)
    size = io.format_bytes(path.stat().st_size)
    if not start:
        return "an empty file"
    if start.startswith(b"PK\x03\x04"):
        return f"{size} that begin like an archive but are truncated or damaged"
    if start.startswith(b"\x93NUMPY"):
        return f"{size} of a single .npy array"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return f"{size} of a web page"
    return f"{size} that are no zip archive and begin with {start[:8]!r}"


def _read_header(path: Path, archive: zipfile.ZipFile, key: str) -> Member:
    """Read what an array's header says; the array itself is not touched, least of all unpickled."""
    members = {
        info.filename.removesuffix(".npy"): info
        for info in archive.infolist()
        if info.filename.endswith(".npy")
    }
    if key not in members:
        whole_splits = [s for s in SPLITS if {f"{s}_images", f"{s}_labels"} <= members.keys()]
        raise DataError(
            path,
            expected=f"an array {key} (MedMNIST's layout: train_images, train_labels, …)",
            found=f"the arrays {', '.join(members) or '(none)'}",
            advice=f"ask for a split that is there: {', '.join(whole_splits)}"
            if whole_splits
            else "write the file again with np.savez_compressed(path, train_images=…, …)",
        )
    info = members[key]
    with archive.open(info) as stream:
        start = BytesIO(stream.read(1 << 16))
    try:
        shape, fortran_order, dtype = _HEADER_READERS[np.lib.format.read_magic(start)](start)
    except (ValueError, KeyError, TypeError, SyntaxError, tokenize.TokenError) as error:
        raise DataError(
            f"{path}, array {key}",
            expected="an array as np.save writes it, format 1.0 or 2.0",
            found=f"a header that cannot be read ({error})",
            advice="fetch the file again, or write it again with np.savez_compressed",
        ) from error
    if dtype.hasobject:
        raise DataError(
            f"{path}, array {key}",
            expected="an array of numbers",
            found=f"pickled Python objects (dtype {dtype}), which could run code; left unopened",
            advice="do not unpickle files from strangers; if the file is your own, write the array "
            "again with a dtype of numbers, such as uint8",
        )
    header = start.getvalue()[: start.tell()]
    promised = len(header) + dtype.itemsize * int(np.prod(shape, dtype=object))
    if promised != info.file_size or min(shape, default=0) < 0:
        raise DataError(
            f"{path}, array {key}",
            expected=f"{promised:,} bytes, as shape {shape} and dtype {dtype} ask for",
            found=f"{info.file_size:,} bytes in the archive",
            advice="fetch the file again, or write it again with np.savez_compressed",
        )
    return Member(key, info, header, shape, dtype, fortran_order)


def _fingerprint(*members: Member) -> str:
    """Return a digest of the arrays by the checksums that the archive already holds."""
    digest = hashlib.sha256()
    for member in members:
        line = f"{member.info.filename} {member.info.CRC:08x} {member.info.file_size}\n"
        digest.update(line.encode())
    return digest.hexdigest()


def _unpacked(
    path: Path, archive: zipfile.ZipFile, member: Member, folder: Path, progress: bool
) -> np.ndarray:
    """Return the array memory-mapped from the cache, after unpacking it there if need be."""
    destination = folder / f"{member.key}.npy"
    damaged = destination.with_suffix(".npy.damaged")
    try:
        if destination.exists() and not _is_intact(destination, member):
            warnings.warn(
                f"{destination} is damaged (its size or header is not that of {member.key} in "
                f"{path}); it is unpacked again",
                stacklevel=2,
            )
            destination.replace(damaged)
        if not destination.exists():
            _unpack(path, archive, member, io.make_folder(folder) / destination.name, progress)
            damaged.unlink(missing_ok=True)
        return np.load(destination, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        if error.errno is None:
            raise
        raise as_data_error(error, destination, f"unpacking {path}") from error


def _is_intact(unpacked: Path, member: Member) -> bool:
    # An .npz member *is* an .npy file, so both size and header must be the same to the byte.
    if unpacked.stat().st_size != member.info.file_size:
        return False
    with unpacked.open("rb") as stream:
        return stream.read(len(member.header)) == member.header


def _unpack(
    path: Path, archive: zipfile.ZipFile, member: Member, destination: Path, progress: bool
) -> None:
    size = member.info.file_size
    io.require_free_disk(destination.parent, size, f"unpacking {member.key} of {path}")
    with (
        io.atomic_write(destination) as target,
        archive.open(member.info) as stream,
        io.byte_bar(f"unpacking {member.key}", size, progress and size > 100 << 20) as bar,
    ):
        # zipfile compares the checksum at the last byte and raises before the file gets its name.
        while chunk := stream.read(io.files.CHUNK):
            target.write(chunk)
            bar.update(len(chunk))
