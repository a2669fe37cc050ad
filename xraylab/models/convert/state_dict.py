"""PyTorch state dicts, read as plain arrays and assigned only if everything fits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Source = Mapping | str | Path
"""A state dict, or the path of a file of it."""


def require_model(model: Any, cls: type | tuple[type, ...]) -> None:
    """Raise a ValueError unless a model is of a class, or of one of a tuple of classes."""
    if not isinstance(model, cls):
        classes = cls if isinstance(cls, tuple) else (cls,)
        received = model.__name__ if isinstance(model, type) else type(model).__name__
        raise ValueError(
            "These weights are for another class. Expected: a model of class "
            f"{' or '.join(each.__name__ for each in classes)}. Received: {received}"
        )


def require_labels(model: Any, count: int) -> None:
    """Raise a ValueError if the head of a file has another number of labels than the model."""
    if count != model.num_labels:
        raise ValueError(
            f"The head of the file has another number of labels. Expected: {model.num_labels}. "
            f"Received: {count}. Pass head=False to keep the model's own head"
        )


class StateDict:
    """A PyTorch state dict as plain arrays, from which a converter takes what each layer needs.

    Arrays are assigned only after all were found to fit. An array that no layer takes is an error,
    because it means that a layer was forgotten.

    Args:
        source: a mapping of names to arrays (or CPU tensors), or the path of a ``.safetensors`` or
            ``.npz`` file. Pickled ``.pt`` and ``.pth`` files are refused: reading one may run code.

    Raises:
        ValueError: if the source is none of these.
        ImportError: for a ``.safetensors`` file, where safetensors is not installed.
    """

    def __init__(self, source: Source):
        self.arrays = {name: np.asarray(value) for name, value in _read(source).items()}
        self.unused = {name for name in self.arrays if not name.endswith("num_batches_tracked")}
        self.assignments = []

    def take(self, name: str) -> np.ndarray:
        """Return the array of that name and mark it as used."""
        if name not in self.arrays:
            similar = sorted(n for n in self.arrays if n.startswith(name.split(".")[0]))[:3]
            hint = f". Similar names: {', '.join(similar)}" if similar else ""
            raise ValueError(f"The state dict has no array {name!r}{hint}")
        self.unused.discard(name)
        return self.arrays[name]

    def put(self, variable: Any, array: np.ndarray, name: str) -> None:
        """Schedule the assignment of an array to a variable of the same shape."""
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"Wrong shape of {name}. Expected: {tuple(variable.shape)} for {variable.path}. "
                f"Received: {array.shape}"
            )
        self.assignments.append((variable, array))

    def copy(self, name: str, variable: Any) -> None:
        """Assign an array that has the same layout in PyTorch."""
        self.put(variable, self.take(name), name)

    def linear(self, prefix: str, dense: Any) -> None:
        """Assign a linear layer: (out, in) → (in, out). A 1x1 convolution becomes one, too."""
        weight = self.take(f"{prefix}.weight")
        if weight.shape[2:] == (1, 1):
            weight = weight[:, :, 0, 0]
        self.put(dense.kernel, weight.T, f"{prefix}.weight")
        if dense.use_bias:
            self.copy(f"{prefix}.bias", dense.bias)

    def convolution(self, prefix: str, convolution: Any) -> None:
        """Assign a convolution: (out, in, h, w) → (h, w, in, out); depthwise → (h, w, out, 1)."""
        kernel = self.take(f"{prefix}.weight").transpose(2, 3, 1, 0)
        if type(convolution).__name__ == "DepthwiseConv2D":
            kernel = kernel.transpose(0, 1, 3, 2)
        self.put(convolution.kernel, kernel, f"{prefix}.weight")
        if convolution.use_bias:
            self.copy(f"{prefix}.bias", convolution.bias)

    def norm(self, prefix: str, norm: Any) -> None:
        """Assign a batch or layer normalisation."""
        self.copy(f"{prefix}.weight", norm.gamma)
        self.copy(f"{prefix}.bias", norm.beta)
        if hasattr(norm, "moving_mean"):
            self.copy(f"{prefix}.running_mean", norm.moving_mean)
            self.copy(f"{prefix}.running_var", norm.moving_variance)

    def conv_norm(self, convolution_prefix: str, norm_prefix: str, layer: Any) -> None:
        """Assign a :class:`xraylab.layers.ConvNorm`, whose parts are separate in PyTorch."""
        self.convolution(convolution_prefix, layer.convolution)
        self.norm(norm_prefix, layer.norm)

    def assign(self, ignore: tuple[str, ...] = ()) -> None:
        """Assign all arrays.

        Args:
            ignore: prefixes of names that may be left unused.

        Raises:
            ValueError: if other arrays are unused; nothing is assigned then.
        """
        unused = sorted(n for n in self.unused if not n.startswith(ignore))
        if unused:
            raise ValueError(
                f"The model has no layer for {len(unused)} arrays of the state dict, the first are "
                f"{unused[:3]}. Expected: weights of the same architecture and size"
            )
        for variable, array in self.assignments:
            variable.assign(array)


def _read(source):
    """Return the arrays of a mapping or a file."""
    if isinstance(source, Mapping):
        return source
    path = Path(source)
    if path.suffix == ".safetensors":
        try:
            from safetensors.numpy import load_file
        except ImportError as error:
            raise ImportError(
                f"Reading {path} needs safetensors: pip install safetensors"
            ) from error
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
