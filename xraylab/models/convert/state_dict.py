"""PyTorch state dicts, read as plain arrays and assigned only if everything fits."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Source = Mapping | str | Path
"""A state dict, or the path of a ``.safetensors`` or ``.npz`` file of it."""

Rules = Iterable[tuple[str, str | Callable[[re.Match], str]]]
"""Pairs of a regular expression and its replacement, as for :func:`re.sub`."""

NO_WEIGHTS = ("num_batches_tracked", "attention_bias_idxs", "op_threshs")
"""Ends of the names of buffers that are no weights, or follow from the architecture."""

KINDS = (
    (r"/(kernel|gamma)$", ".weight"),
    (r"/(bias|beta)$", ".bias"),
    (r"/moving_mean$", ".running_mean"),
    (r"/moving_variance$", ".running_var"),
    (r"/", "."),
)
"""Rules for the names of weights in Keras and in PyTorch."""


def require_model(model: Any, cls: type | tuple[type, ...]) -> None:
    """Raise a ValueError unless a model is of a class, or of one of a tuple of classes."""
    if not isinstance(model, cls):
        classes = cls if isinstance(cls, tuple) else (cls,)
        raise ValueError(
            "These weights are for another class. Expected: a model of class "
            f"{' or '.join(each.__name__ for each in classes)}. Received: {type(model).__name__}"
        )


def load_state_dict(
    model: Any, source: Source, rules: Rules, head: str | None = None, keep: str = "$^"
) -> None:
    """Assign a PyTorch state dict to a model: all of it, or nothing.

    The state dict must have an array for every weight of the model, and no others: an array that no
    layer takes means that a layer was forgotten.

    Args:
        model: a built Keras model or layer.
        source: the state dict. Pickled ``.pt`` and ``.pth`` files are refused: reading one may run
            code.
        rules: convert the path of a weight, as ``stem_0/convolution/kernel``, to its name in the
            state dict; applied in order. :data:`KINDS` are appended.
        head: beginning of the names of arrays that belong to the head, which are then ignored; the
            model keeps its own head. None loads them.
        keep: regular expression of the paths of other weights that the model keeps.

    Raises:
        ValueError: if the source is another file, a name is missing or unused, or a shape differs;
            the model is unchanged.
    """
    arrays = {
        name: to_keras(name, np.asarray(array))
        for name, array in read_arrays(source).items()
        if not name.endswith(NO_WEIGHTS) and not (head and name.startswith(head))
    }
    variables = {}
    for variable in model.weights:
        path = variable.path.split("/", 1)[1]
        if re.search(keep, path) or (head and path.split("/")[0].endswith("head")):
            continue
        for pattern, replacement in (*rules, *KINDS):
            path = re.sub(pattern, replacement, path)
        variables[path] = variable
    assign_arrays(variables, arrays, hint="Pass head=False if only the labels differ")


def to_keras(name: str, array: np.ndarray) -> np.ndarray:
    """Transpose a kernel: (out, in) → (in, out), (out, in, h, w) → (h, w, in, out)."""
    if not name.endswith(".weight") or array.ndim < 2:
        return array
    return array.T if array.ndim == 2 else array.transpose(2, 3, 1, 0)


def assign_arrays(variables: dict[str, Any], arrays: dict[str, np.ndarray], hint: str) -> None:
    """Assign to each variable the array of its name: all of them, or nothing.

    Args:
        variables: variables by name.
        arrays: arrays by name, in the layout of Keras. Axes of length 1 need not agree: a 1x1
            convolution is a linear layer, and Keras orders the axes of depthwise kernels otherwise.
        hint: what to do if a shape differs.

    Raises:
        ValueError: if a name is missing or unused, or a shape differs; no variable is changed.
    """
    for name, variable in variables.items():
        if name not in arrays:
            similar = sorted(n for n in arrays if n.startswith(name.split(".")[0]))[:3]
            received = f"similar names are {', '.join(similar)}" if similar else "no similar name"
            raise ValueError(f"The source has no array {name!r}; {received}")
        shape, received = tuple(variable.shape), arrays[name].shape
        if [n for n in shape if n > 1] != [n for n in received if n > 1]:
            raise ValueError(
                f"Wrong shape of {name}. Expected: {shape}. Received: {received}. {hint}"
            )
    if unused := sorted(arrays.keys() - variables.keys()):
        raise ValueError(
            f"The model has no layer for {len(unused)} arrays, the first are {unused[:3]}. "
            "Expected: weights of the same architecture and size"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name].reshape(variable.shape))


def read_arrays(source: Source) -> Mapping:
    """Return the arrays of a state dict by name.

    Raises:
        ValueError: if the source is neither a mapping nor a ``.safetensors`` or ``.npz`` file.
    """
    if isinstance(source, Mapping):
        return source
    path = Path(source)
    if path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        return load_file(path)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    raise ValueError(
        "Unsupported weight file. Expected: .safetensors or .npz, since reading a pickled file may "
        f"run code. Received: {path}. Convert a file you trust once, where PyTorch is "
        "installed: safetensors.torch.save_file(torch.load(path, weights_only=True), "
        '"weights.safetensors")'
    )
