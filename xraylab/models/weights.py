"""Weight files of this package: checked before a model changes, and loaded under a new head."""

import contextlib
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ARCHITECTURE = "architecture"
"""Name under which weight files store the arguments of their model, as JSON in bytes."""

SUFFIX = ".weights.h5"


def load_checked(model: Any, path: str | Path, load: Callable, **kwargs: Any) -> None:
    """Load a weight file with ``load``, or leave the model as it was.

    Args:
        model: a built Keras model.
        path: ``.weights.h5`` or ``.keras`` file.
        load: function of the path and ``kwargs``, as ``keras.Model.load_weights``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the weights are those of another model; the model is unchanged.
    """
    path = require_file(path)
    before = model.get_weights()
    try:
        if different := differences(recorded_architecture(path), model.architecture()):
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


def differences(received: dict, expected: dict) -> str:
    """Describe the arguments in which two models differ, or return an empty string."""
    return "; ".join(
        f"{name} is {received.get(name)!r}, not {expected.get(name)!r}"
        for name in sorted(received.keys() | expected.keys())
        if received.get(name) != expected.get(name)
    )


def load_for_model(model: Any, weights: str | Path) -> None:
    """Load weights into a model; if the number of labels differs, all but the head.

    Args:
        model: a built ``xraylab.models.base.ImageModel``.
        weights: ``"pretrained"`` for the weights shipped with the package, the path of a
            ``.weights.h5`` or ``.keras`` file, or the folder of a run, whose best weights are used.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the weights are those of another model, or none are shipped for this one.
    """
    path = _pretrained_path(model) if weights == "pretrained" else Path(weights)
    if path.is_dir():
        path = path / "best.weights.h5"
    recorded = recorded_architecture(path)
    num_labels = recorded.get("num_labels", model.num_labels)
    if recorded["architecture"] != type(model).__name__ or num_labels == model.num_labels:
        model.load_weights(path)
        return
    replaced = load_under_new_head(model, path)
    warnings.warn(
        f"{path} holds weights for {num_labels} labels; {model.name} has {model.num_labels}. "
        f"Newly initialized: {', '.join(replaced)}. Train the model before you use it",
        stacklevel=3,
    )


def load_under_new_head(model: Any, path: str | Path) -> list[str]:
    """Load all weights of a file except those that belong to the labels.

    Args:
        model: a built ``xraylab.models.base.ImageModel``.
        path: weights of the same architecture, trained for any labels.

    Returns:
        Names of the weights that were not loaded.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the weights are those of another model.
    """
    num_labels = recorded_architecture(path).get("num_labels", model.num_labels)
    # The same model with one label more shows which weights belong to the labels.
    donor, larger = (
        type(model).from_config({**model.get_config(), "num_labels": number})
        for number in (num_labels, num_labels + 1)
    )
    for built in (donor, larger):
        built.build((None, model.image_size, model.image_size, 1))
    donor.load_weights(path)
    replaced = []
    for variable, value, other in zip(model.weights, donor.weights, larger.weights, strict=True):
        if value.shape == other.shape:
            variable.assign(value)
        else:
            replaced.append(variable.path.split("/", 1)[1])
    return replaced


def shipped_weights() -> dict[tuple[str, ...], Path]:
    """Return the paths of the shipped weights by (model name, image size).

    RR-ViT's are part of the package; those of other models are in ``weights/`` of a checkout.
    """
    package = Path(__file__).parent / "pretrained"
    checkout = Path(__file__).parents[2] / "weights"
    files = sorted(path for folder in (checkout, package) for path in folder.glob(f"*{SUFFIX}"))
    return {tuple(path.name.removesuffix(SUFFIX).rsplit("_", 1)): path for path in files}


def _pretrained_path(model):
    """Return the path of the shipped weights ``<name>_<image_size>.weights.h5``."""
    shipped = shipped_weights()
    key = (model.name, str(model.image_size))
    if key not in shipped:
        names = ", ".join(f"{name} at {size} px" for name, size in shipped) or "none yet"
        raise ValueError(
            f"No pretrained weights are shipped for {model.name} at {model.image_size} px. "
            f"Shipped: {names}. All but RR-ViT need a checkout of the repository. "
            "Pass the path of a weight file or of a run instead"
        )
    return shipped[key]


def require_file(path: str | Path) -> Path:
    """Return a path, or raise a FileNotFoundError if there is no such file."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"Weight file not found. Expected: an existing {SUFFIX} or .keras file. Received: "
            f"{path}"
        )
    return path


def count_arrays(path: Path) -> int:
    """Count the arrays in a weight file, those of an optimizer excluded.

    Args:
        path: an HDF5 file, or a ``.keras`` archive that contains one.
    """
    arrays = []

    def visit(name, item):
        of_model = not name.startswith("optimizer/") and not name.endswith(f"/{ARCHITECTURE}")
        if hasattr(item, "dtype") and of_model:
            arrays.append(name)

    with _opened(path) as file:
        file.visititems(visit)
    return len(arrays)


def recorded_architecture(path: str | Path) -> dict:
    """Return the class name and the arguments that a weight file records of its model.

    Args:
        path: as for :func:`count_arrays`.

    Returns:
        A dict of ``architecture``, the name of the class, and its arguments by name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no weights, or does not record its model.
    """
    path = require_file(path)
    try:
        with _opened(path) as file:
            return json.loads(file[f"vars/{ARCHITECTURE}"][()].tobytes())
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} does not record of which model it holds the weights: {error}. Save them again "
            "with save_weights of the model"
        ) from error


@contextlib.contextmanager
def _opened(path):
    """Open the HDF5 file at a path or inside the archive at a path."""
    import h5py

    with contextlib.ExitStack() as stack:
        if path.suffix == ".keras":
            archive = stack.enter_context(zipfile.ZipFile(path))
            path = stack.enter_context(archive.open("model.weights.h5"))
        yield stack.enter_context(h5py.File(path, "r"))
