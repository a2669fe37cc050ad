"""Weights from files: our own, and those of public models, checked before anything changes."""

import contextlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def load_checked(model, path, load, **kwargs):
    """Load a weights file by ``load``, or leave the model as it was.

    Args:
        model: a built Keras model.
        path: ``.weights.h5`` or ``.keras`` file.
        load: what loads it, as ``keras.Model.load_weights``.
        kwargs: handed to ``load``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the weights are not those of this model; the model keeps its own.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no weights file {path}")
    former = model.get_weights()
    try:
        _require_count(model, path)
        load(path, **kwargs)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        model.set_weights(former)
        # Keras tells how many objects did not load, then, as the next paragraph, why one did not.
        paragraphs = str(error).strip().split("\n\n")
        detail = paragraphs[1 if str(error).startswith("A total of") else 0].split("\n")[0]
        labels = "" if model.num_labels is None else f" and {model.num_labels} labels"
        raise ValueError(
            f"{path} does not hold the weights of {model.name} for {model.image_size} px{labels}: "
            f"{detail}. Build the model that they were saved from; this one keeps its weights"
        ) from error


def _require_count(model, path):
    """Refuse a file with more arrays than the model has; Keras ignores what is left over."""
    count = count_arrays(path)
    if count > len(model.variables):
        raise ValueError(f"it holds {count} arrays, the model {len(model.variables)}")


def count_arrays(path):
    """Return the number of arrays in a file of weights, those of an optimizer left out.

    Args:
        path: an HDF5 file, or a ``.keras`` archive, which has one inside.
    """
    arrays = []

    def visit(name, item):
        of_model = not name.startswith("optimizer/") and not name.endswith("/architecture")
        if hasattr(item, "dtype") and of_model:
            arrays.append(name)

    with _opened(path) as file:
        file.visititems(visit)
    return len(arrays)


def stored_architecture(path):
    """Return of what model a file holds the weights, as ``ImageModel`` has noted it there.

    Args:
        path: as for :func:`count_arrays`.

    Returns:
        A dict of ``architecture``, the name of the class, and its arguments by name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no weights, or no such note.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no weights file {path}")
    try:
        with _opened(path) as file:
            return json.loads(file["vars/architecture"][()].tobytes())
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} does not say of which model it holds the weights: {error}. Save them again, "
            "with save_weights of the model"
        ) from error


@contextlib.contextmanager
def _opened(path):
    """Open the HDF5 file of weights that a path names or that lies in its archive."""
    import h5py

    with contextlib.ExitStack() as stack:
        if path.suffix == ".keras":
            archive = stack.enter_context(zipfile.ZipFile(path))
            path = stack.enter_context(archive.open("model.weights.h5"))
        yield stack.enter_context(h5py.File(path, "r"))


def require_model(model, cls):
    """Refuse a model that the weights were not made for.

    Args:
        model: what came.
        cls: the class that is expected, or a tuple of classes.

    Raises:
        ValueError: if the model is of another class.
    """
    if not isinstance(model, cls):
        classes = cls if isinstance(cls, tuple) else (cls,)
        wanted = " or ".join(each.__name__ for each in classes)
        came = model.__name__ if isinstance(model, type) else type(model).__name__
        raise ValueError(f"these weights are for a model of class {wanted}; {came} came")


def require_labels(model, count):
    """Refuse a head that answers another number of labels than the model has.

    Raises:
        ValueError: if the numbers differ; the message tells how to do without the head.
    """
    if count != model.num_labels:
        raise ValueError(
            f"the file's head answers {count} labels, the model {model.num_labels}: pass "
            "head=False to keep the model's own head"
        )


class StateDict:
    """A PyTorch state dict as plain arrays, from which a converter takes what each layer needs.

    Nothing is assigned before everything was found to fit; what a converter leaves over is an
    error, for a name that is not used is a layer that was forgotten.

    Args:
        source: a mapping of names to arrays (or CPU tensors), or the path of a ``.safetensors`` or
            ``.npz`` file. Pickled ``.pt`` and ``.pth`` files are refused: reading one may run code.

    Raises:
        ValueError: if the source is none of these.
        ImportError: for a ``.safetensors`` file, where safetensors is not installed.
    """

    def __init__(self, source):
        self.arrays = {name: np.asarray(value) for name, value in _read(source).items()}
        self.left = {name for name in self.arrays if not name.endswith("num_batches_tracked")}
        self.assignments = []

    def take(self, name):
        """Return the array of that name and count it as used."""
        if name not in self.arrays:
            near = sorted(n for n in self.arrays if n.startswith(name.split(".")[0]))[:3]
            hint = f"; it has {near}" if near else ""
            raise ValueError(f"the state dict has no {name!r}{hint}")
        self.left.discard(name)
        return self.arrays[name]

    def put(self, variable, array, name):
        """Note that a variable takes this array.

        Raises:
            ValueError: if their shapes differ.
        """
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"{name} has shape {array.shape}; {variable.path} needs {tuple(variable.shape)}"
            )
        self.assignments.append((variable, array))

    def copy(self, name, variable):
        """An array that is the same in both worlds."""
        self.put(variable, self.take(name), name)

    def linear(self, prefix, dense):
        """A linear layer: (out, in) → (in, out)."""
        self.put(dense.kernel, self.take(f"{prefix}.weight").T, f"{prefix}.weight")
        if dense.use_bias:
            self.copy(f"{prefix}.bias", dense.bias)

    def convolution(self, prefix, convolution):
        """A convolution: (out, in, h, w) → (h, w, in, out); a depthwise one → (h, w, out, 1)."""
        kernel = self.take(f"{prefix}.weight").transpose(2, 3, 1, 0)
        if type(convolution).__name__ == "DepthwiseConv2D":
            kernel = kernel.transpose(0, 1, 3, 2)
        self.put(convolution.kernel, kernel, f"{prefix}.weight")
        if convolution.use_bias:
            self.copy(f"{prefix}.bias", convolution.bias)

    def norm(self, prefix, norm):
        """A batch or layer normalisation."""
        self.copy(f"{prefix}.weight", norm.gamma)
        self.copy(f"{prefix}.bias", norm.beta)
        if hasattr(norm, "moving_mean"):
            self.copy(f"{prefix}.running_mean", norm.moving_mean)
            self.copy(f"{prefix}.running_var", norm.moving_variance)

    def conv_norm(self, convolution_prefix, norm_prefix, layer):
        """A :class:`xraylab.layers.ConvNorm`, whose parts have names of their own in PyTorch."""
        self.convolution(convolution_prefix, layer.convolution)
        self.norm(norm_prefix, layer.norm)

    def assign(self, ignore=()):
        """Give every variable its array, now that all fit.

        Args:
            ignore: beginnings of names that may be left over.

        Raises:
            ValueError: if arrays are left over that are not to be ignored.
        """
        left = sorted(n for n in self.left if not n.startswith(tuple(ignore)))
        if left:
            raise ValueError(
                f"{len(left)} arrays of the state dict have no place in this model, the first "
                f"are {left[:3]}: it is another architecture or another size"
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
                f"to read {path}, install safetensors: pip install safetensors"
            ) from error
        return load_file(path)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    raise ValueError(
        f"{path} is not read: weights come as .safetensors or .npz, for a pickled file may run "
        "code. Convert a file you trust once, where PyTorch is installed: safetensors.torch."
        'save_file(torch.load(path, weights_only=True), "weights.safetensors")'
    )
