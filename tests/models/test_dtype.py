"""The precision of a saved model; ``test_all_models.py`` tests that of all models."""

import keras

from xraylab import models

POLICY = "mixed_bfloat16"


def compute_dtypes(model):
    """List the compute dtype of every layer."""
    layers = model._flatten_layers(include_self=True)
    return [(type(layer).__name__, layer.compute_dtype) for layer in layers]


def under_policy(name):
    """Build a model under a global dtype policy."""
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICY)
    try:
        return models.build(name)
    finally:
        keras.config.set_dtype_policy(former)


def test_a_saved_model_keeps_its_dtype(tmp_path):
    model = under_policy("rr_vit_toy")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert compute_dtypes(loaded) == compute_dtypes(model)
