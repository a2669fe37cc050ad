"""The base class of all models: inputs, outputs, compilation and weight files."""

import json
import random
from typing import Any

import keras
import numpy as np
from keras import ops

from xraylab.arguments import require_choice, require_int
from xraylab.data import Split
from xraylab.layers.base import ConfigMixin, Shape, Tensor
from xraylab.layers.transformer import NamedTransform
from xraylab.models.compile_checks import is_of_keras, name_of, require_matching_outputs
from xraylab.models.inputs import check_arrays, check_grey_levels, require_shape
from xraylab.models.weights import ARCHITECTURE, LABEL_NAMES, load_checked

BATCH_SIZE = 32
"""Images of a batch where Keras is given a split and no size, as Keras' own."""

TRAINING_ONLY = {
    "dropout",
    "drop_path",
    "drop_rate",
    "classifier_activation",
    "reconstruction_weight",
}
"""Arguments that may differ between a model and the weights that it loads."""


class ImageModel(ConfigMixin, keras.Model):
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

    A subclass stores its constructor arguments in attributes of the same names and implements
    ``forward(images, training, return_intermediates, attention_transform)``, which returns that
    dict; without ``return_intermediates``, the entry :attr:`output_name` is enough. A model whose
    logits depend on ``features`` alone also defines ``classify(features, training=None)``, which
    returns the logits. What is specific to one architecture is described in its own docstring.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) float32.

    Args:
        image_size: side of the image in pixels.
        num_labels: number of labels, at least 1; None for a model without labels.
        classifier_activation: None for logits or ``"sigmoid"`` for probabilities.

    Attributes:
        label_names: names of the labels in order, stored with the weights; None if unknown. A run
            sets them, and they are loaded with its weights; set them for other models.
        output_name: the entry of the dict that a plain call returns.
        transforms_attention: whether ``attention_transform`` is supported.
        other_sizes_refused: why weights do not hold at another image size; empty if they may.

    Raises:
        ValueError: if an argument is out of range; and, when called, if the images have another
            shape than the model was built for.
    """

    output_name = "logits"
    transforms_attention = False
    other_sizes_refused = ""
    label_names: tuple[str, ...] | None = None

    def __init__(
        self,
        image_size: int,
        num_labels: int | None,
        classifier_activation: str | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_size = require_int("image_size", image_size, 1)
        self.num_labels = num_labels
        if num_labels is not None:
            self.num_labels = require_int("num_labels", num_labels, 1)
        require_choice("classifier_activation", classifier_activation, (None, "sigmoid"))
        self.classifier_activation = classifier_activation

    def require_image_size(self, multiple: int = 1, minimum: int = 1, reason: str = "") -> None:
        """Raise a ValueError that names the nearest valid sizes if the image size is invalid.

        Args:
            multiple: the size must be a multiple of this.
            minimum: the smallest size.
            reason: where the constraint comes from, for the message.
        """
        size = self.image_size
        if size >= minimum and size % multiple == 0:
            return
        lower = size // multiple * multiple
        nearest = [s for s in (lower, lower + multiple) if s >= minimum]
        nearest = nearest or [-(-minimum // multiple) * multiple]
        expected = f"a multiple of {multiple}" if multiple > 1 else "a size"
        expected += f" of at least {minimum} px" if minimum > multiple else ""
        raise ValueError(
            f"Invalid image size for {type(self).__name__}. Expected: {expected}"
            f"{f' ({reason})' if reason else ''}. Received: image_size={size}. "
            f"Choose {' or '.join(map(str, nearest))}"
        )

    def build(self, input_shape: Shape) -> None:
        """Create the weights by a call on symbolic images.

        The models here build their layers themselves, which is several times faster.
        """
        self.compute_output_spec(keras.KerasTensor(input_shape))

    def __call__(self, images: Tensor, *args, **kwargs) -> Any:
        """Check the images, then compute the output."""
        self.check_images(images)
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(images.dtype)):
            images = ops.cast(images, "float32")  # Keras converts floats only
        return super().__call__(images, *args, **kwargs)

    def call(
        self,
        images: Tensor,
        training: bool | None = None,
        return_intermediates: bool = False,
        attention_transform: NamedTransform = None,
    ) -> Any:
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
                f"transforms_attention is True, such as rr_vit. Received: {type(self).__name__}"
            )
        outputs = self.forward(images, training, return_intermediates, attention_transform)
        if return_intermediates:
            return outputs
        output = outputs[self.output_name]
        return ops.sigmoid(output) if self.classifier_activation == "sigmoid" else output

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output of a plain call."""
        return (input_shape[0], self.num_labels)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        *args,
        **kwargs,
    ) -> None:
        """Configure training as ``keras.Model.compile`` does.

        Raises:
            ValueError: if a loss or metric reads the output as probabilities and it is logits, or
                the other way round.
        """
        require_matching_outputs(self, loss, (metrics, weighted_metrics))
        used = keras.tree.flatten((loss, metrics, weighted_metrics))
        # Text only: metrics in an attribute would be tracked twice.
        known = (value for value in used if value is not None and is_of_keras(value))
        self.reads_nan = ", ".join(map(name_of, known))
        super().compile(optimizer, loss, loss_weights, metrics, weighted_metrics, *args, **kwargs)

    def compile_from_config(self, config: dict) -> None:
        """Compile a loaded model as it was compiled when it was saved."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *args,
        class_weight: Any = None,
        **kwargs,
    ) -> Any:
        """Check the arguments, then train as ``keras.Model.fit`` does.

        Also takes a :class:`xraylab.data.Split` for ``x`` and for ``validation_data``; the images
        of ``x`` are then shuffled unless ``shuffle=False``, in an order that follows from
        ``keras.utils.set_random_seed``.

        Raises:
            ValueError: if ``class_weight`` is given and there is more than one label, or as
                :func:`xraylab.models.inputs.check_arrays`.
        """
        self._refuse_class_weight(class_weight)
        validation = kwargs.get("validation_data")
        if isinstance(validation, Split):
            size = kwargs.pop("validation_batch_size", None) or batch_size
            kwargs["validation_data"], _ = self._checked(validation, batch_size=size)
        elif validation is not None:
            pair = validation[:2] if isinstance(validation, tuple | list) else (validation,)
            self._checked(*pair)
        options = {}
        if isinstance(x, Split):
            if validation is not None and not isinstance(validation, Split):
                kwargs.setdefault("validation_batch_size", batch_size)
            options = {"shuffle": kwargs.get("shuffle", True), "seed": random.getrandbits(32)}
            options["epoch"] = kwargs.get("initial_epoch", 0)
        x, batch_size = self._checked(x, y, batch_size, **options)
        return super().fit(x, y, batch_size, *args, class_weight=class_weight, **kwargs)

    def _checked(self, x, y=None, batch_size=None, **options):
        """Check the input of a method; return it, a split as a data set, and the batch size."""
        if isinstance(x, Split):
            return x.to_dataset(batch_size or BATCH_SIZE, **options), None
        check_arrays(self, x, y)
        return x, batch_size

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, **kwargs
    ) -> Any:
        """Check ``class_weight``, then train as ``keras.Model.train_on_batch`` does."""
        self._refuse_class_weight(class_weight)
        return super().train_on_batch(x, y, sample_weight, class_weight, **kwargs)

    def _refuse_class_weight(self, class_weight):
        if class_weight is not None and self.num_labels != 1:
            raise ValueError(
                "class_weight does not apply to several labels: Keras would take the argmax of "
                "each row. Expected: None. Received: "
                f"{class_weight}. Pass sample_weight of shape (num_images, num_labels) with a loss "
                "of xraylab.losses, or use xraylab.losses.WeightedBinaryCrossentropy"
            )

    def evaluate(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, *args, **kwargs
    ) -> Any:
        """Check images and labels, or a split, then evaluate as ``keras.Model.evaluate`` does."""
        if not kwargs.get("_use_cached_eval_dataset"):  # fit, which has checked them, calls this
            x, batch_size = self._checked(x, y, batch_size)
        return super().evaluate(x, y, batch_size, *args, **kwargs)

    def predict(self, x: Any, batch_size: int | None = None, *args, **kwargs) -> Any:
        """Check the images, or take those of a split, then predict as ``keras.Model.predict``."""
        x, batch_size = self._checked(x, batch_size=batch_size)
        return super().predict(x, batch_size, *args, **kwargs)

    def export(self, filepath: Any, *args, **kwargs) -> Any:
        """Export the model as ``keras.Model.export`` does, which needs one call before."""
        self(np.zeros((1, self.image_size, self.image_size, 1), np.float32), training=False)
        return super().export(filepath, *args, **kwargs)

    def check_images(self, images: Any) -> None:
        """Raise a ValueError for images of another shape; warn of another range."""
        require_shape(self, images)
        check_grey_levels(self, images, stacklevel=4)

    def load_weights(self, filepath: Any, **kwargs) -> None:
        """Load weights of an equal model; if they do not fit, change nothing.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the weights are those of another model.
        """
        load_checked(self, filepath, super().load_weights, **kwargs)

    def save_own_variables(self, store: Any) -> None:
        """Save the weights, the arguments of the architecture and the label names, if known."""
        super().save_own_variables(store)
        facts = {ARCHITECTURE: self.architecture(), LABEL_NAMES: self.label_names}
        for name, value in facts.items():
            if value is not None:
                text = json.dumps(value, sort_keys=True)
                store[name] = np.frombuffer(text.encode(), dtype=np.uint8)

    def load_own_variables(self, store: Any) -> None:
        """Load the weights, and the label names unless the model has some or another number.

        ``load_weights`` has compared the arguments.
        """
        stored = {name: store[name] for name in store.keys()}  # noqa: SIM118
        stored.pop(ARCHITECTURE, None)
        names = stored.pop(LABEL_NAMES, None)
        if names is not None and self.label_names is None:
            names = tuple(json.loads(np.asarray(names).tobytes()))
            self.label_names = names if len(names) == self.num_labels else None
        super().load_own_variables(stored)

    def architecture(self) -> dict:
        """Return class name and arguments that determine the output for given weights, as JSON."""
        ignored = {"name", "trainable", "dtype", *TRAINING_ONLY}
        config = {name: v for name, v in self.get_config().items() if name not in ignored}
        facts = {"architecture": type(self).__name__, **config}
        return json.loads(json.dumps(facts, default=lambda of_numpy: of_numpy.tolist()))
