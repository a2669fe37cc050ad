"""Measure what common faults of training and reporting do to a score, for the book's chapter 18.

::

    python tools/measure_reporting.py --real FOLDER --runs runs/reporting

EfficientViT-M0 with and without MXA is trained on a part of the real images at 64 px, with binary
cross-entropy on logits and with the sigmoid applied twice, by plain Keras: AdamW with cosine decay,
no augmentation. After every epoch the validation and the test images are predicted, so that the
checkpoint with the best validation score can be compared with the one with the best test score,
and the scores of sigmoid outputs with those of a softmax over the labels. Test images are scored
this often to measure the fault, not to choose anything.

Each run is stored in the folder of runs and is not repeated; book/measured/reporting.json contains
numbers only. Differences are paired by image and seed; their bounds are means over the seeds of
95 % bootstrap intervals by patient.
"""

import itertools
from functools import partial
from pathlib import Path

import keras
import numpy as np
import real_images
from scipy.special import expit, softmax

from xraylab import evaluation, io, losses, metrics, models

MODELS = ("efficientvit_m0", "efficientvit_m0_mxa")
LOSSES = {
    "cross_entropy": losses.BinaryCrossentropy(from_logits=True),
    "double_sigmoid": losses.DoubleSigmoidCrossentropy(),
}
OUTPUTS = {"sigmoid": expit, "softmax": partial(softmax, axis=1)}
"""Functions of the logits of each image, over its labels."""
SCORES = ("macro_auc", "micro_auc", "accuracy")


class PredictEveryEpoch(keras.callbacks.Callback):
    """Keep the logits of some splits after every epoch."""

    def __init__(self, splits):
        super().__init__()
        self.splits = splits
        self.logits = {name: [] for name in splits}

    def on_epoch_end(self, epoch, logs=None):
        """Predict every split."""
        for name, split in self.splits.items():
            self.logits[name].append(models.predict_logits(self.model, split))


def train(model_name, loss, seed, train_split, splits, epochs):
    """Train one model; return logits after each epoch by split and the training losses."""
    keras.utils.set_random_seed(seed)
    model = models.build(model_name, image_size=64)
    batches = train_split.to_dataset(64, shuffle=True, seed=seed)
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, epochs * len(batches))
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.05)
    model.compile(optimizer, loss=LOSSES[loss], jit_compile=False)  # compiling costs minutes
    predictions = PredictEveryEpoch(splits)
    history = model.fit(batches, epochs=epochs, callbacks=[predictions], verbose=2)
    return predictions.logits, history.history["loss"]


def score(labels, logits, output):
    """Return the scores of one prediction and the number of AUCs of exactly 0.5."""
    value = metrics.score(labels, OUTPUTS[output](logits))
    found = {name: getattr(value, name) for name in SCORES}
    return found | {"constant": sum(label.roc_auc == 0.5 for label in value.per_finding)}


def summarize(run, labels):
    """Return scores by epoch, output and split, and the scores of both ways to choose an epoch."""
    scores = {
        output: {
            split: [score(labels[split], logits, output) for logits in run[split]]
            for split in labels
        }
        for output in OUTPUTS
    }
    macro = {s: [x["macro_auc"] for x in scores["sigmoid"][s]] for s in labels}
    chosen = {"by_val": int(np.argmax(macro["val"])), "by_test": int(np.argmax(macro["test"]))}
    return {
        "loss": [float(x) for x in run["loss"]],
        "scores": scores,
        "epoch": chosen,
        "test_macro_auc": {how: macro["test"][epoch] for how, epoch in chosen.items()},
    }


def difference(first, second, test):
    """Return the mean difference of the last epochs' test scores and its mean bounds."""
    rows = []
    for one, other in zip(first, second, strict=True):
        found = evaluation.compare(
            test.labels,
            expit(one["test"][-1]),
            expit(other["test"][-1]),
            scores=SCORES[:2],
            patients=test.table["patient"],
        )
        rows.append([[found[s].value, found[s].low, found[s].high] for s in SCORES[:2]])
    return dict(zip(SCORES[:2], np.mean(rows, axis=0), strict=True))


def main():
    parser = real_images.parser(__doc__, "reporting.json")
    parser.add_argument("--runs", type=Path, required=True, help="folder of finished runs")
    parser.add_argument("--images", type=int, default=4000, help="training images")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    names = ("train", "val", "test")
    splits = dict(zip(names, real_images.load(options.real, *names), strict=True))
    rows = np.random.default_rng(0).permutation(len(splits["train"]))[: options.images]
    splits["train"] = splits["train"].subset(np.sort(rows))
    scored = {name: splits[name] for name in ("val", "test")}
    labels = {name: split.labels for name, split in scored.items()}
    options.runs.mkdir(parents=True, exist_ok=True)
    runs = {}
    for seed, model, loss in itertools.product(options.seeds, MODELS, LOSSES):  # seed by seed
        path = options.runs / f"{model}_{loss}_{options.images}_{options.epochs}_{seed}.npz"
        if not path.exists():
            logits, history = train(model, loss, seed, splits["train"], scored, options.epochs)
            with io.atomic_write(path) as stream:
                np.savez(stream, loss=history, **logits)
        with np.load(path) as stored:
            runs.setdefault((model, loss), []).append(dict(stored))
    plain, mxa = (runs[model, "cross_entropy"] for model in MODELS)
    double, double_mxa = (runs[model, "double_sigmoid"] for model in MODELS)
    values = {
        "epochs": options.epochs,
        "seeds": options.seeds,
        "images": {name: len(split) for name, split in splits.items()},
        "runs": {
            model: {loss: [summarize(run, labels) for run in runs[model, loss]] for loss in LOSSES}
            for model in MODELS
        },
        "differences": {
            "double sigmoid corrected": difference(double, plain, splits["test"]),
            "MXA added": difference(plain, mxa, splits["test"]),
            "both at once": difference(double, mxa, splits["test"]),
            "MXA added under the double sigmoid": difference(double, double_mxa, splits["test"]),
        },
    }
    io.write_json(options.out, values)
    print(io.read_json(options.out)["differences"])


if __name__ == "__main__":
    main()
