"""The one door to all images: :func:`load`, and :func:`sources` for what lies on this machine."""

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xraylab.arguments import MAX_SEED, require_int
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

_FOLDERS = {"nih14": list_nih14, "chexpert": list_chexpert, "folder": list_folder}
"""Sources that are folders of image files, with what lists their images."""

_DECODING = ("square", "workers")
"""Options of all of them: how :func:`xraylab.data.listing.load_listing` makes images of files."""

_LABEL_NAMES = {
    "phantom": FINDINGS,
    "chestmnist": FINDINGS,
    "nih14": FINDINGS,
    "chexpert": CHEXPERT_FINDINGS,
}


def labels_of(source: str | os.PathLike) -> tuple[str, ...]:
    """Return the names of a source's labels; of a file or folder, what it has unless told."""
    return _LABEL_NAMES.get(source, FINDINGS) if isinstance(source, str) else FINDINGS


DEFAULT_SIZE = 64
"""Side of an image in pixels where a named source is loaded without a size."""


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
        images: (n, size, size) uint8, memory-mapped where the source is a file;
        labels: (n, k) uint8, 0 or 1.

    Args:
        source: ``"phantom"`` (simulated, needs no file), ``"chestmnist"`` (found on this machine or
            downloaded), ``"nih14"``, ``"chexpert"`` or ``"folder"`` (image files in the folder
            ``root``) or the path of a MedMNIST-style ``.npz`` file.
        size: side of an image in pixels; None stands for 64, or for the size in the file.
        split: ``"train"``, ``"val"`` or ``"test"``.
        label_names: names of the labels in a file or folder; in a file None stands for the 14
            findings.
        num_images: how many images to take, or the numbers of several splits, as ``{"train": 20_000,
            "test": 8_000}``; None, and a split that is not named, takes all. From a file they are
            evenly spaced and stay memory-mapped; more than half of the images are a run of
            neighbours. The phantom makes any number: ChestMNIST's own are in
            :data:`xraylab.phantom.SPLIT_SIZES`, and None stands for 4,096 for training, 1,024 for
            validation and 2,048 for test.
        seed: chooses the phantom images (at most 2**63 - 1), or where an evenly spaced choice
            begins.
        parameters: for the phantom only, :class:`xraylab.phantom.PhantomConfig` or a mapping of its
            fields.
        cache_dir: folder for downloads and unpacked arrays; None stands for :func:`data_root`.
        download: whether ChestMNIST may be downloaded.
        progress: whether to show the progress of long work.
        options: for folders of image files alone, and all of them text, numbers or truths:
            ``root`` (by default ``nih14`` or ``chexpert`` in the data folder); ``square`` and
            ``workers`` of :func:`xraylab.data.listing.load_listing`; ``protocol`` and ``names`` of
            :func:`xraylab.data.nih14.list_nih14`; ``uncertain`` and ``frontal_only`` of
            :func:`xraylab.data.chexpert.list_chexpert`; ``table``, ``image_column``,
            ``label_column``, ``patient_column`` and ``split_column`` of
            :func:`xraylab.data.folder.list_folder`.

    Raises:
        DataError: if an argument is wrong, or the file is not what it should be.
        ValueError: for a size or parameter that the simulator does not accept.
    """
    if split not in SPLITS:
        raise DataError(
            "argument split",
            expected=f"one of {', '.join(SPLITS)}",
            found=repr(split),
            advice=did_you_mean(split, SPLITS) or "choose one of the three",
        )
    if isinstance(num_images, Mapping):
        num_images = _of_split(num_images, split)
    for name, value in (("size", size), ("num_images", num_images)):
        if value is not None:
            require_int(name, value, 1)
    require_int("seed", seed, 0, MAX_SEED)
    root = data_root() if cache_dir is None else Path(cache_dir).expanduser()
    named = isinstance(source, str) and source in NAMED_SOURCES
    _check_options(source if named else None, options)
    if named:
        names = _LABEL_NAMES.get(source)
        if names and label_names is not None and tuple(label_names) != names:
            which = "findings" if names == FINDINGS else "observations of CheXpert"
            raise DataError(
                "argument label_names",
                expected=f"none: {source} has the 14 {which} for labels",
                found=repr(label_names),
                advice="leave label_names out; it is for files of other data sets",
            )
        size = DEFAULT_SIZE if size is None else size
    if parameters is not None and not (named and source == "phantom"):
        raise DataError(
            "argument parameters",
            expected=f"none: {source} is no phantom, its images are what they are",
            found=repr(parameters),
            advice="leave parameters out, or load the phantom",
        )
    if named and source == "phantom":
        # Imported here: the simulator is not needed by those who bring images of their own.
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
    if named and source == "chestmnist":
        whole_split = chestmnist.load_chestmnist(
            size, split=split, cache_dir=root, download_missing=download, progress=progress
        )
    else:
        whole_split = load_npz(
            _path_of(source),
            split=split,
            size=size,
            label_names=label_names,
            cache_dir=root,
            progress=progress,
        )
    if num_images is None:
        return whole_split
    return whole_split.subset(evenly_spaced(len(whole_split), num_images, seed, split))


def _of_split(num_images, split):
    """Return the number for one split among those given for several."""
    for name in num_images:
        if name not in SPLITS:
            raise DataError(
                "argument num_images",
                expected=f"numbers for {', '.join(SPLITS)}",
                found=repr(name),
                advice=did_you_mean(name, SPLITS) or "name one of the three",
            )
    return num_images.get(split)


def _check_options(source: str | None, options: Mapping[str, Any]) -> None:
    """Raise a :class:`DataError` for an option that a source does not take; None is a file."""
    loader = _FOLDERS.get(source)
    own = {*inspect.signature(loader).parameters, *_DECODING} if loader else set()
    own -= set(inspect.signature(load).parameters)
    for name in options:
        if name not in own:
            raise DataError(
                f"argument {name}",
                expected=f"an option of {source or 'a file'}: {', '.join(sorted(own)) or 'none'}",
                found=f"{name}={options[name]!r}",
                advice=did_you_mean(name, sorted(own)) or "leave it out",
            )


def _path_of(source: str | os.PathLike) -> Path:
    """Return the path that a source stands for, unless it was rather meant as a name."""
    if not isinstance(source, (str, os.PathLike)):
        raise DataError(
            "argument source",
            expected=f"one of {', '.join(NAMED_SOURCES)}, or the path of an .npz file",
            found=f"a {type(source).__name__}",
            advice="pass a name or a path; arrays go into xraylab.data.Split",
        )
    path = Path(source).expanduser()
    looks_like_a_name = isinstance(source, str) and path.name == source and not path.suffix
    if looks_like_a_name and not path.exists():
        raise DataError(
            "argument source",
            expected=f"one of {', '.join(NAMED_SOURCES)}, or the path of an .npz file",
            found=repr(source),
            advice=did_you_mean(source, NAMED_SOURCES)
            or "choose one of these, or write out the path",
        )
    return path


@dataclass(frozen=True)
class Source:
    """One source of images, as it stands on this machine.

    Args:
        name: what :func:`load` calls it.
        size: side of its images in pixels, or the range of sizes.
        state: ``"built in"``, ``"ready"`` (MD5 sum known to be right), ``"found, not checked
            yet"``, ``"another file of that name"`` (MD5 sum known to be wrong), ``"not here"`` or
            ``"your own"``.
        path: the file or folder, if there is one.
        how: how to get or use it.
    """

    name: str
    size: str
    state: str
    path: Path | None
    how: str


def sources(cache_dir: str | os.PathLike | None = None) -> list[Source]:
    """Return what there is and where it lies on this machine, without network or long reading.

    Args:
        cache_dir: folder of downloads; None stands for :func:`data_root`.
    """
    root = data_root() if cache_dir is None else Path(cache_dir)
    listed = [
        Source("phantom", "28–1024", "built in", None, 'data.load("phantom", size=64) simulates it')
    ]
    for size, release in chestmnist.RELEASES.items():
        state, path = _state_of(release, root)
        how = (
            f'data.load("chestmnist", size={size})'
            if state in ("ready", "found, not checked yet")
            else f'data.load("chestmnist", size={size}) downloads it from {release.url}'
        )
        listed.append(Source("chestmnist", str(size), state, path, how))
    for name in ("nih14", "chexpert"):
        # Their owners give them out to those who ask; where they lie is for the user to say.
        folder = root / name
        there = folder.is_dir()
        state, path = ("found, not checked yet", folder) if there else ("not here", None)
        how = f'data.load("{name}"' + (
            ")" if there else f', root="FOLDER"), or link it to {folder}'
        )
        listed.append(Source(name, "any", state, path, how))
    how = 'data.load("folder", root="FOLDER", table="labels.csv", label_names=["a", "b"])'
    listed.append(Source("folder", "any", "your own", None, how))
    return listed


def _state_of(release: chestmnist.Release, root: Path) -> tuple[str, Path | None]:
    """Return the best that can be said of a release without reading whole files."""
    unchecked, wrong = [], []
    for path in chestmnist.candidates(release, search_roots(root)):
        md5 = chestmnist.known_md5(path, root)
        if md5 == release.md5:
            return "ready", path
        (unchecked if md5 is None else wrong).append(path)
    if unchecked:
        return "found, not checked yet", unchecked[0]
    return ("another file of that name", wrong[0]) if wrong else ("not here", None)
