"""ChestMNIST at its four sizes: the published files, their search on this machine and download."""

import contextlib
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from xraylab import io
from xraylab.arguments import require_choice
from xraylab.data import download
from xraylab.data.errors import DataError
from xraylab.data.npz import load_npz
from xraylab.data.split import Split


class Release(NamedTuple):
    """One published file: its name, address and MD5 checksum (32 hex digits)."""

    name: str
    url: str
    md5: str


_MD5 = {
    28: "02c8a6516a18b556561a56cbdd36c4a8",
    64: "9de6cd0b934ebb5b7426cfba5efbae16",
    128: "db107e5590b27930b62dbaf558aebee3",
    224: "45bd33e6f06c3e8cdb481c74a89152aa",
}
_NAMES = {size: f"chestmnist_{size}.npz" for size in _MD5} | {28: "chestmnist.npz"}
_URL = "https://zenodo.org/records/10519652/files/{}?download=1"
RELEASES = {size: Release(_NAMES[size], _URL.format(_NAMES[size]), _MD5[size]) for size in _MD5}
"""The file for each size in pixels, as in ``medmnist.INFO["chestmnist"]``."""


def load_chestmnist(
    size: int, *, split: str, cache_dir: Path, download_missing: bool = True, progress: bool = True
) -> Split:
    """Load one split of ChestMNIST, from a file on this machine or else from the network.

    Shapes:
        images: (n, size, size) uint8, memory-mapped; labels: (n, 14) float32.

    Args:
        size: 28, 64, 128 or 224 pixels.
        split: ``"train"``, ``"val"`` or ``"test"``.
        cache_dir: folder for downloads and unpacked arrays.
        download_missing: whether to download a file that is not on this machine.
        progress: whether to show progress.

    Returns:
        The split.

    Raises:
        ValueError: if ChestMNIST has no such size.
        DataError: if the file is neither here nor can be downloaded.
    """
    path, others = find(size, cache_dir=cache_dir, progress=progress)
    if path is None:
        release = RELEASES[size]
        path = cache_dir / "chestmnist" / release.name
        by_hand = f"fetch {release.url} elsewhere and save it as {path}"
        for other, md5 in others.items():
            by_hand += f". {other} has the MD5 checksum {md5}: pass its path to load it as it is"
        if not download_missing:
            problem = f"{release.name} is not on this machine, and download=False"
            folders = ", ".join(map(str, search_roots(cache_dir)))
            advice = f"Load with download=True, or {by_hand}"
            raise DataError(problem, f"it in one of {folders}", "no such file", advice)
        try:
            download.fetch(release.url, path, release.md5, progress=progress)
        except DataError as error:
            raise DataError(f"{error}. Or {by_hand}") from error
        known_md5(path, cache_dir, lambda: release.md5)
    opened = load_npz(path, split=split, size=size, cache_dir=cache_dir, progress=progress)
    return replace(opened, source="chestmnist")


def candidates(release: Release, root: Path) -> list[Path]:
    """Return the files on this machine that have the release's name, unchecked."""
    found = (sorted(folder.rglob(release.name)) for folder in search_roots(root))
    return [path for paths in found for path in paths if path.is_file()]


def search_roots(root: Path) -> tuple[Path, ...]:
    """Return the folders to search: xraylab's, the one of ``medmnist``, and Kaggle's data sets."""
    return (root / "chestmnist", Path.home() / ".medmnist", Path("/kaggle/input"))


def find(
    size: int, *, cache_dir: Path | None = None, progress: bool = True
) -> tuple[Path | None, dict[Path, str | None]]:
    """Search ChestMNIST on this machine; warn about files with another MD5 checksum.

    Args:
        size: 28, 64, 128 or 224 pixels.
        cache_dir: folder of xraylab's downloads; None means :func:`data_root`.
        progress: whether to show the progress of computing checksums.

    Returns:
        The first file whose MD5 checksum is right, or None; and those passed over, with the MD5
        checksum of each.

    Raises:
        ValueError: if ChestMNIST has no such size.
    """
    release = RELEASES[require_choice("size", size, RELEASES)]
    root = cache_dir or io.data_root()
    others: dict[Path, str | None] = {}
    for path in candidates(release, root):
        try:
            md5 = known_md5(path, root, partial(io.md5, path, progress))
        except OSError as error:
            md5 = f"unknown: {error}"
        if md5 == release.md5:
            return path, others
        others[path] = md5
        text = f"the MD5 checksum {release.md5} of ChestMNIST at {size} px. Received: {md5}"
        advice = "To use it as it is, pass its path to xraylab.data.load"
        warnings.warn(f"{path} is passed over. Expected: {text}. {advice}", stacklevel=2)
    return None, others


_NOTES = "arrays/md5_sums.json"
# Checksums already computed, so that 4 GB are not read again at every load. Where the notes cannot
# be read or written, checksums are computed again.


def known_md5(path: Path, root: Path, compute: Callable[[], str] | None = None) -> str | None:
    """Return a file's MD5 checksum if it was computed before and the file has not changed since.

    Args:
        path: the file.
        root: the folder with the notes.
        compute: computes the checksum if it is not known; None returns None then.
    """
    notes, status = {}, path.stat()
    key = f"{path.absolute()} {status.st_size} {status.st_mtime_ns}"
    with contextlib.suppress(OSError, ValueError, TypeError):
        notes = dict(io.read_json(root / _NOTES))
    if key not in notes and compute:
        notes[key] = compute()
        with contextlib.suppress(OSError):
            io.make_folder((root / _NOTES).parent, mode=0o700)
            io.write_json(root / _NOTES, notes)
    return notes.get(key)
