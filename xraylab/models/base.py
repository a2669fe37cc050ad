"""The base class of all models: its inputs, its outputs and its weight files."""

import json
import warnings

import keras
import numpy as np
from keras import ops

from xraylab.models.arguments import require_whole
from xraylab.models.weights import load_checked

_ARCHITECTURE = "architecture"
"""Name under which weight files store the arguments of their model, as JSON in bytes."""


class ImageModel(keras.Model):
    """A classifier of square grey images with one output.

    Calling the model returns one array: logits, or probabilities if it was built with
    ``classifier_activation="sigmoid"``. With ``return_intermediates=True`` it returns a dict
    instead, in which these names mean the same in every architecture:

    * ``logits``: (batch, num_labels), always before the activation;
    * ``attention``: attention maps by the name of their layer, in the order of computation, each
      (batch, heads, queries, keys), or (batch, windows, heads, queries, keys) where attention is
      restricted to windows;
    * ``features``: the last map with two spatial axes, (batch, height, width, channels), from
      which class activation maps are computed;
    * ``tokens``: the tokens of a transformer, (batch, num_tokens, embed_dim), at the point that
      its docstring names.

    A subclass implements ``forward(images, training, return_intermediates, attention_transform)``,
    which returns that dict; without ``return_intermediates``, :attr:`output` is enough. A model
    whose logits depend on ``features`` alone also defines ``classify(features, training=None)``,
    which returns the logits. What is specific to one architecture is named in its own docstring.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) float32.

    Args:
        image_size: side of the image in pixels.
        num_labels: number of labels, at least 1; None for a model without labels.
        classifier_activation: None for logits or ``"sigmoid"`` for probabilities.

    Attributes:
        output: the entry of the dict that a plain call returns.
        transforms_attention: whether ``attention_transform`` is supported.

    Raises:
        ValueError: if an argument is out of range; and, when called, if the images have another
            shape than the model was built for.
    """

    output = "logits"
    transforms_attention = False

    def __init__(self, image_size, num_labels, classifier_activation=None, **kwargs):
        super().__init__(**kwargs)
        require_whole(1, image_size=image_size)
        self.image_size = int(image_size)
        self.num_labels = num_labels
        if num_labels is not None:
            require_whole(1, num_labels=num_labels)
            self.num_labels = int(num_labels)
        if classifier_activation not in (None, "sigmoid", "linear"):
            raise ValueError(
                "Invalid classifier_activation. Expected: None for logits or 'sigmoid' for "
                f"probabilities. Received: {classifier_activation!r}"
            )
        self.classifier_activation = (
            None if classifier_activation == "linear" else classifier_activation
        )

    def require_image_size(self, multiple=1, least=1, reason=""):
        """Refuse an image size that the architecture cannot take.

        Args:
            multiple: what the size must be a multiple of.
            least: the smallest size.
            reason: where the limit comes from, for the message.

        Raises:
            ValueError: naming the nearest sizes that would do.
        """
        size = self.image_size
        if size >= least and size % multiple == 0:
            return
        lower = size // multiple * multiple
        near = [s for s in (lower, lower + multiple) if s >= least] or [
            -(-least // multiple) * multiple
        ]
        rule = f"multiples of {multiple}" if multiple > 1 else "image sizes"
        rule += f" from {least} px up" if least > multiple else ""
        raise ValueError(
            f"{type(self).__name__} takes {rule}{f' ({reason})' if reason else ''}; "
            f"image_size={size} came. Choose {' or '.join(map(str, near))}"
        )

    def __call__(self, images, *args, **kwargs):
        """Check the images, then compute the output."""
        self.check_images(images)
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(images.dtype)):
            images = keras.ops.cast(images, "float32")  # Keras does so for floats alone
        return super().__call__(images, *args, **kwargs)

    def call(self, images, training=None, return_intermediates=False, attention_transform=None):
        """Compute the output, or the dict of intermediates.

        Args:
            training: whether layers act as in training.
            return_intermediates: whether to return the dict of intermediates.
            attention_transform: function ``f(layer_name, attention) -> attention``, applied to
                every attention map before it is used. The name is that in the dict of
                intermediates; maps of label tokens are called ``block_8.label_attention``.

        Raises:
            ValueError: if ``attention_transform`` is given and the model does not support it.
        """
        if attention_transform is not None and not self.transforms_attention:
            raise ValueError(
                f"{self.name} has no attention that can be transformed. Expected: a model whose "
                "attention connects all positions (RR-ViT, Hybrid RR-ViT, DBCT, LT-ViT)"
            )
        outputs = self.forward(images, training, return_intermediates, attention_transform)
        if return_intermediates:
            return outputs
        output = outputs[self.output]
        return ops.sigmoid(output) if self.classifier_activation == "sigmoid" else output

    def fit(self, x=None, *args, **kwargs):
        """Check the grey levels, then do as ``keras.Model.fit``."""
        self._warn_of_range(x)
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        """Check the grey levels, then do as ``keras.Model.evaluate``."""
        self._warn_of_range(x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Check the grey levels, then do as ``keras.Model.predict``."""
        self._warn_of_range(x)
        return super().predict(x, *args, **kwargs)

    def train_on_batch(self, x, *args, **kwargs):
        """Check the grey levels, then do as ``keras.Model.train_on_batch``."""
        self._warn_of_range(x)
        return super().train_on_batch(x, *args, **kwargs)

    def predict_on_batch(self, x):
        """Check the grey levels, then do as ``keras.Model.predict_on_batch``."""
        self._warn_of_range(x)
        return super().predict_on_batch(x)

    def load_weights(self, filepath, **kwargs):
        """Load weights of this very model, or say what does not fit and change nothing.

        Raises:
            ValueError: if they are another model's.
        """
        load_checked(self, filepath, super().load_weights, **kwargs)

    def check_images(self, images):
        """Refuse images of another shape; warn of another range.

        Raises:
            ValueError: saying what came, what the model takes, and what to do.
        """
        shape = tuple(getattr(images, "shape", ()))
        side = self.image_size
        expected = f"{self.name} takes images of shape (batch, {side}, {side}, 1)"
        if len(shape) != 4:
            raise ValueError(f"{expected}; {shape} came. Add axes with images[..., np.newaxis]")
        if shape[3] != 1:
            raise ValueError(
                f"{expected}, one grey channel; {shape} came. Take one channel or their mean; "
                "an architecture that wants three repeats the channel itself"
            )
        if shape[1:3] != (side, side):
            raise ValueError(
                f"{expected}; {shape} came. Build it with image_size={shape[1]}, or load images of "
                f"{side} px"
            )
        self._warn_of_range(images, stacklevel=4)

    def _warn_of_range(self, images, stacklevel=3):
        """Warn if an array's grey levels are not in [0, 1], refuse such that are no numbers.

        Tensors are not looked into.
        """
        if not isinstance(images, np.ndarray) or not images.size:
            return
        low, high = float(images.min()), float(images.max())
        if not np.isfinite([low, high]).all():
            raise ValueError(
                f"{self.name} takes grey levels in [0, 1]; some of these are NaN or infinite. Look "
                "for images that could not be read, or for a division by zero"
            )
        if low < -0.5 or high > 1.5:
            warnings.warn(
                f"{self.name} takes grey levels in [0, 1]; these run from {low:g} to {high:g}. "
                "Divide 8-bit images by 255",
                stacklevel=stacklevel,
            )

    def save_own_variables(self, store):
        """Save, beside the weights, what they are weights of."""
        super().save_own_variables(store)
        text = json.dumps(self._architecture(), sort_keys=True)
        store[_ARCHITECTURE] = np.frombuffer(text.encode(), dtype=np.uint8)

    def load_own_variables(self, store):
        """Load weights only if they are those of a model that computes the same.

        Raises:
            ValueError: naming the arguments in which the two models differ.
        """
        store = {name: store[name] for name in store.keys()}  # noqa: SIM118
        if _ARCHITECTURE in store:
            theirs = json.loads(bytes(np.asarray(store.pop(_ARCHITECTURE))))
            ours = json.loads(json.dumps(self._architecture()))
            differ = [
                f"{name} is {theirs.get(name)!r} there and {ours.get(name)!r} here"
                for name in sorted(ours.keys() | theirs.keys())
                if theirs.get(name) != ours.get(name)
            ]
            if differ:
                raise ValueError("; ".join(differ))
        super().load_own_variables(store)

    def _architecture(self):
        """Return the arguments that decide what the model computes from the same weights."""
        config = {
            name: value
            for name, value in self.get_config().items()
            if name not in _NOT_ARCHITECTURE
        }
        return {"architecture": type(self).__name__, **config}

    def get_config(self):
        """Return the constructor arguments."""
        config = {**super().get_config(), "image_size": self.image_size}
        if self.num_labels is not None:
            config |= {
                "num_labels": self.num_labels,
                "classifier_activation": self.classifier_activation,
            }
        return config


_NOT_ARCHITECTURE = {
    "name",
    "trainable",
    "dtype",
    "dropout",
    "drop_path",
    "drop_rate",
    "classifier_activation",
    "reconstruction_weight",
}
"""Arguments that may differ between a model and the weights it loads."""


class ReconstructionMixin:
    """Adds the weighted reconstruction error of a model to its loss."""

    def add_reconstruction_loss(self, images, reconstruction):
        """Add ``reconstruction_weight`` times the mean squared error to the model's losses."""
        if self.reconstruction_weight:
            errors = reconstruction - ops.cast(images, reconstruction.dtype)
            self.add_loss(self.reconstruction_weight * ops.mean(ops.square(errors)))
