"""The optimizer's equations in float64 NumPy, and the variables it leaves unchanged."""

import functools
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from xraylab import models, training
from xraylab.training.callbacks import WeightAverage
from xraylab.training.checkpoint import (
    read_newest_checkpoint,
    restore,
    save_checkpoint,
    training_variables,
)
from xraylab.training.optimizers import (
    clip_adaptively,
    depthwise_kernels,
    is_decayed,
    learning_rate_schedule,
    make_optimizer,
)

from ..conftest import SHALLOW

TOYS = [name for name in models.list_models("*_toy") if name != "efficientvit_toy"]
"""Without ``efficientvit_toy``, all layers of which are in ``efficientvit_mxa_toy``."""


@functools.cache
def toy(name):
    return models.build(name, image_size=64, num_labels=3, **SHALLOW.get(name, {}))


def recipe(**changes):
    return training.Recipe(**({"learning_rate": 1e-2, "warmup": 0.0} | changes))


def small_model():
    """A normalisation, a convolution, a depthwise and a grouped one, and a linear layer."""
    rng = np.random.default_rng(0)  # weights that are the same on every backend

    def draw(shape, dtype):
        return rng.normal(0, 0.2, shape).astype(dtype)

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.BatchNormalization(name="norm"),
            layers.Conv2D(4, 3, activation="relu", kernel_initializer=draw, name="convolution"),
            layers.DepthwiseConv2D(3, depthwise_initializer=draw, name="depthwise"),
            layers.Conv2D(4, 1, groups=2, kernel_initializer=draw, name="grouped"),
            layers.Flatten(),
            layers.Dense(3, kernel_initializer=draw, name="linear"),
        ]
    )


def values(variables):
    return {v.path: ops.convert_to_numpy(v).astype(np.float64) for v in variables}


def gradients_like(variables, seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return [rng.normal(0, scale, v.shape).astype(np.float32) for v in variables]


# Weight decay

KINDS = {
    "kernel": True,
    "bias": False,
    "gamma": False,
    "beta": False,
    "table": False,
    "tokens": False,
    "attention_bias": False,
}
"""Every name of a trainable weight in any model, and whether it decays."""


@pytest.mark.parametrize("name", TOYS)
def test_kernels_decay_and_nothing_else(name):
    """Kernels of every kind: linear, per label, 1×1, grouped and depthwise, as in timm."""
    for variable in toy(name).trainable_variables:
        kind = variable.path.rsplit("/", 1)[-1]
        assert is_decayed(variable) is KINDS[kind], variable.path
        # A kernel has input and output axes.
        assert len(variable.shape) > 1 or not is_decayed(variable)


def test_the_table_of_kinds_is_complete():
    found = {
        v.path.rsplit("/", 1)[-1]
        for name in ("lt_vit_toy", "rr_vit_toy", "efficientvit_mxa_toy")
        for v in toy(name).trainable_variables
    }
    assert found == set(KINDS)


def test_a_bias_with_two_axes_does_not_decay():
    attention = keras.layers.MultiHeadAttention(2, 4)
    attention.build((1, 3, 8), (1, 3, 8))
    shapes = {len(v.shape) for v in attention.trainable_variables if not is_decayed(v)}
    assert shapes == {1, 2}
    assert sum(map(is_decayed, attention.trainable_variables)) == 4


@pytest.mark.parametrize("excluding", [True, False])
def test_a_step_without_gradient_only_decays(excluding):
    model = small_model()
    before = values(model.trainable_variables)
    optimizer = make_optimizer(
        recipe(weight_decay=0.5, decay_exclusions=excluding), model, total_steps=100
    )
    for variable in model.trainable_variables:
        variable.assign_add(ops.ones(variable.shape))  # so that zeros would show a decay
    before = values(model.trainable_variables)
    optimizer.apply([np.zeros(v.shape, np.float32) for v in model.trainable_variables])
    for variable in model.trainable_variables:
        left = 1 - 0.5 * 1e-2 if is_decayed(variable) or not excluding else 1.0
        np.testing.assert_allclose(variable, left * before[variable.path], rtol=1e-6)
        if left == 1.0:
            np.testing.assert_array_equal(variable, before[variable.path].astype(np.float32))


# Adaptive clipping


def plain_clip(gradient, weights, limit, unit_axes):
    """Eq. 3 of brock2021 in float64."""
    norm = [
        np.sqrt((np.asarray(x, np.float64) ** 2).sum(axis=unit_axes, keepdims=True))
        for x in (weights, gradient)
    ]
    most = limit * np.maximum(norm[0], 1e-3)
    return np.where(norm[1] > most, gradient * most / np.maximum(norm[1], 1e-300), gradient)


@pytest.mark.parametrize(
    ("shape", "unit_axes", "depthwise"),
    [
        ((5, 4), (0,), False),
        ((3, 3, 2, 4), (0, 1, 2), False),
        ((3, 3, 4, 1), (0, 1), True),
        ((7,), (0,), False),
    ],
    ids=["linear", "convolution", "depthwise", "bias"],
)
def test_adaptive_clipping_is_its_equation(shape, unit_axes, depthwise):
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 0.1, shape)
    gradient = rng.normal(0, 1, shape)
    if len(shape) > 1:
        axis = -2 if depthwise else -1  # the axis of the units
        units = [np.moveaxis(x, axis, 0) for x in (weights, gradient)]
        units[0][0] = 0.0  # as new weights may be: then the least norm counts
        units[1][1] *= 1e-6  # one that needs no clipping
    got = clip_adaptively(
        ops.convert_to_tensor(gradient, "float32"),
        ops.convert_to_tensor(weights, "float32"),
        0.02,
        depthwise,
    )
    expected = plain_clip(gradient, weights, 0.02, unit_axes)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=1e-12)
    assert not np.allclose(expected, gradient, rtol=1e-3)


def test_clipping_by_hand():
    # ‖w‖ = 5, so a gradient of norm 10 is clipped to 0.1 · 5; one of norm 0.3 is not.
    weights = ops.convert_to_tensor([[3.0, 3.0], [4.0, 4.0]])
    gradient = ops.convert_to_tensor([[6.0, 0.3], [8.0, 0.0]])
    got = clip_adaptively(gradient, weights, 0.1)
    np.testing.assert_allclose(got, [[0.3, 0.3], [0.4, 0.0]], rtol=1e-6)
    # A zero gradient does not divide by zero.
    assert not np.any(clip_adaptively(0 * gradient, weights, 0.1))


def clipped_by_the_optimizer(model, optimizer, gradients):
    """Return the gradient that the optimizer uses, from its first moment after one step."""
    optimizer.apply(gradients)
    moments = [v for v in optimizer.variables if v.name.endswith("momentum")]
    return [ops.convert_to_numpy(m) / (1 - optimizer.beta_1) for m in moments]


def test_the_optimizer_clips_depthwise_kernels_channel_by_channel():
    model = small_model()
    weights = values(model.trainable_variables)
    optimizer = make_optimizer(recipe(adaptive_clip=0.02), model, 100)
    gradients = gradients_like(model.trainable_variables, 0)
    got = clipped_by_the_optimizer(model, optimizer, gradients)
    for variable, gradient, clipped in zip(model.trainable_variables, gradients, got, strict=True):
        axes = tuple(range(len(variable.shape) - 1)) or (0,)
        axes = (0, 1) if variable.path.endswith("depthwise/kernel") else axes
        expected = plain_clip(gradient, weights[variable.path], 0.02, axes)
        np.testing.assert_allclose(clipped, expected, rtol=1e-4, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_weights_that_no_gradient_reaches_are_left_out():
    model = small_model()
    before = values(model.trainable_variables)
    optimizer = make_optimizer(recipe(adaptive_clip=0.02), model, 100)
    gradients = gradients_like(model.trainable_variables, 0)
    gradients[2] = None
    optimizer.apply(gradients)
    for number, variable in enumerate(model.trainable_variables):
        same = np.array_equal(values([variable])[variable.path], before[variable.path])
        assert same is (number == 2), variable.path


# Gradient accumulation


@pytest.mark.parametrize("changes", [{}, {"global_clip": 0.5}])
def test_global_clipping_acts_on_the_mean_over_micro_batches(changes):
    """One gradient is far larger than the others: clipped one by one, the mean would differ."""
    whole, parted = small_model(), small_model()
    one = make_optimizer(recipe(**changes), whole, 100)
    four = make_optimizer(recipe(**changes), parted, 100, micro_batches=4)
    for step in range(3):
        parts = [
            gradients_like(whole.trainable_variables, [step, part], 10.0**part) for part in range(4)
        ]
        one.apply(
            [np.mean(g, axis=0, dtype=np.float64).astype("f4") for g in zip(*parts, strict=True)]
        )
        before = values(parted.trainable_variables)
        for number, part in enumerate(parts):
            if number:  # nothing moves before the last one
                assert all(
                    np.array_equal(before[name], value)
                    for name, value in values(parted.trainable_variables).items()
                )
            four.apply(part)
    assert int(four.iterations) == int(one.iterations) == 3
    for mine, theirs in zip(whole.trainable_variables, parted.trainable_variables, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)


def test_adaptive_clipping_acts_on_each_micro_batch():
    model = small_model()
    weights = values(model.trainable_variables)
    optimizer = make_optimizer(recipe(adaptive_clip=0.02), model, 100, micro_batches=2)
    parts = [gradients_like(model.trainable_variables, seed, 10.0**seed) for seed in (0, 1)]
    optimizer.apply(parts[0])
    clipped = clipped_by_the_optimizer(model, optimizer, parts[1])
    index = next(i for i, v in enumerate(model.trainable_variables) if "linear/kernel" in v.path)
    kernel = weights[model.trainable_variables[index].path]
    expected = np.mean([plain_clip(part[index], kernel, 0.02, (0,)) for part in parts], axis=0)
    np.testing.assert_allclose(clipped[index], expected, rtol=1e-4, atol=1e-9)


def test_the_schedule_counts_steps_not_micro_batches():
    optimizer = make_optimizer(recipe(warmup=0.5), small_model(), 10, micro_batches=2)
    whole = make_optimizer(recipe(warmup=0.5), small_model(), 10)
    schedule = learning_rate_schedule(recipe(warmup=0.5), 10, micro_batches=2)
    rates = [float(schedule(step)) for step in range(8)]
    assert rates[::2] == rates[1::2] == pytest.approx([0.0, 0.2e-2, 0.4e-2, 0.6e-2])
    for step in range(3):
        gradients = gradients_like(optimizer.variables[:0] or small_model().trainable_variables, 0)
        whole.apply(gradients)
        for _ in range(2):
            optimizer.apply(gradients)
        assert float(optimizer.learning_rate) == float(whole.learning_rate) == rates[2 * step + 2]


# The schedule


def rates(total, steps, **changes):
    schedule = learning_rate_schedule(recipe(learning_rate=1.0, **changes), total)
    return [float(schedule(step)) for step in steps]


def test_warm_up_by_hand():
    # 40 of 100 steps, from nothing to the highest.
    got = rates(100, [0, 1, 10, 20, 39, 40], warmup=0.4)
    np.testing.assert_allclose(got, [0, 1 / 40, 0.25, 0.5, 39 / 40, 1.0], atol=1e-6)


def test_half_a_cosine_by_hand():
    # From step 40, the 60 steps that are left: a third, a half and two thirds of the way.
    got = rates(100, [60, 70, 80, 100], warmup=0.4)
    np.testing.assert_allclose(got, [0.75, 0.5, 0.25, 0.0], atol=1e-6)
    # To a tenth instead of to zero; without a warm-up, from the first step on.
    got = rates(100, [0, 50, 100], final_learning_rate=0.1)
    np.testing.assert_allclose(got, [1.0, 0.55, 0.1], atol=1e-6)


def test_cool_down_by_hand():
    got = rates(100, [0, 40, 80, 81, 99], cooldown=0.2, final_learning_rate=0.2)
    np.testing.assert_allclose(got, [1.0, 0.6, 0.2, 0.2, 0.2], atol=1e-6)


def test_a_warmup_within_the_cosine_replaces_its_beginning():
    """The rates of timm 0.5.4 with 50 epochs, 5 of them warm-up, by its formula."""
    options = {"warmup": 0.1, "warmup_within_cosine": True, "final_learning_rate": 0.01}
    steps = np.array([0, 2, 4, 5, 6, 20, 35, 49])
    cosine = 0.01 + 0.5 * (1 - 0.01) * (1 + np.cos(np.pi * steps / 50))
    expected = np.where(steps < 5, steps / 5, cosine)
    np.testing.assert_allclose(rates(50, steps.tolist(), **options), expected, rtol=1e-5, atol=1e-6)
    after = rates(50, steps.tolist(), **options | {"warmup_within_cosine": False})
    assert (np.array(after)[4:-1] > expected[4:-1] + 1e-3).all()
    schedule = learning_rate_schedule(recipe(**options), 50, micro_batches=2)
    again = type(schedule).from_config(schedule.get_config())
    assert float(again(40)) == pytest.approx(float(schedule(40))) == float(schedule(41))


# Averaged weights


def plain_average(course, decay):
    """The average in float64, as one sum: d^t of the initial weights, (1 - d)·d^(t-k) of others."""
    t = len(course) - 1
    shares = [decay**t, *((1 - decay) * decay ** (t - k) for k in range(1, t + 1))]
    assert sum(shares) == pytest.approx(1)
    return np.tensordot(shares, np.array(course, np.float64), axes=1)


def bounded_average(course, decay):
    """The average in float64 with a warm-up: at first 2/11, 3/12, …, then the decay itself."""
    average = course[0].astype(np.float64)
    for step, weights in enumerate(course[1:], start=1):
        d = min(decay, (1 + step) / (10 + step))
        average = d * average + (1 - d) * weights
    return average


@pytest.mark.parametrize(
    ("decay", "warmup", "by_hand"),
    [
        (0.99996, False, plain_average),
        (0.7, False, plain_average),
        (0.99996, True, bounded_average),
        (0.3, True, bounded_average),
    ],
)
def test_the_average_is_its_equation(decay, warmup, by_hand):
    model = small_model()
    average = WeightAverage(model, decay, warmup)
    course = [values(model.variables)]
    for step in range(1, 11):
        for variable, change in zip(
            model.weights, gradients_like(model.weights, step), strict=True
        ):
            variable.assign_add(change)
        average.update(step)
        course.append(values(model.variables))
    live = values(model.weights)
    averages = dict(zip(live, map(ops.convert_to_numpy, average.variables), strict=True))
    assert len(averages) == len(model.weights) > len(model.trainable_variables)
    for name, value in averages.items():
        expected = by_hand([moment[name] for moment in course], decay)
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
        assert not np.allclose(value, live[name], rtol=1e-2)


def test_the_average_keeps_initial_weights_without_a_warmup():
    """From 0 to 1 in one step; 1 - average is what remains of the initial weights."""
    remains = {}
    for warmup in (False, True):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
        (kernel,) = model.weights
        kernel.assign([[0.0]])
        average = WeightAverage(model, 0.99996, warmup)
        kernel.assign([[1.0]])
        for step in range(1, 201):
            average.update(step)
        remains[warmup] = 1 - float(ops.convert_to_numpy(average.variables[0])[0, 0])
    assert remains[False] == pytest.approx(np.exp(-0.00004 * 200), rel=1e-4)
    assert remains[True] < 1e-6


def test_the_average_is_not_the_weights_themselves():
    """A step that changes the weights in place must not change their average."""
    model = small_model()
    average = WeightAverage(model, 0.9)
    before = [np.array(ops.convert_to_numpy(v)) for v in average.variables]
    for variable in model.weights:
        variable.assign(variable * 0 + 7.0)
    for variable, value in zip(average.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


# Both backends

SCRIPT = """
import sys
import keras, numpy as np
assert keras.backend.backend() == "jax"
sys.path.insert(0, sys.argv[1])
from test_optimizers import two_steps
np.savez(sys.argv[2], **two_steps(sys.argv[3]))
"""


def compiled_model():
    """Return a model with all options, two micro-batches per step, and its average."""
    model = small_model()
    options = {"adaptive_clip": 0.05, "global_clip": 3.0, "weight_decay": 0.1}
    optimizer = make_optimizer(recipe(**options), model, 100, micro_batches=2)
    model.compile(optimizer, "mse")
    return model, WeightAverage(model, 0.9)


def take_step(model, average, step):
    rng = np.random.default_rng(step)
    for _ in range(2):
        images, targets = rng.random((4, 6, 6, 1), "f4"), rng.normal(0, 1, (4, 3)).astype("f4")
        model.train_on_batch(images, targets)
    average.update(step)


def snapshot(model, average):
    variables = training_variables(model, average)
    return {name: np.array(ops.convert_to_numpy(v)) for name, v in variables.items()}


def two_steps(folder):
    """Take two steps, the second one again from a checkpoint; return all variables."""
    folder = Path(folder)
    model, average = compiled_model()
    take_step(model, average, 1)
    save_checkpoint(folder, snapshot(model, average), {"step": 1})
    take_step(model, average, 2)
    result = snapshot(model, average)

    again, its_average = compiled_model()
    run = SimpleNamespace(checkpoints=folder, history=[], path=folder)
    restore(read_newest_checkpoint(run), training_variables(again, its_average))
    take_step(again, its_average, 2)
    for name, array in snapshot(again, its_average).items():
        np.testing.assert_array_equal(array, result[name], err_msg=name)
    return result


def test_a_step_after_a_checkpoint_is_the_same_also_on_jax(tmp_path):
    mine = two_steps(tmp_path / "mine")
    if keras.backend.backend() != "tensorflow" or not os.environ.get("XRAYLAB_EVERY_MODEL"):
        return  # JAX is tested by make test-all
    here, theirs_file = Path(__file__).parent, tmp_path / "theirs.npz"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, here, theirs_file, tmp_path / "theirs"],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        check=True,
    )
    with np.load(theirs_file) as theirs:
        assert sorted(theirs.files) == sorted(mine)
        for name, array in mine.items():
            np.testing.assert_allclose(theirs[name], array, atol=2e-5, err_msg=name)
    trained = len(compiled_model()[0].weights)
    before = compiled_model()[0].get_weights()
    for number in range(trained):
        assert np.abs(mine[f"model/{number:05d}"] - before[number]).max() > 1e-5


def test_the_optimizer_is_serializable():
    options = {"warmup": 0.5, "adaptive_clip": 0.02}
    optimizer = make_optimizer(recipe(**options), small_model(), 10, micro_batches=2)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert again.adaptive_clip == 0.02
    for step in (0, 5, 12):
        for each in (optimizer, again):
            each.variables[0].assign(step)  # the micro-batches
        assert float(again.learning_rate) == float(optimizer.learning_rate)


def test_all_depthwise_convolutions_inside_a_model_are_found():
    model = toy("efficientvit_toy")
    found = {id(kernel) for kernel in depthwise_kernels(model)}
    # Kernels of (height, width, channels, multiplier) with one multiplier, of several channels.
    expected = {
        id(v)
        for v in model.trainable_variables
        if v.path.endswith("kernel") and "depthwise" in v.path
    }
    assert found >= expected and found
