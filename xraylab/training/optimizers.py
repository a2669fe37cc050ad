"""AdamW with a learning-rate schedule, weight-decay exclusions and adaptive gradient clipping.

Global clipping and gradient accumulation are those of the Keras optimizers.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from xraylab.layers.base import sublayers
from xraylab.training.recipe import Recipe

CLIP_EPSILON = 1e-3
"""Lower bound of the weight norm in adaptive clipping (``brock2021``)."""


@keras.saving.register_keras_serializable("xraylab")
class AdamW(keras.optimizers.AdamW):
    """AdamW (``loshchilov2019``) with adaptive gradient clipping.

    The gradient of each unit (the weights that produce one output) is clipped to a multiple of the
    norm of its weights: ‖G_i‖ ≤ λ·max(‖W_i‖, 10⁻³). With gradient accumulation this applies to
    each micro-batch; ``global_clipnorm`` applies afterwards, to the mean over the micro-batches.

    Args:
        adaptive_clip: λ > 0, or None for no adaptive clipping.
        depthwise: kernels of depthwise convolutions, in which each channel is a unit. They are
            variables of one model and not part of the configuration: an optimizer that is loaded
            with a saved model clips these kernels like those of other convolutions.
        kwargs: arguments of ``keras.optimizers.AdamW``.

    References: Brock et al. 2021 (``brock2021``), Eq. 3. The last linear layer is clipped as well.
    """

    def __init__(
        self,
        *args: Any,
        adaptive_clip: float | None = None,
        depthwise: Sequence[keras.Variable] = (),
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        self.adaptive_clip = adaptive_clip
        # A function, because Keras would track a list of variables as the optimizer's own.
        channels = {id(variable) for variable in depthwise}
        self._is_depthwise = lambda variable: id(variable) in channels

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Create the optimizer's variables for the model's trainable variables."""
        super().build(variables)
        self._built_for = lambda: variables

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Clip the gradients, then update the variables."""
        if self.adaptive_clip is not None:
            variables = self._built_for() if trainable_variables is None else trainable_variables
            grads = [
                None
                if g is None
                else clip_adaptively(g, v, self.adaptive_clip, self._is_depthwise(v))
                for g, v in zip(grads, variables, strict=True)
            ]
        super().apply(grads, trainable_variables)

    def get_config(self) -> dict:
        """Return the constructor arguments except ``depthwise``."""
        return {**super().get_config(), "adaptive_clip": self.adaptive_clip}


def clip_adaptively(gradient: Any, weights: Any, limit: float, depthwise: bool = False) -> Any:
    """Scale the gradient of each unit to at most ``limit`` times the norm of its weights.

    Shapes:
        gradient, weights: (…, units); a tensor with one axis is one unit. For a depthwise kernel
            (height, width, channels, multiplier), the last two axes count units.
        returns: the same shape.

    References: Brock et al. 2021 (``brock2021``), Eq. 3 and Sect. 4.1.
    """
    num_axes = len(weights.shape)
    axes = tuple(range(num_axes - 1 - depthwise)) if num_axes > 1 else None

    def norm(values: Any) -> Any:
        squares = ops.square(ops.cast(values, "float32"))
        return ops.sqrt(ops.sum(squares, axis=axes, keepdims=axes is not None))

    maximum = limit * ops.maximum(norm(weights), CLIP_EPSILON)
    scale = ops.minimum(maximum / ops.maximum(norm(gradient), 1e-12), 1.0)
    return gradient * ops.cast(scale, gradient.dtype)


@keras.saving.register_keras_serializable("xraylab")
class CosineDecay(keras.optimizers.schedules.CosineDecay):
    """The schedule of Keras in steps, for an optimizer that counts micro-batches.

    Args:
        micro_batches: micro-batches per step.
        warmup_within_cosine: whether the cosine begins with the first step, and the warm-up
            replaces its beginning.
        kwargs: arguments of ``keras.optimizers.schedules.CosineDecay``.
    """

    def __init__(
        self, *args: Any, micro_batches: int = 1, warmup_within_cosine: bool = False, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.micro_batches, self.warmup_within_cosine = micro_batches, warmup_within_cosine

    def __call__(self, step: Any) -> Any:
        """Return the learning rate at a count of micro-batches."""
        step = step // self.micro_batches
        if self.warmup_within_cosine:  # Keras counts the cosine from the end of the warm-up
            step = ops.where(step < self.warmup_steps, step, step + self.warmup_steps)
        return super().__call__(step)

    def get_config(self) -> dict:
        """Return the constructor arguments."""
        own = ("micro_batches", "warmup_within_cosine")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def learning_rate_schedule(recipe: Recipe, total_steps: int, micro_batches: int = 1) -> CosineDecay:
    """Return a recipe's schedule: linear warm-up, half a cosine period, constant cool-down.

    Args:
        recipe: the recipe.
        total_steps: optimizer steps of the whole run.
        micro_batches: micro-batches per step.

    References: Loshchilov and Hutter 2017 (``loshchilov2017``), Eq. 5.
    """
    warmup_steps = int(recipe.warmup * total_steps)
    cosine_steps = total_steps - int(recipe.cooldown * total_steps)
    if not recipe.warmup_within_cosine:
        cosine_steps -= warmup_steps
    return CosineDecay(
        initial_learning_rate=0.0 if warmup_steps else recipe.learning_rate,
        decay_steps=max(1, cosine_steps),
        alpha=recipe.final_learning_rate / recipe.learning_rate,
        warmup_target=recipe.learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
        micro_batches=micro_batches,
        warmup_within_cosine=recipe.warmup_within_cosine,
    )


def make_optimizer(
    recipe: Recipe, model: keras.Model, total_steps: int, micro_batches: int = 1
) -> AdamW:
    """Return a recipe's optimizer, built for the trainable variables of a model.

    Args:
        recipe: the recipe.
        model: a built model.
        total_steps: optimizer steps of the whole run.
        micro_batches: micro-batches per step.
    """
    optimizer = AdamW(
        learning_rate_schedule(recipe, total_steps, micro_batches),
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.global_clip,
        adaptive_clip=recipe.adaptive_clip,
        depthwise=depthwise_kernels(model) if recipe.adaptive_clip else (),
        gradient_accumulation_steps=micro_batches if micro_batches > 1 else None,
    )
    if recipe.decay_exclusions:
        optimizer.exclude_from_weight_decay(
            var_list=[v for v in model.trainable_variables if not is_decayed(v)]
        )
    optimizer.build(model.trainable_variables)
    return optimizer


def is_decayed(variable: keras.Variable) -> bool:
    """Return whether weight decay applies to a variable.

    It applies to the kernels of linear layers and convolutions, depthwise ones included, but not to
    biases, scales and shifts of normalisations, position embeddings, tokens and attention biases.
    """
    return variable.path.endswith("kernel")


def depthwise_kernels(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Return the kernels of the depthwise convolutions inside a layer or model."""
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return [layer.kernel]
    children = layer.layers if isinstance(layer, keras.Model) else sublayers(layer)
    return [kernel for child in children for kernel in depthwise_kernels(child)]
