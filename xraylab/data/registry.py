"""Load images from any source (:func:`load`), and list the sources (:func:`sources`)."""

import importlib
import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from xraylab.arguments import MAX_SEED, did_you_mean, invalid_argument, require_choice, require_int
from xraylab.data.chestmnist import RELEASES, candidates, load_chestmnist
from xraylab.data.errors import DataError
from xraylab.data.npz import load_npz
from xraylab.data.report import POLICIES
from xraylab.data.rows import evenly_spaced
from xraylab.data.split import SPLITS, Split
from xraylab.findings import CHEXPERT_FINDINGS, FINDINGS, VINDR_FINDINGS, find_labels
from xraylab.io import data_root
from xraylab.phantom import PhantomConfig

_FOLDERS = ("nih14", "chexpert", "mimic_cxr", "vindr_cxr", "folder")
"""Sources that are folders of image files; ``xraylab.data.NAME.list_NAME`` lists their images."""

NAMED_SOURCES = ("phantom", "chestmnist", *_FOLDERS)
"""Sources that :func:`load` knows by name; any other is the path of a file."""

DEFAULT_SIZE = 64
"""Side of an image in pixels where a named source is loaded without a size."""

_EXPECTED = f"one of {', '.join(NAMED_SOURCES)}, or the path of a folder or of an .npz file"

_LABEL_NAMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("phantom", "chestmnist", "nih14"), FINDINGS),
    **dict.fromkeys(("chexpert", "mimic_cxr"), CHEXPERT_FINDINGS),
    "vindr_cxr": VINDR_FINDINGS,
}
"""Sources whose label names are fixed; :func:`load` can select among them."""


def labels_of(source: str | os.PathLike) -> tuple[str, ...]:
    """Return the label names of a source; of a file or ``"folder"`` the default, the 14 findings.

    Args:
        source: as for :func:`load`.
    """
    return _LABEL_NAMES.get(str(source), FINDINGS)


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
            downloaded), ``"nih14"``, ``"chexpert"``, ``"mimic_cxr"``, ``"vindr_cxr"`` or
            ``"folder"`` (image files in the folder ``root``), the path of such a folder, or that of
            a MedMNIST-style ``.npz`` file.
        size: side of an image in pixels; None means 64, or that of the images in a file.
        split: ``"train"``, ``"val"`` or ``"test"``.
        label_names: for a named source except ``"folder"``, the labels to load, such as
            :data:`xraylab.findings.CHEXPERT_COMPETITION`; None means all. For a file, the names of
            its label columns in order; None means the 14 findings. For ``"folder"``, as for
            ``xraylab.data.folder.list_folder``.
        num_images: number of images, or the numbers of several splits, as
            ``{"train": 20_000, "test": 8_000}``; None, and a split that is not named, takes all.
            From a file they are evenly spaced and stay memory-mapped; if they are more than half of
            its images, they are consecutive. The phantom simulates any number; None means 4,096
            for training, 1,024 for validation and 2,048 for test. The sizes of ChestMNIST's splits
            are in :data:`xraylab.phantom.SPLIT_SIZES`.
        seed: determines the phantom images (at most 2**63 - 1), or the first of the evenly spaced
            images.
        parameters: for the phantom alone, :class:`xraylab.phantom.PhantomConfig` or a mapping of
            its fields.
        cache_dir: folder for downloads and unpacked arrays; None means :func:`data_root`.
        download: whether ChestMNIST may be downloaded.
        progress: whether to show progress bars.
        options: for an ``.npz`` file: ``on_suspect`` of ``xraylab.data.npz.load_npz``, and
            ``table``, a CSV file with the patient, age, sex and view of each image, see
            ``xraylab.data.columns.read_image_table``; intervals are then by patient.
            For folders of image files: ``root`` (by default that of the source's name in the data
            folder); ``square`` and ``on_suspect`` of ``xraylab.data.listing.load_listing``;
            ``uncertain``, ``frontal_only`` and ``preset_split`` of
            ``xraylab.data.chexpert.list_chexpert``; ``uncertain``, ``frontal_only`` and
            ``labeler`` of ``xraylab.data.mimic_cxr.list_mimic_cxr``; ``readers`` of
            ``xraylab.data.vindr_cxr.list_vindr_cxr``; ``table``,
            ``image_column``, ``label_column``, ``patient_column``, ``split_column``,
            ``reader_column`` and ``readers`` of ``xraylab.data.folder.list_folder``.

    Returns:
        The split.

    Raises:
        DataError: if the source is unknown, or a file is not as expected.
        ValueError: if another argument is invalid.
        OSError: if a file cannot be read or written.
    """
    if not isinstance(source, (str, os.PathLike)):
        received = f"a {type(source).__name__}"
        raise invalid_argument("source", _EXPECTED, received, "Pass arrays to xraylab.data.Split")
    name = str(source)
    if name not in NAMED_SOURCES:
        path, root = Path(name).expanduser(), options.get("root")
        if path.is_dir() and root is None:
            name, options["root"] = "folder", source
        elif root is not None and path.is_absolute() and not path.exists() and not path.suffix:
            name = "folder"  # which has moved since a recipe named it
        else:
            _path_of(source)
    require_choice("split", split, SPLITS)
    if isinstance(num_images, Mapping):
        for key in num_images:
            require_choice("num_images", key, SPLITS)
        num_images = num_images.get(split)
    size = None if size is None else require_int("size", size, 1)
    count = None if num_images is None else require_int("num_images", num_images, 1)
    require_int("seed", seed, 0, MAX_SEED)
    _check_options(name, options)
    if options.get("on_suspect") is not None:
        require_choice("on_suspect", options["on_suspect"], POLICIES)
    if name in _LABEL_NAMES and label_names is not None:
        find_labels(label_names, _LABEL_NAMES[name])  # before any image is read or simulated
    if parameters is not None and name != "phantom":
        raise invalid_argument(
            "parameters", f"None for {name}; only the phantom has them", repr(parameters)
        )
    # What one kind of source needs is imported where it is used: pandas alone takes half a second.
    root = data_root() if cache_dir is None else Path(cache_dir).expanduser()
    common: dict[str, Any] = {"split": split, "cache_dir": root, "progress": progress}
    if name not in NAMED_SOURCES:
        common["on_suspect"] = options.get("on_suspect", "warn")
        common |= {"label_names": label_names, "table": options.get("table")}
        whole = load_npz(_path_of(source), size=size, **common)
    elif name == "chestmnist":
        whole = load_chestmnist(size or DEFAULT_SIZE, download_missing=download, **common)
    else:
        common |= {"size": size or DEFAULT_SIZE, "num_images": count, "seed": seed}
        if name == "phantom":
            from xraylab.data.phantom import load_phantom

            whole = load_phantom(parameters=parameters, **common)
        else:
            for option in options.keys() & {"square", "on_suspect"}:
                common[option] = options.pop(option)
            if name == "folder":
                options["label_names"] = label_names
            elif options.get("root") is None:
                options["root"] = root / name
            from xraylab.data.listing import load_listing

            whole = load_listing(_lister(name)(split=split, **options), source=name, **common)
        count = None  # selected before any image was simulated or read
    if count is not None:
        whole = whole.subset(evenly_spaced(len(whole), count, seed, split))
    return whole if label_names is None else whole.with_labels(label_names)


def _lister(source):
    """Return the function that lists the images of one of :data:`_FOLDERS`."""
    return getattr(importlib.import_module(f"xraylab.data.{source}"), f"list_{source}")


def _check_options(source: str, options: Mapping[str, Any]) -> None:
    """Raise a ValueError for an option that the source does not take."""
    known = set() if source in NAMED_SOURCES else {"table", "on_suspect"}
    if source in _FOLDERS:
        known = {*inspect.signature(_lister(source)).parameters, "square", "on_suspect"}
    general = inspect.signature(load).parameters
    known = sorted(known - general.keys())
    for name, value in options.items():
        if name not in known:
            expected = f"an option of {source}: {', '.join(known) or 'none'}"
            hint = did_you_mean(name, [*known, *general])
            raise invalid_argument(name, expected, f"{name}={value!r}", hint)


def _path_of(source: str | os.PathLike) -> Path:
    """Return the path of an existing file; suggest a name or a file where there is none."""
    path = Path(source).expanduser()
    if path.exists():
        return path
    files = [file.name for file in path.parent.glob("*.npz")]
    hint = did_you_mean(path.name, [*files, *NAMED_SOURCES])
    there = f"The files in its folder are {', '.join(sorted(files))}" if files else "Check the path"
    received = f"{str(source)!r}, which is neither a file nor a known data set"
    raise DataError(f"Unknown source {str(source)!r}", _EXPECTED, received, hint or there)


class Source(NamedTuple):
    """One source of images and its state on this machine.

    Args:
        name: its name for :func:`load`.
        size: side of its images in pixels, the range of sizes, or ``"any"``.
        state: ``"built in"``, ``"found"``, ``"not found"`` or ``"your own"``.
        path: the file or folder, if there is one.
        how: the call that loads it, or how to get it.
    """

    name: str
    size: str
    state: str
    path: Path | None
    how: str


def sources() -> list[Source]:
    """List all sources and where they are on this machine, without using the network.

    Returns:
        The sources, ChestMNIST once for each size.
    """
    root = data_root()

    def source(name: str, size: str, path: Path | None, how: str, otherwise: str) -> Source:
        state = "found" if path else "not found"
        return Source(name, size, state, path, how if path else otherwise)

    how = 'data.load("phantom", size=64) simulates it'
    listed = [Source("phantom", "28–1024", "built in", None, how)]
    for size, release in RELEASES.items():
        path = next(candidates(release, root), None)
        how = f'data.load("chestmnist", size={size})'
        otherwise = f"{how} downloads it from {release.url}"
        listed.append(source("chestmnist", str(size), path, how, otherwise))
    for name in _FOLDERS[:-1]:  # without "folder", which follows
        # Their owners distribute them on request; the user chooses the folder.
        folder = root / name
        path = folder if folder.is_dir() else None
        otherwise = f'data.load("{name}", root="FOLDER"), or link it to {folder}'
        listed.append(source(name, "any", path, f'data.load("{name}")', otherwise))
    how = 'data.load("folder", root="FOLDER", table="labels.csv", label_names=["a", "b"])'
    return [*listed, Source("folder", "any", "your own", None, how)]
