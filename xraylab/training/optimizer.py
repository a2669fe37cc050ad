"""The optimiser: AdamW with its schedule, what decays, what is clipped, and averaged weights."""

import keras
import numpy as np
from keras import ops

from xraylab.backend import compiled

CLIP_EPSILON = 1e-3
"""Norm below which adaptive clipping takes a unit's weights to be that large (``brock2021``)."""


@keras.saving.register_keras_serializable("xraylab")
class AdamW(keras.optimizers.AdamW):
    """AdamW (``loshchilov2019``) with adaptive gradient clipping.

    Adaptive clipping bounds the gradient of every unit (the weights that make one output) by a
    multiple of the norm of its weights: ‖G_i‖ ≤ λ·max(‖W_i‖, 10⁻³).

    Args:
        adaptive_clip: λ, above 0; None clips nothing.
        depthwise: kernels of depthwise convolutions, of which every channel is a unit of its own.
        kwargs: as ``keras.optimizers.AdamW``.

    Source: ``brock2021``, Eq. 3. Unlike there, the last linear layer is clipped too.
    """

    def __init__(self, *args, adaptive_clip=None, depthwise=(), **kwargs):
        super().__init__(*args, **kwargs)
        self.adaptive_clip = adaptive_clip
        self._depthwise = frozenset(self._var_key(variable) for variable in depthwise)
        self._reached = ()

    def _get_current_learning_rate(self):
        # Keras asks its schedules by the number of parts, as if each were a step.
        if isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return super()._get_current_learning_rate()

    def _backend_apply_gradients(self, grads, trainable_variables):
        # Keras has left out the weights that no gradient reaches.
        self._reached = tuple(self._get_variable_index(v) for v in trainable_variables)
        super()._backend_apply_gradients(grads, trainable_variables)

    def _clip_gradients(self, grads):
        # Keras calls this with the mean gradient of all parts of a batch.
        grads = super()._clip_gradients(grads)
        if self.adaptive_clip is None:
            return grads
        reached = [self._trainable_variables[index] for index in self._reached]
        return [
            clip_adaptively(
                grad, variable, self.adaptive_clip, self._var_key(variable) in self._depthwise
            )
            for grad, variable in zip(grads, reached, strict=True)
        ]

    def get_config(self):
        """Return the arguments that make an equal optimiser."""
        return {**super().get_config(), "adaptive_clip": self.adaptive_clip}


def clip_adaptively(gradient, weights, limit, depthwise=False):
    """Return a gradient whose norm is at most ``limit`` times that of the weights, unit by unit.

    Shapes:
        gradient, weights: (…, units), of which every axis but the last belongs to one unit; where
        there is only one axis, to one unit altogether. For the kernel of a depthwise convolution,
        (height, width, channels, multiplier), the last two axes count units. Returned in the same
        shape.

    Source: ``brock2021``, Eq. 3 and Sect. 4.1.
    """
    num_axes = len(weights.shape)
    axes = tuple(range(num_axes - 1 - depthwise)) if num_axes > 1 else None

    def norm(values):
        squares = ops.square(ops.cast(values, "float32"))
        return ops.sqrt(ops.sum(squares, axis=axes, keepdims=axes is not None))

    most = limit * ops.maximum(norm(weights), CLIP_EPSILON)
    scale = ops.minimum(most / ops.maximum(norm(gradient), 1e-12), 1.0)
    return gradient * ops.cast(scale, gradient.dtype)


def learning_rate_schedule(recipe, total_steps):
    """Return a recipe's learning rate as a Keras schedule: linear warm-up, half a cosine, rest.

    Args:
        recipe: a :class:`xraylab.training.Recipe`.
        total_steps: steps of the whole run.

    Source: ``loshchilov2017``, Eq. 5.
    """
    warmup_steps = int(recipe.warmup * total_steps)
    resting_steps = int(recipe.cooldown * total_steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else recipe.learning_rate,
        decay_steps=max(1, total_steps - warmup_steps - resting_steps),
        alpha=recipe.final_learning_rate / recipe.learning_rate,
        warmup_target=recipe.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def make_optimizer(recipe, model, total_steps, accumulation=1):
    """Return a recipe's optimiser, built for the weights of a model.

    Args:
        recipe: a :class:`xraylab.training.Recipe`.
        model: a built model.
        total_steps: steps of the whole run.
        accumulation: into how many parts each batch is cut.
    """
    optimizer = AdamW(
        learning_rate_schedule(recipe, total_steps),
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.global_clip,
        adaptive_clip=recipe.adaptive_clip,
        depthwise=[
            layer.kernel
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.DepthwiseConv2D)
        ],
        gradient_accumulation_steps=accumulation if accumulation > 1 else None,
    )
    if recipe.decay_exclusions:
        optimizer.exclude_from_weight_decay(
            var_list=[v for v in model.trainable_variables if not is_decayed(v)]
        )
    optimizer.build(model.trainable_variables)
    return optimizer


def is_decayed(variable):
    """Return whether weight decay should pull a weight to zero.

    It should for the kernels of linear layers and convolutions, depthwise ones too. Biases, the
    scales and shifts of normalisations, position tables, tokens and attention biases say where
    zero is, so a pull towards it has no meaning.

    Args:
        variable: a trainable variable of a model.
    """
    return variable.path.endswith("kernel")


def end_batch(optimizer, parts):
    """Undo a batch of which a part was skipped, as the batch would have been in one piece.

    In float16, Keras skips what overflows, and counts the parts that it took. After a skipped part,
    every later step would be made of the parts of two batches.

    Args:
        optimizer: of a compiled model.
        parts: into how many parts each batch is cut.
    """
    if parts == 1 or not hasattr(optimizer, "inner_optimizer"):
        return
    for count in _counts(optimizer):
        if int(count) % parts:
            count.assign(int(count) // parts * parts)
            for variable in optimizer.variables:
                if "gradient_accumulator" in variable.name:
                    variable.assign(np.zeros(variable.shape, variable.dtype))


def recount(optimizer, former, parts):
    """Count the steps taken in parts of another size; Keras counts parts, not batches.

    Args:
        optimizer: of a compiled model, between two steps.
        former: into how many parts a batch was cut before.
        parts: into how many it is cut from now on.
    """
    for count in _counts(optimizer):
        count.assign(int(count) // former * parts)


def _counts(optimizer):
    return [variable for variable in optimizer.variables if variable.name == "iteration"]


class WeightAverage:
    """An exponential moving average of a model's weights, statistics included.

    After each step, average ← d · average + (1 - d) · weights. Early in a run, d is at most
    (1 + step) / (10 + step), so that the first, random weights are soon forgotten.

    Args:
        model: a built model; the average starts at its weights.
        decay: d, in [0, 1).

    Source: ``polyak1992``; the bound on the decay is that of TensorFlow's
    ``ExponentialMovingAverage``.
    """

    def __init__(self, model, decay):
        self.decay = decay
        self._live = [v for v in model.variables if keras.backend.is_float_dtype(v.dtype)]
        self.variables = [
            keras.Variable(_copy(v), dtype=v.dtype, trainable=False) for v in self._live
        ]
        self._next = compiled(_blend)

    def update(self, step):
        """Take the weights after a step into the average."""
        decay = np.array(min(self.decay, (1 + step) / (10 + step)), dtype="float32")
        averages = self._next(
            [v.value for v in self.variables], [v.value for v in self._live], decay
        )
        for variable, average in zip(self.variables, averages, strict=True):
            variable.assign(average)

    def swap(self):
        """Exchange the model's weights and the average; a second call undoes the first."""
        for live, average in zip(self._live, self.variables, strict=True):
            former = _copy(live)
            live.assign(average.value)
            average.assign(former)


def _copy(variable):
    """Return a variable's numbers in memory of their own."""
    return np.array(ops.convert_to_numpy(variable))


def _blend(averages, weights, decay):
    return [
        average * ops.cast(decay, average.dtype) + weight * ops.cast(1 - decay, average.dtype)
        for average, weight in zip(averages, weights, strict=True)
    ]
