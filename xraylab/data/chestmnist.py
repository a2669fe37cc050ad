"""ChestMNIST at its four sizes: the published files, their search on this machine and download."""

import contextlib
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xraylab import io
from xraylab.arguments import require_choice
from xraylab.data import download
from xraylab.data.errors import DataError
from xraylab.data.locations import arrays_folder, data_root, search_roots
from xraylab.data.npz import load_npz
from xraylab.data.split import Split

NUM_IMAGES = {"train": 78468, "val": 11219, "test": 22433}
"""Images in each split; no patient is in more than one."""


@dataclass(frozen=True)
class Release:
    """One published file: its name, address and MD5 checksum (32 hex digits)."""

    name: str
    url: str
    md5: str


def _release(name: str, md5: str) -> Release:
    return Release(name, f"https://zenodo.org/records/10519652/files/{name}?download=1", md5)


RELEASES: Mapping[int, Release] = {
    28: _release("chestmnist.npz", "02c8a6516a18b556561a56cbdd36c4a8"),
    64: _release("chestmnist_64.npz", "9de6cd0b934ebb5b7426cfba5efbae16"),
    128: _release("chestmnist_128.npz", "db107e5590b27930b62dbaf558aebee3"),
    224: _release("chestmnist_224.npz", "45bd33e6f06c3e8cdb481c74a89152aa"),
}
"""The file for each size in pixels, as in ``medmnist.INFO["chestmnist"]``."""

MEDMNIST_NAMES = {"pleural_thickening": "pleural"}
"""MedMNIST's names of the findings that :data:`xraylab.findings.FINDINGS` names differently."""


@dataclass(frozen=True)
class Found:
    """Files on this machine that have a release's name.

    Args:
        path: the first one whose MD5 checksum is right, or None.
        others: those passed over, with the MD5 checksum of each.
    """

    path: Path | None
    others: Mapping[Path, str]


def load_chestmnist(
    size: int = 64,
    *,
    split: str = "train",
    cache_dir: str | os.PathLike | None = None,
    download_missing: bool = True,
    progress: bool = True,
    roots: Iterable[Path] | None = None,
) -> Split:
    """Load one split of ChestMNIST, from a file on this machine or else from the network.

    Shapes:
        images: (n, size, size) uint8, memory-mapped; labels: (n, 14) float32.

    Args:
        size: 28, 64, 128 or 224 pixels.
        split: ``"train"``, ``"val"`` or ``"test"``.
        cache_dir: folder for downloads and unpacked arrays; None stands for :func:`data_root`.
        download_missing: whether to download a file that is not on this machine.
        progress: whether to show progress.
        roots: folders to search; None stands for :func:`search_roots`.

    Raises:
        ValueError: if ChestMNIST has no such size.
        DataError: if the file is neither here nor can be downloaded.
    """
    release = RELEASES[require_choice("size", size, RELEASES)]
    root = data_root() if cache_dir is None else Path(cache_dir)
    found = find(size, cache_dir=root, roots=roots, progress=progress)
    path = found.path or _download(release, root, found, download_missing, progress)
    return load_npz(
        path, split=split, size=size, cache_dir=root, progress=progress, source="chestmnist"
    )


def candidates(release: Release, roots: Iterable[Path]) -> list[Path]:
    """Return the files under ``roots`` that have the release's name, unchecked."""
    return [path for root in roots for path in sorted(root.rglob(release.name)) if path.is_file()]


def find(
    size: int,
    *,
    cache_dir: str | os.PathLike | None = None,
    roots: Iterable[Path] | None = None,
    progress: bool = True,
) -> Found:
    """Search ChestMNIST on this machine; warn about files with another MD5 checksum.

    Args:
        size: 28, 64, 128 or 224 pixels.
        cache_dir: folder of xraylab's downloads; None stands for :func:`data_root`.
        roots: folders to search; None stands for :func:`search_roots`.
        progress: whether to show the progress of computing checksums.
    """
    release = RELEASES[require_choice("size", size, RELEASES)]
    root = data_root() if cache_dir is None else Path(cache_dir)
    others = {}
    for path in candidates(release, search_roots(root) if roots is None else roots):
        md5 = known_md5(path, root)
        if md5 is None:
            try:
                md5 = io.md5(path, progress)
                _remember(path, md5, root)
            except OSError as error:
                md5 = f"unknown: {error}"
        if md5 == release.md5:
            return Found(path, others)
        others[path] = md5
        warnings.warn(
            f"{path} is passed over. Expected: the MD5 checksum {release.md5} of ChestMNIST at "
            f"{size} px. Received: {md5}. To use it as it is, pass its path to xraylab.data.load",
            stacklevel=2,
        )
    return Found(None, others)


def _download(
    release: Release, root: Path, found: Found, download_missing: bool, progress: bool
) -> Path:
    """Download a release, or explain how to get it."""
    passed_over = "".join(
        f" {path} has the MD5 checksum {md5}: pass its path to load it as it is."
        for path, md5 in found.others.items()
    )
    path = root / "chestmnist" / release.name
    by_hand = f"fetch {release.url} elsewhere and save it as {path}"
    if not download_missing:
        raise DataError(
            f"{release.name} is not on this machine, and download=False",
            f"the file with MD5 checksum {release.md5} in {root / 'chestmnist'}, in ~/.medmnist or "
            "under /kaggle/input",
            "no such file",
            f"Load with download=True, or {by_hand}.{passed_over}",
        )
    try:
        download.fetch(release.url, path, release.md5, progress=progress)
    except DataError as error:
        raise DataError(f"{error}. Or {by_hand}.{passed_over}") from error
    _remember(path, release.md5, root)
    return path


# Checksums already computed, so that 4 GB are not read again at every load. Where the notes cannot
# be read or written, checksums are computed again.


def _notes_file(root: Path) -> Path:
    return arrays_folder(root) / "md5_sums.json"


def _notes(root: Path) -> dict:
    try:
        notes = io.read_json(_notes_file(root))
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def known_md5(path: Path, root: Path) -> str | None:
    """Return a file's MD5 checksum if it was computed before and the file has not changed since."""
    note = _notes(root).get(str(path.absolute()))
    try:
        status = path.stat()
    except OSError:
        return None
    unchanged = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
    if isinstance(note, dict) and note.items() >= unchanged.items():
        return note.get("md5")
    return None


def _remember(path: Path, md5: str, root: Path) -> None:
    with contextlib.suppress(OSError):
        status = path.stat()
        note = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "md5": md5}
        io.make_folder(_notes_file(root).parent, mode=0o700)
        io.write_json(_notes_file(root), _notes(root) | {str(path.absolute()): note})
