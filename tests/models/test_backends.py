"""The same weights give the same answers under TensorFlow and JAX."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from xraylab import models

SCRIPT = """
import sys
import keras, numpy as np
from xraylab import losses, models
assert keras.backend.backend() == "jax"
name, folder = sys.argv[1:]
model = models.build(name, image_size=64)
model.load_weights(f"{folder}/{name}.weights.h5")
images = np.load(f"{folder}/images.npy")
out = model(images)
np.savez(f"{folder}/{name}.npz", **{key: np.asarray(value) for key, value in out.items()})
model.compile("sgd", {"logits": losses.binary_cross_entropy,
                      "reconstruction": losses.reconstruction_error})
labels = np.zeros((len(images), 14), np.float32)
model.train_on_batch(images, {"logits": labels, "reconstruction": images})
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="compares with TensorFlow")
@pytest.mark.parametrize("name", models.list_models())
def test_jax_agrees(name, tmp_path):
    pytest.importorskip("jax", reason="JAX is not installed")
    model = models.build(name, image_size=64)
    images = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    model.save_weights(tmp_path / f"{name}.weights.h5")
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", SCRIPT, name, str(tmp_path)], env=environment, check=True)
    with np.load(tmp_path / f"{name}.npz") as theirs:
        for key, value in model(images).items():
            np.testing.assert_allclose(theirs[key], value, atol=1e-4)
