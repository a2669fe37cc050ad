"""The same weights give the same outputs with TensorFlow and JAX."""

import json

import numpy as np
from keras import ops

from .conftest import EVERY_MODEL, SIZE, TESTED, fresh, randomise, settle

SHALLOW = {"dbct_toy": {"depth": 1}, "efficientvit_mxa_toy": {"depths": [1, 1, 1]}}

COMPARED = {name: {} for name in TESTED} if EVERY_MODEL else SHALLOW
"""Models and their options, by default a transformer and a CNN, with one block of each kind;
``tests/test_student.py`` trains a third on JAX."""

TRAINED = TESTED if EVERY_MODEL else []

SCRIPT = """
import json, sys
import keras, numpy as np
from xraylab import losses, models
assert keras.backend.backend() == "jax"
folder, size, trained, compared = sys.argv[1:]
images = np.load(f"{folder}/images.npy")
labels = np.zeros((len(images), 14), np.float32)
for name, options in json.loads(compared).items():
    model = models.build(name, image_size=int(size), **options)
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
    for name, options in COMPARED.items():
        model = randomise(fresh(name, **options))
        if np.abs(model(images)).max() > 1e3:
            settle(model, images)
        model.save_weights(tmp_path / f"{name}.weights.h5")
        expected[name] = ops.convert_to_numpy(model(images))
    run_on_jax(SCRIPT, tmp_path, SIZE, ",".join(TRAINED), json.dumps(COMPARED))
    for name, value in expected.items():
        theirs = np.load(tmp_path / f"{name}.npy")
        size = max(1.0, np.abs(value).max())
        np.testing.assert_allclose(theirs / size, value / size, atol=1e-4, err_msg=name)
