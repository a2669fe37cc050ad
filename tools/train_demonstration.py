"""Train the small DenseNet that chapter 16 explains, on simulated images of four findings.

::

    python tools/train_demonstration.py

Writes ``book/measured/densenet121_toy.weights.h5``, which the chapter loads.
"""

import argparse
from pathlib import Path

import numpy as np

from xraylab import losses, models, phantom
from xraylab.backend import start_keras
from xraylab.findings import index

OUT = Path(__file__).resolve().parents[1] / "book" / "measured" / "densenet121_toy.weights.h5"
FINDINGS = ("cardiomegaly", "effusion", "mass", "pneumothorax")
NUM_IMAGES, BATCH_SIZE, RATE = 4096, 48, 4e-3
NUM_LABELS_DRAWN = 6144
"""Number of images for which labels are drawn; the first ``NUM_IMAGES`` are used."""

EPOCHS, EPOCHS_OF_SCHEDULE = 1, 4
"""Training stops early: three of the findings then serve as a negative control."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    keras = start_keras()
    y = draw_labels(NUM_LABELS_DRAWN, seed=0)[:NUM_IMAGES]
    labels = np.zeros((NUM_IMAGES, 14), np.uint8)
    labels[:, [index(name) for name in FINDINGS]] = y
    images = phantom.simulate(
        np.arange(NUM_IMAGES), size=64, seed=0, labels=labels, severity=(0.7, 1.0)
    ).images
    x = np.float32(images)[..., None] / 255
    keras.utils.set_random_seed(0)
    model = models.build("densenet121_toy", image_size=64, num_labels=len(FINDINGS))
    steps = EPOCHS_OF_SCHEDULE * (NUM_IMAGES // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(
        RATE / 20, steps, warmup_target=RATE, warmup_steps=steps // 15
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01)
    model.compile(optimizer, loss=losses.BinaryCrossentropy())
    model.fit(x, np.float32(y), batch_size=BATCH_SIZE, epochs=EPOCHS)
    trained = models.build("densenet121_toy", image_size=64, num_labels=len(FINDINGS))
    trained.set_weights(model.get_weights())  # without the state of the optimizer
    trained.save_weights(options.out)


def draw_labels(count, seed):
    """Draw four findings of prevalence about 30 %; effusion is more frequent with cardiomegaly."""
    rng = np.random.default_rng(seed)
    heart = rng.random(count) < 0.3
    fluid = rng.random(count) < np.where(heart, 0.6, 0.2)
    return np.stack([heart, fluid, *(rng.random((2, count)) < 0.3)], axis=1)


if __name__ == "__main__":
    main()
