"""ChestMNIST at its four sizes: the published files, their search on this machine and download."""

import functools
import warnings
from collections.abc import Iterator
from dataclasses import replace
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
    release = RELEASES[require_choice("size", size, RELEASES)]
    path = find(release, cache_dir)
    if path is None:
        path = cache_dir / "chestmnist" / release.name
        if not download_missing:
            problem = f"{release.name} is not on this machine, and download=False"
            folders = ", ".join(map(str, search_roots(cache_dir)))
            advice = f"Load with download=True, or fetch {release.url} and save it as {path}"
            expected = f"it in one of {folders}, with the MD5 checksum {release.md5}"
            raise DataError(problem, expected, "no such file", advice)
        download.fetch(release.url, path, release.md5, progress=progress)
    options = {"on_suspect": None, "cache_dir": cache_dir, "progress": progress}  # known images
    opened = load_npz(path, split=split, size=size, **options)
    return replace(opened, source="chestmnist")


def candidates(release: Release, root: Path) -> Iterator[Path]:
    """Yield the files on this machine that have the release's name, unchecked."""
    for folder in search_roots(root):
        yield from (path for path in sorted(folder.rglob(release.name)) if path.is_file())


def search_roots(root: Path) -> tuple[Path, ...]:
    """Return the folders to search: xraylab's, the one of ``medmnist``, and Kaggle's data sets."""
    return (root / "chestmnist", Path.home() / ".medmnist", Path("/kaggle/input"))


def find(release: Release, root: Path) -> Path | None:
    """Return the first file on this machine whose MD5 checksum is right; warn about others.

    Args:
        release: the published file.
        root: folder of xraylab's downloads.
    """
    for path in candidates(release, root):
        md5 = _md5(path, path.stat().st_mtime_ns)
        if md5 == release.md5:
            return path
        text = f"the MD5 checksum {release.md5} of {release.name}. Received: {md5}"
        advice = "To use it as it is, pass its path to xraylab.data.load"
        found = io.printable(f"{path} is passed over. Expected: {text}")
        warnings.warn(f"{found}. {advice}", stacklevel=2)
    return None


@functools.cache
def _md5(path: Path, time_of_change: int) -> str:
    """Compute the MD5 checksum of a file once in each process."""
    return io.md5(path)
