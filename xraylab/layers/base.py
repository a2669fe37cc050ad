"""What all layers and models of this package share: their configuration and their output shapes."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import keras

Tensor = Any
"""A tensor of the Keras backend, or anything that converts to one."""

Sizes = Sequence[int]

Shape = tuple[Any, ...]
"""The sizes of an array; None where any will do."""


def kernel_initializer(stddev: float | None = None) -> keras.initializers.Initializer:
    """Create a truncated normal initializer, cut off at two ``stddev``, or Glorot's for None.

    Each call returns a new object, because one initializer draws the same values every time.
    """
    if stddev is None:
        return keras.initializers.GlorotUniform()
    return keras.initializers.TruncatedNormal(stddev=stddev)


def constructor_arguments(cls: type) -> list[str]:
    """List the constructor arguments of a class, those of its bases included."""
    names = {}
    for base in cls.__mro__[: cls.__mro__.index(ConfigMixin)]:
        if "__init__" in vars(base):
            names |= dict.fromkeys(inspect.signature(base.__init__).parameters)
    return [name for name in names if name not in ("self", "args", "kwargs", *cls.not_arguments)]


class ConfigMixin(keras.Operation):
    """Registers subclasses with Keras and derives their configuration.

    The configuration consists of the attributes with the names of the constructor arguments.

    Attributes:
        not_arguments: arguments of base classes that the constructor does not have.
    """

    not_arguments: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable("xraylab")(cls)

    @property
    def policy(self) -> dict:
        """The dtype policy, as an argument of a sublayer."""
        return {"dtype": self.dtype_policy}

    def get_config(self) -> dict:
        """Return the constructor arguments."""
        arguments = {name: getattr(self, name) for name in constructor_arguments(type(self))}
        return {**super().get_config(), **arguments}

    def compute_output_spec(self, *args, **kwargs) -> Any:
        """Trace ``call``, since optional outputs do not follow from the input shape."""
        return keras.Operation.compute_output_spec(self, *args, **kwargs)


class Layer(ConfigMixin, keras.layers.Layer):
    """A layer that keeps the shape of its input, except for ``strides`` and ``filters``.

    Its sublayers are built in the order of their attributes, each for the output of the one before.
    A subclass whose sublayers have other inputs overrides :meth:`build`.

    Attributes:
        strides: step in pixels of a layer of maps.
        filters: channels of its output; None keeps those of the input.
    """

    strides = 1
    filters = None

    def create(self, channels: int) -> None:
        """Create the sublayers whose widths depend on the channels of the input."""

    def build(self, input_shape: Shape) -> None:
        """Create the remaining sublayers, then build all as a chain."""
        self.create(input_shape[-1])
        build_chain(sublayers(self), input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the output; sides are rounded up."""
        batch, *sides, channels = input_shape
        sides = (None if n is None else -(-n // self.strides) for n in sides)
        return (batch, *sides, self.filters or channels)


def sublayers(layer: keras.layers.Layer) -> list:
    """List the layers in the attributes of a layer, in the order in which they were set."""
    attributes = (value for name, value in vars(layer).items() if not name.startswith("_"))
    return [x for x in keras.tree.flatten(list(attributes)) if isinstance(x, keras.layers.Layer)]


def build_chain(layers: Iterable, input_shape: Shape) -> Shape:
    """Build layers that are applied in order; return the shape after the last."""
    for layer in layers:
        layer.build(input_shape)
        input_shape = layer.compute_output_shape(input_shape)
    return input_shape
