"""One harness for every model of the registry."""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab import losses, models

SIZE = 64


@pytest.fixture(params=models.list_models())
def name(request):
    return request.param


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images = rng.random((4, SIZE, SIZE, 1)).astype(np.float32)
    return images, (rng.random((4, 14)) < 0.3).astype(np.float32)


def total_loss(model, images, labels, training=True):
    out = model(images, training=training)
    loss = losses.binary_cross_entropy(labels, out["logits"])
    if "reconstruction" in out:
        loss = loss + losses.reconstruction_error(images, out["reconstruction"])
    return loss


def compiled(model, learning_rate=1e-3):
    objectives = {
        "logits": losses.binary_cross_entropy,
        "reconstruction": losses.reconstruction_error,
    }
    present = model.compute_output_spec(keras.KerasTensor((1, SIZE, SIZE, 1)))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss={key: objectives[key] for key in present},
    )
    return set(present)


def targets(present, images, labels):
    return {key: images if key == "reconstruction" else labels for key in present}


def test_shapes_and_dtypes(name, batch):
    images, _ = batch
    out = models.build(name, image_size=SIZE, num_labels=5)(images)
    assert tuple(out["logits"].shape) == (4, 5)
    assert keras.backend.standardize_dtype(out["logits"].dtype) == "float32"
    if "reconstruction" in out:
        assert tuple(out["reconstruction"].shape) == images.shape


def test_toys_are_small(name):
    if name.endswith("_toy"):
        assert models.build(name).count_params() <= 300_000


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
def test_every_parameter_gets_a_finite_gradient(name, batch):
    import tensorflow as tf

    model = models.build(name, image_size=SIZE)
    with tf.GradientTape() as tape:
        loss = total_loss(model, *batch)
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient is not None, f"{variable.path} is dead"
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, f"{variable.path} gets no gradient"


def test_steps_lower_the_loss_on_a_fixed_batch(name, batch):
    keras.utils.set_random_seed(0)
    model = models.build(name, image_size=SIZE)
    present = compiled(model, learning_rate=1e-2)
    before = float(total_loss(model, *batch, training=False))
    for _ in range(3):
        model.train_on_batch(batch[0], targets(present, *batch))
    assert float(total_loss(model, *batch, training=False)) < before


def test_saved_and_loaded_it_answers_the_same(name, batch, tmp_path):
    images, _ = batch
    model = models.build(name, image_size=SIZE)
    expected = ops.convert_to_numpy(model(images)["logits"])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(ops.convert_to_numpy(loaded(images)["logits"]), expected)
    model.save_weights(tmp_path / "model.weights.h5")
    fresh = models.build(name, image_size=SIZE)
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(ops.convert_to_numpy(fresh(images)["logits"]), expected)


def test_config_makes_an_equal_model(name):
    model = models.build(name, image_size=SIZE, num_labels=3)
    again = type(model).from_config(model.get_config())
    again.build((None, SIZE, SIZE, 1))
    assert again.get_config() == model.get_config()
    assert [v.shape for v in again.weights] == [v.shape for v in model.weights]


def test_mixed_precision(name, batch):
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.build(name, image_size=SIZE)
        out = model(batch[0])
        for value in out.values():
            assert keras.backend.standardize_dtype(value.dtype) == "float32"
            assert np.isfinite(ops.convert_to_numpy(value)).all()
    finally:
        keras.config.set_dtype_policy(former)


def test_seeds_reproduce(name):
    weights = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        weights.append(models.build(name, image_size=SIZE).get_weights())
    assert all((a == b).all() for a, b in zip(weights[0], weights[1], strict=True))
    assert any((a != b).any() for a, b in zip(weights[0], weights[2], strict=True))


def test_listing_and_unknown_names():
    assert models.list_models() == sorted(models.list_models())
    assert models.list_models("*_toy") == [n for n in models.list_models() if n.endswith("_toy")]
    with pytest.raises(ValueError, match="did you mean rr_vit"):
        models.build("rr_vti")
    with pytest.raises(ValueError, match="there are"):
        models.build("qqqqqqqq")
