"""What all layers and models of this package share: their configuration and their output shapes."""

import inspect

import keras


def constructor_arguments(cls):
    """List the constructor arguments of a class, those of its bases included."""
    names = {}
    for base in cls.__mro__:
        if base in (keras.layers.Layer, keras.Model):
            break
        names |= dict.fromkeys(inspect.signature(base.__init__).parameters)
    return [name for name in names if name not in ("self", "args", "kwargs", *cls.not_arguments)]


class ConfigMixin:
    """Derives the configuration from attributes with the names of the constructor arguments.

    Attributes:
        not_arguments: arguments of base classes that the constructor does not have.
    """

    not_arguments = ()

    def get_config(self):
        """Return the constructor arguments."""
        arguments = {name: getattr(self, name) for name in constructor_arguments(type(self))}
        return {**super().get_config(), **arguments}

    def compute_output_spec(self, *args, **kwargs):
        """Trace ``call``, since optional outputs do not follow from the input shape."""
        return keras.Operation.compute_output_spec(self, *args, **kwargs)


class Layer(ConfigMixin, keras.layers.Layer):
    """A layer that, unless a subclass says otherwise, keeps the shape of its input.

    Its sublayers are built in the order of their attributes, each for the output of the one before.
    A subclass whose sublayers have other inputs builds them itself; one that creates them in
    ``build``, where the input shape is known, then calls ``super().build``.
    """

    def build(self, input_shape):
        """Build the sublayers as a chain."""
        build_chain(sublayers(self), input_shape)

    def compute_output_shape(self, input_shape):
        """Return the shape of the first output."""
        return input_shape


def sublayers(layer):
    """List the layers in the attributes of a layer, in the order in which they were set."""
    attributes = (value for name, value in vars(layer).items() if not name.startswith("_"))
    return [x for x in keras.tree.flatten(list(attributes)) if isinstance(x, keras.layers.Layer)]


def build_chain(layers, input_shape):
    """Build layers that are applied in order; return the shape after the last."""
    for layer in layers:
        layer.build(input_shape)
        input_shape = layer.compute_output_shape(input_shape)
    return input_shape
