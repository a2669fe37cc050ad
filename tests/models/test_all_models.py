"""One harness for every model of the registry.

They run over the toys, which are the same code at a small size; ``make test-all`` runs them over
all models.
"""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab import losses, models
from xraylab.models.cost import cost, recorded_cost

from .conftest import EVERY_MODEL, SIZE, TESTED, fresh, randomise, sublayers

POLICIES = ["mixed_bfloat16", "mixed_float16"][: 1 + EVERY_MODEL]


@pytest.fixture(scope="module", params=TESTED)
def built(request):
    """Each model in turn, built once, and its initial weights."""
    model = fresh(request.param)
    yield model, model.get_weights()
    keras.backend.clear_session()


@pytest.fixture
def model(built):
    """The model with its initial weights."""
    model, weights = built
    model.set_weights(weights)
    return model


@pytest.fixture
def name(built):
    return built[0].name


def total_loss(model, images, labels, training=True):
    loss = losses.BinaryCrossentropy()(labels, model(images, training=training))
    return loss + sum(model.losses)


def train(model, images, labels, steps, **options):
    """Take steps on one batch and return the loss of each.

    A graph is worthwhile for large models only, and an eager step of Adam takes twice as long as
    one of SGD.
    """
    options = options or {"run_eagerly": not EVERY_MODEL}
    large = model.count_params() > 2e7  # large transformers need a lower rate
    adam = keras.optimizers.Adam(1e-4 if large else 1e-3)
    model.compile(
        optimizer=adam if EVERY_MODEL else keras.optimizers.SGD(0.02),
        loss=losses.BinaryCrossentropy(),
        **options,
    )
    history = []
    for _ in range(steps):
        model.reset_metrics()
        logs = model.train_on_batch(images, labels, return_dict=True)
        history.append(float(logs["loss"]))
    return history


def test_shapes_and_dtypes(model, batch):
    out = model(batch[0])
    assert tuple(out.shape) == (4, 14)
    assert keras.backend.standardize_dtype(out.dtype) == "float32"
    assert np.isfinite(ops.convert_to_numpy(out)).all()


@pytest.mark.parametrize(
    "name", TESTED if EVERY_MODEL else ["rr_vit_toy", "densenet121_toy", "efficientvit_mxa_toy"]
)
def test_cost_is_that_of_the_table(name):
    model = models.build(name, image_size=SIZE)
    known = recorded_cost(name, SIZE)
    assert known is not None, f"run: python tools/make_cost_table.py {name}"
    assert model.count_params() == known.parameters
    if keras.backend.backend() == "tensorflow":
        assert cost(model) == known


def test_config_is_complete(model):
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert (again.image_size, again.num_labels, again.name) == (SIZE, 14, model.name)


def test_intermediates_have_the_documented_shapes(model, batch):
    spec = keras.KerasTensor((4, SIZE, SIZE, 1))
    full = model.compute_output_spec(spec, return_intermediates=True)
    assert full["logits"].shape == (4, 14)
    if "reconstruction" in full:
        assert full["reconstruction"].shape == batch[0].shape
    batch_size, _, _, channels = full["features"].shape
    assert batch_size == 4
    assert channels > 1
    for attention in full.get("attention", {}).values():
        assert len(attention.shape) in (4, 5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
def test_every_parameter_gets_a_finite_gradient(model, name, batch):
    """Only shifts that a normalisation or a softmax cancels have none.

    A bias (or β) that is subtracted again, before a batch normalisation or as the same score for
    all keys, has a gradient of zero up to rounding.
    """
    import tensorflow as tf

    if name.startswith("efficientvit_m") and not name.endswith("_toy"):
        # At 64 px their last map is one pixel, where attention is constant.
        model = models.build(name, image_size=2 * SIZE)
        batch = (batch[0].repeat(2, axis=1).repeat(2, axis=2), batch[1])
    constant = None
    for seed in range(3):
        randomise(model, seed)
        with tf.GradientTape() as tape:
            loss = total_loss(model, *batch)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        sizes = {}
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            assert gradient is not None, f"{variable.path} has no gradient"
            gradient = tf.convert_to_tensor(gradient).numpy()
            assert np.isfinite(gradient).all(), variable.path
            sizes[variable.path] = np.abs(gradient).max()
        usual = np.median(list(sizes.values()))
        zero = {
            path
            for path, size in sizes.items()
            if size <= 1e-6 * usual and not path.endswith(("/bias", "/beta"))
        }
        # For some weights, all hidden units of MedViT's squeeze may be off.
        constant = zero if constant is None else constant & zero
        if not constant:
            return
    raise AssertionError(f"no gradient ever reaches {sorted(constant)}")


def test_toys_are_small():
    for toy in models.list_models("*_toy"):
        assert recorded_cost(toy, SIZE).parameters <= 300_000


def test_every_family_has_a_toy():
    families = {models.spec(name).builder for name in models.list_models()}
    assert families == {models.spec(name).builder for name in models.list_models("*_toy")}


def test_another_seed_and_number_of_labels(built, batch):
    model, first = built
    other = fresh(model.name, seed=1, num_labels=1)
    assert tuple(other(batch[0]).shape) == (4, 1)
    pairs = zip(first, other.get_weights(), strict=True)
    assert any((a != b).any() for a, b in pairs if a.shape == b.shape)


def test_steps_lower_the_loss_on_a_fixed_batch(model, batch):
    history = train(model, *batch, steps=8 if EVERY_MODEL else 2)
    assert np.isfinite(history).all()
    assert min(history[-2:]) < history[0]


def test_saved_model_predicts_the_same_after_loading(model, batch, tmp_path):
    images, _ = batch
    randomise(model)
    expected = ops.convert_to_numpy(model(images))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(ops.convert_to_numpy(loaded(images)), expected)
    if not EVERY_MODEL and model.name != "medvit_toy":
        return
    model.save_weights(tmp_path / "model.weights.h5")
    other = fresh(model.name, seed=1)
    assert (ops.convert_to_numpy(other(images)) != expected).any()
    other.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(ops.convert_to_numpy(other(images)), expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_mixed_precision(name, batch, policy):
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = randomise(fresh(name))
        out = model(batch[0], training=True, return_intermediates=True)
        history = train(model, *batch, steps=1)
    finally:
        keras.config.set_dtype_policy(former)
    for key in out.keys() & {"logits", "reconstruction"}:
        assert keras.backend.standardize_dtype(out[key].dtype) == "float32"
        assert np.isfinite(ops.convert_to_numpy(out[key])).all()
    assert np.isfinite(history).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    half = policy.removeprefix("mixed_")
    assert {dtype for _, dtype in compute_dtypes(model)} == {half, "float32"}
    # A model's own dtype reaches all of its layers, as the global policy does.
    assert compute_dtypes(fresh(name, dtype=policy)) == compute_dtypes(model)


def compute_dtypes(model):
    """List class and compute dtype of every layer."""
    return [(type(layer).__name__, layer.compute_dtype) for layer in sublayers(model)]


def test_seeds_reproduce(built):
    model, first = built
    again = fresh(model.name).get_weights()
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_summary_shows_every_output_shape(model):
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    assert "(None, 14)" in "".join(lines)
    assert "?" not in "".join(lines)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX always compiles by XLA")
@pytest.mark.parametrize("name", TESTED if EVERY_MODEL else ["rr_vit_toy"])
def test_xla_compiles_it(name, batch):
    model = fresh(name)
    model.supports_jit = True  # EfficientViT declines on a processor, where it would be slow
    history = train(model, *batch, steps=2, jit_compile=True)
    assert model.jit_compile
    assert np.isfinite(history).all()


def test_listing_and_unknown_names():
    assert models.list_models() == sorted(models.list_models())
    assert models.list_models("*_toy") == [n for n in models.list_models() if n.endswith("_toy")]
    with pytest.raises(ValueError, match="Did you mean 'rr_vit"):
        models.build("rr_vti")
    with pytest.raises(ValueError, match="Known: dbct, "):
        models.build("qqqqqqqq")
