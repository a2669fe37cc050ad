"""ChestMNIST at its four sizes: what the files are, where they lie, and how they are fetched."""

import contextlib
import json
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xraylab import io
from xraylab.data import download
from xraylab.data.errors import DataError
from xraylab.data.locations import data_root, search_roots
from xraylab.data.npz import load_npz
from xraylab.data.split import Split

NUM_IMAGES = {"train": 78468, "val": 11219, "test": 22433}
"""Images in each split; no patient is in more than one."""


@dataclass(frozen=True)
class Release:
    """One published file: its name, address and MD5 sum (32 hex digits)."""

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
"""The file for each size in pixels, as ``medmnist.INFO["chestmnist"]`` has them."""

MEDMNIST_NAMES = {"pleural_thickening": "pleural"}
"""Findings that MedMNIST calls by another name than :data:`xraylab.findings.FINDINGS`."""


@dataclass(frozen=True)
class Found:
    """Files on this machine that bear a release's name.

    Args:
        path: the first one whose MD5 sum is right, or None.
        others: those passed over, with the MD5 sum of each.
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
        images: (n, size, size) uint8, memory-mapped; labels: (n, 14) uint8.

    Args:
        size: 28, 64, 128 or 224 pixels.
        split: ``"train"``, ``"val"`` or ``"test"``.
        cache_dir: folder for downloads and unpacked arrays; None stands for :func:`data_root`.
        download_missing: whether to download a file that is not on this machine.
        progress: whether to show progress.
        roots: folders to look in; None stands for :func:`search_roots`.

    Raises:
        DataError: if the size is none of the four, or the file cannot be had.
    """
    release = release_of(size)
    root = data_root() if cache_dir is None else Path(cache_dir)
    found = find(size, cache_dir=root, roots=roots, progress=progress)
    path = found.path or _download(release, root, found, download_missing, progress)
    return load_npz(
        path,
        split=split,
        size=size,
        cache_dir=root,
        progress=progress,
        source="chestmnist",
    )


def release_of(size: int) -> Release:
    """Return the release of one size.

    Raises:
        DataError: if ChestMNIST has no such size.
    """
    if size not in RELEASES:
        raise DataError(
            "argument size",
            expected=f"one of ChestMNIST's sizes: {', '.join(map(str, RELEASES))} px",
            found=repr(size),
            advice="ask for one of these sizes and resize the images, or pass a file of your own",
        )
    return RELEASES[size]


def candidates(release: Release, roots: Iterable[Path]) -> list[Path]:
    """Return the files under ``roots`` that bear the release's name, without checking them."""
    found = []
    for root in roots:
        for folder, folders, names in os.walk(root):
            folders.sort()  # the same order on every machine
            if release.name in names:
                found.append(Path(folder) / release.name)
    return found


def find(
    size: int,
    *,
    cache_dir: str | os.PathLike | None = None,
    roots: Iterable[Path] | None = None,
    progress: bool = True,
) -> Found:
    """Look for ChestMNIST on this machine; warn about files whose MD5 sum is another.

    Args:
        size: 28, 64, 128 or 224 pixels.
        cache_dir: folder of our own downloads; None stands for :func:`data_root`.
        roots: folders to look in; None stands for :func:`search_roots`.
        progress: whether to show the progress of computing MD5 sums.

    Raises:
        DataError: if the size is none of the four.
    """
    release = release_of(size)
    root = data_root() if cache_dir is None else Path(cache_dir)
    others = {}
    for path in candidates(release, search_roots(root) if roots is None else roots):
        try:
            md5 = known_md5(path, root) or _compute_md5(path, root, progress)
        except DataError as error:
            md5 = f"unknown: {error.found}"
        if md5 == release.md5:
            return Found(path, others)
        others[path] = md5
        warnings.warn(
            f"{path} is passed over: its MD5 sum is {md5}, not {release.md5} as published for "
            f"ChestMNIST at {size} px. To use it as it is, pass its path to xraylab.data.load",
            stacklevel=2,
        )
    return Found(None, others)


def _download(
    release: Release, root: Path, found: Found, download_missing: bool, progress: bool
) -> Path:
    passed_over = "".join(
        f"; {path} is here but has the MD5 sum {md5}: pass its path to load it as it is"
        for path, md5 in found.others.items()
    )
    destination = root / "chestmnist" / release.name
    if not download_missing:
        raise DataError(
            release.name,
            expected=f"the file with MD5 sum {release.md5} in {root / 'chestmnist'}, in "
            "~/.medmnist or under /kaggle/input",
            found="none, and downloading was ruled out" + passed_over,
            advice=f"load with download=True, or fetch {release.url} and put it at {destination}",
        )
    try:
        path = download.fetch(release.url, destination, release.md5, progress=progress)
    except DataError as error:
        by_hand = f"; or fetch {release.url} elsewhere and put it at {destination}"
        raise DataError(
            error.subject,
            expected=error.expected,
            found=error.found + passed_over,
            advice=error.advice + by_hand,
        ) from error
    _remember(path, release.md5, root)
    return path


# MD5 sums already computed, so that 4 GB are not read again at every load. The note is only a
# convenience: where it cannot be read or written, sums are computed again.


def _notes_file(root: Path) -> Path:
    return root / "arrays" / "md5_sums.json"


def _notes(root: Path) -> dict:
    try:
        notes = json.loads(_notes_file(root).read_text())
    except (OSError, ValueError):
        return {}
    return notes if isinstance(notes, dict) else {}


def known_md5(path: Path, root: Path) -> str | None:
    """Return a file's MD5 sum if it was computed before and the file has not changed since."""
    note = _notes(root).get(str(path.absolute()))
    try:
        status = path.stat()
    except OSError:
        return None
    if isinstance(note, dict) and (note.get("size"), note.get("mtime_ns")) == (
        status.st_size,
        status.st_mtime_ns,
    ):
        return note.get("md5")
    return None


def _compute_md5(path: Path, root: Path, progress: bool) -> str:
    md5 = io.md5(path, progress)
    _remember(path, md5, root)
    return md5


def _remember(path: Path, md5: str, root: Path) -> None:
    with contextlib.suppress(OSError, DataError):
        status = path.stat()
        note = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "md5": md5}
        notes = _notes(root) | {str(path.absolute()): note}
        io.make_folder(_notes_file(root).parent)
        with io.atomic_write(_notes_file(root)) as stream:
            stream.write(json.dumps(notes, indent=1).encode())
