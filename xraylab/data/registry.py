"""All sources of images: :func:`load`, and :func:`sources` for what is on this machine."""

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xraylab.arguments import MAX_SEED, require_choice, require_int
from xraylab.data import chestmnist
from xraylab.data.chexpert import list_chexpert
from xraylab.data.errors import DataError
from xraylab.data.folder import list_folder
from xraylab.data.listing import load_listing
from xraylab.data.locations import data_root, search_roots
from xraylab.data.nih14 import list_nih14
from xraylab.data.npz import load_npz
from xraylab.data.split import SPLITS, Split, evenly_spaced
from xraylab.findings import CHEXPERT_FINDINGS, FINDINGS
from xraylab.phantom import PhantomConfig
from xraylab.suggest import did_you_mean

NAMED_SOURCES = ("phantom", "chestmnist", "nih14", "chexpert", "folder")
"""Sources that :func:`load` knows by name; any other is the path of a file."""

DEFAULT_SIZE = 64
"""Side of an image in pixels where a named source is loaded without a size."""

_FOLDERS = {"nih14": list_nih14, "chexpert": list_chexpert, "folder": list_folder}
"""Sources that are folders of image files, with the functions that list their images."""

_DECODING = ("square", "workers")
"""Options of ``xraylab.data.listing.load_listing``, which all folders take."""

_LABEL_NAMES = {
    "phantom": FINDINGS,
    "chestmnist": FINDINGS,
    "nih14": FINDINGS,
    "chexpert": CHEXPERT_FINDINGS,
}


def labels_of(source: str | os.PathLike) -> tuple[str, ...]:
    """Return the label names of a source; for a file or folder the default, the 14 findings."""
    return _LABEL_NAMES.get(source, FINDINGS) if isinstance(source, str) else FINDINGS


def load(
    source: str | os.PathLike,
    size: int | None = None,
    split: str = "train",
    *,
    label_names: Sequence[str] | None = None,
    num_images: int | Mapping[str, int] | None = None,
    seed: int = 0,
    parameters: PhantomConfig | Mapping[str, Any] | None = None,
    cache_dir: str | os.PathLike | None = None,
    download: bool = True,
    progress: bool = True,
    **options: Any,
) -> Split:
    """Load one split of a source of images.

    Shapes:
        images: (n, size, size) uint8, memory-mapped where the source is a file; labels: (n,
        num_labels) float32, 0 or 1, NaN where unknown.

    Args:
        source: ``"phantom"`` (simulated, needs no file), ``"chestmnist"`` (found on this machine or
            downloaded), ``"nih14"``, ``"chexpert"`` or ``"folder"`` (image files in the folder
            ``root``) or the path of a MedMNIST-style ``.npz`` file.
        size: side of an image in pixels; None stands for 64, or for the size in the file.
        split: ``"train"``, ``"val"`` or ``"test"``.
        label_names: names of the labels in a file or folder; in a file None stands for the 14
            findings.
        num_images: number of images, or the numbers of several splits, as
            ``{"train": 20_000, "test": 8_000}``; None, and a split that is not named, takes all.
            From a file they are evenly spaced and stay memory-mapped; more than half of the images
            are a run of neighbours. The phantom makes any number: ChestMNIST's own are in
            :data:`xraylab.phantom.SPLIT_SIZES`, and None stands for 4,096 for training, 1,024 for
            validation and 2,048 for test.
        seed: determines the phantom images (at most 2**63 - 1), or where an evenly spaced choice
            begins.
        parameters: for the phantom alone, :class:`xraylab.phantom.PhantomConfig` or a mapping of
            its fields.
        cache_dir: folder for downloads and unpacked arrays; None stands for :func:`data_root`.
        download: whether ChestMNIST may be downloaded.
        progress: whether to show the progress of long work.
        options: for folders of image files alone: ``root`` (by default ``nih14`` or ``chexpert`` in
            the data folder); ``square`` and ``workers`` of
            ``xraylab.data.listing.load_listing``; ``protocol`` and ``names`` of
            ``xraylab.data.nih14.list_nih14``; ``uncertain`` and ``frontal_only`` of
            ``xraylab.data.chexpert.list_chexpert``; ``table``, ``image_column``,
            ``label_column``, ``patient_column`` and ``split_column`` of
            ``xraylab.data.folder.list_folder``.

    Raises:
        DataError: if the source is unknown, or a file is not as expected.
        ValueError: if another argument is wrong.
        OSError: if a file cannot be read or written.
    """
    require_choice("split", split, SPLITS)
    if isinstance(num_images, Mapping):
        for name in num_images:
            require_choice("num_images", name, SPLITS)
        num_images = num_images.get(split)
    for name, value in (("size", size), ("num_images", num_images)):
        if value is not None:
            require_int(name, value, 1)
    require_int("seed", seed, 0, MAX_SEED)
    root = data_root() if cache_dir is None else Path(cache_dir).expanduser()
    named = isinstance(source, str) and source in NAMED_SOURCES
    path = None if named else _path_of(source)
    _check_options(source, options, label_names, parameters)
    if path is None and size is None:
        size = DEFAULT_SIZE
    if named and source == "phantom":
        # Imported here: the simulator is not needed for real images.
        from xraylab.data.phantom import load_phantom

        return load_phantom(
            size,
            split,
            num_images=num_images,
            seed=seed,
            parameters=parameters,
            cache_dir=root,
            progress=progress,
        )
    if named and source in _FOLDERS:
        decoding = {name: options.pop(name) for name in _DECODING if name in options}
        if source == "folder":
            options["label_names"] = label_names
        elif options.get("root") is None:
            options["root"] = root / source
        return load_listing(
            _FOLDERS[source](split=split, **options),
            size=size,
            num_images=num_images,
            seed=seed,
            cache_dir=root,
            progress=progress,
            **decoding,
        )
    if path is None:
        whole = chestmnist.load_chestmnist(
            size, split=split, cache_dir=root, download_missing=download, progress=progress
        )
    else:
        whole = load_npz(
            path, split=split, size=size, label_names=label_names, cache_dir=root, progress=progress
        )
    if num_images is None:
        return whole
    return whole.subset(evenly_spaced(len(whole), num_images, seed, split))


def _check_options(
    source: str | os.PathLike,
    options: Mapping[str, Any],
    label_names: Sequence[str] | None,
    parameters: PhantomConfig | Mapping[str, Any] | None,
) -> None:
    """Raise a :class:`DataError` for an argument that the source does not take."""
    lister = _FOLDERS.get(source) if isinstance(source, str) else None
    known = {*inspect.signature(lister).parameters, *_DECODING} if lister else set()
    known -= set(inspect.signature(load).parameters)
    for name in options:
        if name not in known:
            raise DataError(
                f"Invalid argument {name}",
                f"an option of {source}: {', '.join(sorted(known)) or 'none'}",
                f"{name}={options[name]!r}",
                did_you_mean(name, sorted(known)) or "Leave it out",
            )
    names = _LABEL_NAMES.get(source) if isinstance(source, str) else None
    if names and label_names is not None and tuple(label_names) != names:
        which = "findings" if names == FINDINGS else "observations of CheXpert"
        raise DataError(
            "Invalid argument label_names",
            f"None: the labels of {source} are the 14 {which}",
            repr(label_names),
            "Leave label_names out; it is for files of other data sets",
        )
    if parameters is not None and source != "phantom":
        raise DataError(
            "Invalid argument parameters",
            f"None: {source} is not simulated",
            repr(parameters),
            "Leave parameters out, or load the phantom",
        )


def _path_of(source: str | os.PathLike) -> Path:
    """Return the path of an existing file; suggest a name or a file where there is none."""
    expected = f"one of {', '.join(NAMED_SOURCES)}, or the path of an existing .npz file"
    if not isinstance(source, (str, os.PathLike)):
        received = f"a {type(source).__name__}"
        raise DataError(
            "Invalid argument source", expected, received, "Arrays go into xraylab.data.Split"
        )
    path = Path(source).expanduser()
    if path.is_dir():
        raise DataError(
            f"{path} is a folder",
            expected,
            "a folder",
            f'Pass a file in it, or load image files with data.load("folder", root={str(path)!r}, '
            "…)",
        )
    if path.exists():
        return path
    files = [file.name for file in path.parent.glob("*.npz")]
    hint = did_you_mean(path.name, files) if path.suffix else None
    hint = hint or did_you_mean(path.stem, NAMED_SOURCES)
    there = f"The files in its folder are {', '.join(sorted(files))}" if files else "Check the path"
    raise DataError(
        f"Unknown source {str(source)!r}",
        expected,
        f"{str(source)!r}, which is neither a file nor a known data set",
        hint or there,
    )


@dataclass(frozen=True)
class Source:
    """One source of images and its state on this machine.

    Args:
        name: its name for :func:`load`.
        size: side of its images in pixels, or the range of sizes.
        state: ``"built in"``, ``"ready"`` (MD5 checksum known to be right), ``"found, not checked
            yet"``, ``"another file of that name"`` (MD5 checksum known to be wrong), ``"not here"``
            or ``"your own"``.
        path: the file or folder, if there is one.
        how: how to get or use it.
    """

    name: str
    size: str
    state: str
    path: Path | None
    how: str


def sources(cache_dir: str | os.PathLike | None = None) -> list[Source]:
    """List all sources and where they are on this machine, without network or long reading.

    Args:
        cache_dir: folder of downloads; None stands for :func:`data_root`.
    """
    root = data_root() if cache_dir is None else Path(cache_dir)
    listed = [
        Source("phantom", "28–1024", "built in", None, 'data.load("phantom", size=64) simulates it')
    ]
    for size, release in chestmnist.RELEASES.items():
        state, path = _state_of(release, root)
        how = f'data.load("chestmnist", size={size})'
        if state not in ("ready", "found, not checked yet"):
            how += f" downloads it from {release.url}"
        listed.append(Source("chestmnist", str(size), state, path, how))
    for name in ("nih14", "chexpert"):
        # Their owners give them out on request; the user chooses the folder.
        folder = root / name
        if folder.is_dir():
            state, how = "found, not checked yet", f'data.load("{name}")'
            listed.append(Source(name, "any", state, folder, how))
        else:
            how = f'data.load("{name}", root="FOLDER"), or link it to {folder}'
            listed.append(Source(name, "any", "not here", None, how))
    how = 'data.load("folder", root="FOLDER", table="labels.csv", label_names=["a", "b"])'
    listed.append(Source("folder", "any", "your own", None, how))
    return listed


def _state_of(release: chestmnist.Release, root: Path) -> tuple[str, Path | None]:
    """Return the state of a release as far as it is known without reading whole files."""
    unchecked, wrong = [], []
    for path in chestmnist.candidates(release, search_roots(root)):
        md5 = chestmnist.known_md5(path, root)
        if md5 == release.md5:
            return "ready", path
        (unchecked if md5 is None else wrong).append(path)
    if unchecked:
        return "found, not checked yet", unchecked[0]
    return ("another file of that name", wrong[0]) if wrong else ("not here", None)
