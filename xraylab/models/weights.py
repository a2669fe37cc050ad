"""Weight files of this package: checked before a model changes, and loaded under a new head."""

import contextlib
import inspect
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xraylab.arguments import did_you_mean
from xraylab.findings import FINDINGS

ARCHITECTURE = "architecture"
"""Name under which weight files store the arguments of their model, as JSON in bytes."""

LABEL_NAMES = "label_names"
"""Name under which they store the names of its labels, where known, as JSON in bytes."""

SUFFIX = ".weights.h5"

PRETRAINED = "pretrained"
"""Stands for the weights that are shipped for a model, in place of a path."""


def load_checked(model: Any, path: str | Path, load: Callable, **kwargs: Any) -> None:
    """Load a weight file with ``load``, or leave the model as it was.

    Args:
        model: a built Keras model.
        path: ``.weights.h5`` or ``.keras`` file.
        load: function of the path and ``kwargs``, as ``keras.Model.load_weights``. With
            ``skip_mismatch=True`` the number of labels may differ.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the weights are those of another model; the model is unchanged.
    """
    path = require_file(path)
    before = model.get_weights()
    try:
        # With skip_mismatch, the layers that depend on the labels are skipped.
        ignored = ("num_labels",) if kwargs.get("skip_mismatch") else ()
        if different := _other_arguments(model, path, *ignored):
            raise ValueError(different)
        load(path, **kwargs)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        model.set_weights(before)
        detail = str(error).strip().split("\n")[0]
        labels = "" if model.num_labels is None else f" and {model.num_labels} labels"
        raise ValueError(
            f"{path} does not hold the weights of {model.name} for {model.image_size} px{labels}: "
            f"{detail}. Build the model that they were saved from; this one is unchanged"
        ) from error


def _other_arguments(model, path, *ignored):
    """Describe the arguments in which a model differs from that of a weight file."""
    recorded, expected = recorded_architecture(path), model.architecture()
    # A file that is older than an argument was saved with its default.
    arguments = inspect.signature(type(model)).parameters
    recorded = {n: arguments[n].default for n in expected if n in arguments} | recorded
    return differences(recorded, expected | {name: recorded.get(name) for name in ignored})


def differences(received: dict, expected: dict) -> str:
    """Describe the arguments in which two models differ, or return an empty string."""
    return "; ".join(
        f"{name} is {received.get(name)!r}, not {expected.get(name)!r}"
        for name in sorted(received.keys() | expected.keys())
        if received.get(name) != expected.get(name)
    )


def load_for_model(model: Any, weights: str | Path, new_head: bool = False) -> None:
    """Load weights into a model; if the number of labels differs, all but the head.

    If the image size differs, learned position embeddings are resized and all other weights must
    have the same shapes. Both raise a warning.

    Args:
        model: a built ``xraylab.models.base.ImageModel``.
        weights: ``"pretrained"`` for the weights shipped with the package, the path of a
            ``.weights.h5`` or ``.keras`` file, or the folder of a run, whose best weights are used.
        new_head: whether the head keeps its initial weights in any case, without a warning.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the weights are those of another model or of a size that does not fit, or
            none are shipped for this one.
    """
    from xraylab.layers.tokens import resize_positions

    shipped = weights == PRETRAINED
    path = pretrained_path(model.name, model.image_size) if shipped else Path(weights)
    if path.is_dir():
        path = path / "best.weights.h5"
    recorded = recorded_architecture(path)
    num_labels = recorded.get("num_labels", model.num_labels)
    size = recorded.get("image_size", model.image_size)
    source = model if size == model.image_size else _for_size(model, path, size)
    if num_labels == model.num_labels and not new_head:
        source.load_weights(path)
        if shipped and num_labels == len(FINDINGS):
            source.label_names = FINDINGS
    else:
        _load_under_new_head(source, path)
        if not new_head:
            warnings.warn(
                f"{path} holds weights for {num_labels} labels; {model.name} has "
                f"{model.num_labels}. Its head is new: train the model before you use it",
                stacklevel=3,
            )
    if source is not model:
        pairs = zip(source.get_weights(), _shapes(model), strict=True)
        model.set_weights(
            [w if w.shape == s else resize_positions(w[0], s[1])[None] for w, s in pairs]
        )
        model.label_names = model.label_names or source.label_names
        warnings.warn(
            f"{path} holds weights for images of {size} px; {model.name} is for "
            f"{model.image_size} px, where its predictions may be near chance level: fine-tune it "
            "before you use it. Calibration and thresholds of the weights do not apply: fit them "
            "with xraylab.evaluation.fit_calibration",
            stacklevel=3,
        )


def _for_size(model, path, size):
    """Build a model for the image size of a weight file, or refuse to change its size."""

    def refuse(reason):
        raise ValueError(
            f"The weights of {path} for {size} px cannot be used for {model.name} at "
            f"{model.image_size} px: {reason}. Build it with image_size={size} and resize the "
            "images, or with weights=None and train it"
        )

    if different := _other_arguments(model, path, "image_size", "num_labels"):
        raise ValueError(
            f"{path} does not hold the weights of {model.name}: {different}. Pass the arguments of "
            "the weights; only image size and number of labels may differ"
        )
    if model.other_sizes_refused:
        refuse(model.other_sizes_refused)
    source = _built(model, image_size=size)
    for weight, shape in zip(model.weights, _shapes(source), strict=True):
        if weight.shape != shape and not weight.path.endswith("positions/table"):
            refuse(f"{weight.path} has shape {shape} at {size} px, not {tuple(weight.shape)}")
    return source


def _built(model, **changes):
    """Build a model of the same class with other arguments."""
    other = type(model).from_config({**model.get_config(), **changes})
    other.build((None, other.image_size, other.image_size, 1))
    return other


def _shapes(model):
    return [tuple(weight.shape) for weight in model.weights]


def _load_under_new_head(model, path):
    """Load all weights of a file except those of layers that depend on the number of labels."""
    before = model.get_weights()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A total of .* objects could not be loaded")
        model.load_weights(path, skip_mismatch=True)
    if recorded_architecture(path).get("num_labels") == model.num_labels:
        # Other labels of the same number have the same shapes. Those of another number do not.
        shapes = _shapes(_built(model, num_labels=model.num_labels + 1))
        pairs = zip(model.get_weights(), before, shapes, strict=True)
        model.set_weights([new if new.shape == shape else old for new, old, shape in pairs])


def shipped_weights() -> dict[tuple[str, int], Path]:
    """Return the weight files that come with xraylab, by model and image size in pixels.

    RR-ViT's are part of the package; those of other models are in ``weights/`` of a checkout, which
    ``xraylab.book.folder`` downloads to ``xraylab-book``. All predict the 14 findings.
    """
    package = Path(__file__).parent / "pretrained"
    checkout = Path(__file__).parents[2] / "weights"
    folders = (Path("xraylab-book") / "weights", checkout, package)
    files = [path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))]
    names = [path.name.removesuffix(SUFFIX).rsplit("_", 1) for path in files]
    return {(name, int(size)): path for (name, size), path in zip(names, files, strict=True)}


def largest_shipped() -> dict[str, Path]:
    """Return the weight files that come with xraylab by model, of several sizes the largest."""
    return {name: path for (name, _), path in sorted(shipped_weights().items())}


def pretrained_path(name: str, size: int) -> Path:
    """Return the path of the shipped weights of a model, of several image sizes the nearest.

    Raises:
        ValueError: if none are shipped.
    """
    shipped = shipped_weights()
    sizes = [other for model, other in shipped if model == name]
    if not sizes:
        names = ", ".join(f"{model} at {other} px" for model, other in shipped) or "none yet"
        raise ValueError(
            f"No pretrained weights are shipped for {name}. "
            f"Shipped: {names}. All but RR-ViT need a checkout of the repository: "
            "xraylab.book.folder() downloads one. "
            "Pass the path of a weight file or of a run instead"
        )
    return shipped[name, min(sizes, key=lambda other: abs(other - size))]


def require_file(path: str | Path) -> Path:
    """Return a path, or raise a FileNotFoundError if there is no such file."""
    path = Path(path)
    if not path.is_file():
        hint = did_you_mean(path, (PRETRAINED,))
        raise FileNotFoundError(
            f"Weight file not found. Expected: an existing {SUFFIX} or .keras file. Received: "
            f"{path}{f'. {hint}' if hint else ''}"
        )
    return path


def recorded_architecture(path: str | Path) -> dict:
    """Return the class name and the arguments that a weight file records of its model.

    Args:
        path: an HDF5 file, or a ``.keras`` archive that contains one.

    Returns:
        A dict of ``architecture``, the name of the class, and its arguments by name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no weights, or does not record its model.
    """
    path = require_file(path)
    try:
        with opened(path) as file:
            return json.loads(file[f"vars/{ARCHITECTURE}"][()].tobytes())
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} does not record of which model it holds the weights: {error}. Save them again "
            "with save_weights of the model"
        ) from error


@contextlib.contextmanager
def opened(path):
    """Open the HDF5 file at a path or inside the archive at a path, unless it leads out of itself.

    Raises:
        OSError: if it cannot be opened, or is no HDF5 file.
        ValueError: if it has a link, or data that are stored in another file.
    """
    import h5py

    with contextlib.ExitStack() as stack:
        if path.suffix == ".keras":
            archive = stack.enter_context(zipfile.ZipFile(path))
            path = stack.enter_context(archive.open("model.weights.h5"))
        file = stack.enter_context(h5py.File(path, "r"))

        def outside(name, link):
            if not isinstance(link, h5py.HardLink):
                return name
            item = file[name]
            foreign = isinstance(item, h5py.Dataset) and (item.external or item.is_virtual)
            return name if foreign else None

        # Such links and data would be read from any other file of the machine.
        if name := file.visititems_links(outside):
            raise ValueError(f"{name} leads out of the file")
        yield file
