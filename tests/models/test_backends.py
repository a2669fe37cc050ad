"""The same weights give the same outputs with TensorFlow and JAX."""

import numpy as np
from keras import ops

from .conftest import EVERY_MODEL, SIZE, TESTED, fresh, randomise, settle

COMPARED = TESTED if EVERY_MODEL else ["efficientvit_mxa_toy"]
"""By default the model with most kinds of layers; ``test_student.py`` trains a transformer."""

TRAINED = TESTED if EVERY_MODEL else []

SCRIPT = """
import sys
import keras, numpy as np
from xraylab import losses, models
assert keras.backend.backend() == "jax"
folder, size, trained, names = sys.argv[1:]
images = np.load(f"{folder}/images.npy")
labels = np.zeros((len(images), 14), np.float32)
for name in names.split(","):
    model = models.build(name, image_size=int(size))
    model.load_weights(f"{folder}/{name}.weights.h5")
    np.save(f"{folder}/{name}.npy", model.predict_on_batch(images))
    if name not in trained.split(","):
        continue
    model.compile("sgd", losses.BinaryCrossentropy())
    loss = model.train_on_batch(images, labels)
    assert np.isfinite(np.asarray(loss)).all(), name
"""


def test_jax_agrees(tmp_path, run_on_jax):
    images = np.random.default_rng(0).random((2, SIZE, SIZE, 1)).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    expected = {}
    for name in COMPARED:
        model = randomise(fresh(name))
        if np.abs(model(images)).max() > 1e3:
            settle(model, images)
        model.save_weights(tmp_path / f"{name}.weights.h5")
        expected[name] = ops.convert_to_numpy(model(images))
    run_on_jax(SCRIPT, tmp_path, SIZE, ",".join(TRAINED), ",".join(COMPARED))
    for name, value in expected.items():
        theirs = np.load(tmp_path / f"{name}.npy")
        size = max(1.0, np.abs(value).max())
        np.testing.assert_allclose(theirs / size, value / size, atol=1e-4, err_msg=name)
