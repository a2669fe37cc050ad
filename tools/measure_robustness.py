"""Measure robustness, shortcuts and label noise on real images, for the book's chapter 19.

::

    python tools/measure_robustness.py --real FOLDER              # all parts, about an hour
    python tools/measure_robustness.py --real FOLDER --parts marker annotators

Every part replaces its section of book/measured/robustness.json, which contains numbers only.
FOLDER holds the NIH subset and, for ``annotators``, the radiologists' annotations of ChestX-Det,
NIH's table of labels and the probabilities of a public DenseNet-121.
"""

import gzip
import json

import keras
import numpy as np
import pandas as pd
import real_images
from PIL import Image
from record_runs import SYSTEMS
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from xraylab import data, evaluation, io, losses, metrics, models, phantom
from xraylab.findings import FINDINGS, index
from xraylab.models.weights import shipped_weights

SEEDS = (0, 1, 2)


def floats(images):
    """Return uint8 images as (n, height, width, 1) float32 in [0, 1]."""
    return np.asarray(images, np.float32)[..., np.newaxis] / 255


def probabilities(model, images):
    """Predict probabilities in float64."""
    return expit(models.predict_logits(model, floats(images)).astype(float))


def interval(labels, predicted, patients, name="macro_auc"):
    """Return a score with its bounds."""
    names = [f"label_{j}" for j in range(labels.shape[1])]
    found = evaluation.bootstrap(labels, predicted, patients=patients, label_names=names)[name]
    return [found.value, found.low, found.high]


def fit(model, images, labels, epochs, seed, learning_rate=1e-3):
    """Train a model by plain Keras: AdamW with cosine decay, no augmentation."""
    keras.utils.set_random_seed(seed)
    steps = epochs * -(-len(images) // 64)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=0.05)
    model.compile(optimizer, loss=losses.BinaryCrossentropy(), jit_compile=False)
    x, y = floats(images), np.float32(labels)
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=2)
    return model


def fine_tuned(images, labels, epochs, seed):
    """Fine-tune the shipped RR-ViT on other labels."""
    number = np.shape(labels)[1]
    model = models.build("rr_vit", image_size=64, num_labels=number, weights="pretrained")
    return fit(model, images, labels, epochs, seed, 3e-4)


def corruptions(real, num_images=1000):
    """Score the shipped models on corrupted test images."""
    val, test = real_images.load(real, "val", "test")
    rows = np.sort(np.random.default_rng(0).permutation(len(test))[:num_images])
    images, labels = data.read_rows(test.images, rows), test.labels[rows]
    names = [*evaluation.CORRUPTIONS]
    changed = {
        (name, severity): evaluation.corrupt_images(images, name, severity)
        for name in names
        for severity in range(1, 6)
    }
    found, shipped = {}, shipped_weights()
    for model_name in (name for name in SYSTEMS if (name, 64) in shipped):
        model = models.build(model_name, image_size=64, weights="pretrained")
        chosen = evaluation.predict(model, val)
        thresholds = evaluation.choose_thresholds(val.labels, chosen, "youden")

        def scores(x, model=model, thresholds=thresholds):
            predicted = probabilities(model, x)
            error = evaluation.balanced_error(labels, predicted, thresholds)
            return [error, metrics.score(labels, predicted).macro_auc]

        found[model_name] = {
            "clean": scores(images),
            "corrupted": {n: [scores(changed[n, s]) for s in range(1, 6)] for n in names},
        }
        print(model_name, found[model_name]["clean"], flush=True)
    return {"images": len(images), "models": found}


def projection_and_sex(real):
    """Predict AP projection and female sex from the image."""
    train, test = real_images.load(real, "train", "test")

    def labels(split):
        return np.stack([split.table["view"] == "AP", split.table["sex"] == "F"], axis=1)

    model = fine_tuned(train.images, labels(train), epochs=5, seed=0)
    predicted, patients = evaluation.predict(model, test), test.table["patient"]
    return {
        name: interval(labels(test).astype(float), predicted, patients, f"label_{j}")
        for j, name in enumerate(("AP projection", "female sex"))
    }


def add_marker(images, present):
    """Draw a bright square into the upper left corner of some images."""
    marked = np.array(images)
    marked[np.asarray(present, bool), 2:8, 2:8] = 255
    return marked


def marker(real, finding="pneumothorax", rates=(0.8, 0.05)):
    """Train with a marker on most positive images, and test with it, without it, and masked."""
    splits = dict(zip(("train", "test"), real_images.load(real, "train", "test"), strict=True))
    labels = {n: s.labels[:, [index(finding)]] for n, s in splits.items()}
    images = {n: np.array(s.images) for n, s in splits.items()}
    rng = np.random.default_rng(0)
    present = {n: rng.random(len(y)) < np.where(y[:, 0] == 1, *rates) for n, y in labels.items()}
    marked = {n: add_marker(images[n], present[n]) for n in splits}
    masked = {n: np.array(images[n]) for n in splits}
    for x in masked.values():
        x[:, :10, :10] = 0
    tests = {"with marker": marked["test"], "without": images["test"], "masked": masked["test"]}
    patients = splits["test"].table["patient"]
    found = {}
    for name, training in {"marked": marked, "clean": images, "masked": masked}.items():
        model = fine_tuned(training["train"], labels["train"], epochs=4, seed=0)
        found[name] = {
            condition: interval(labels["test"], probabilities(model, x), patients)
            for condition, x in tests.items()
        }
    return {"finding": finding, "rates": rates, "auc": found}


def small_cnn(seed):
    """Build a network of five convolutions that takes images of any size."""
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((None, None, 1))]
    for channels in (16, 32, 64, 128, 128):
        layers += [keras.layers.Conv2D(channels, 3, padding="same", use_bias=False)]
        layers += [keras.layers.BatchNormalization(), keras.layers.ReLU()]
        layers += [keras.layers.MaxPooling2D(padding="same")]
    return keras.Sequential(
        [*layers, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(14)]
    )


def predict(model, images):
    """Predict probabilities in float64 with a network that is not of the registry."""
    return expit(model.predict(floats(images), batch_size=256, verbose=0).astype(float))


def noisy(labels, rate, rng):
    """Replace a fraction of the positives of each label by as many false ones."""
    prevalence = labels.mean(axis=0)
    added = rate * prevalence / (1 - prevalence)
    flipped = rng.random(labels.shape) < np.where(labels == 1, rate, added)
    return np.where(flipped, 1 - labels, labels)


def label_noise(real, rates=(0.0, 0.1, 0.2, 0.3), num_images=10_000, epochs=6):
    """Train on simulated images with noisy labels; score on true and on noisy ones."""
    train, test = (
        phantom.simulate(np.arange(start, start + count), 64)
        for start, count in ((0, num_images), (10**6, 4000))
    )
    found = {}
    for rate in rates:
        scores = []
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            model = fit(small_cnn(seed), train.images, noisy(train.labels, rate, rng), epochs, seed)
            predicted = predict(model, test.images)
            measured = noisy(test.labels, rate, rng)
            scores.append([metrics.score(y, predicted).macro_auc for y in (test.labels, measured)])
        found[str(rate)] = scores
    return {"images": num_images, "epochs": epochs, "true_and_measured": found}


def annotators(real):
    """Compare NIH's labels with the radiologists' of ChestX-Det, by finding."""
    with gzip.open(real / "chestx_det_nih.json.gz") as stream:
        rows = pd.DataFrame(json.load(stream)["images"]).set_index("image")
    table = pd.read_csv(real / "Data_Entry_2017_v2020.csv.gz").set_index("Image Index")
    rows = rows.loc[rows.index.isin(table.index)]
    texts = table.loc[rows.index, "Finding Labels"].str.lower().str.split("|")
    annotated_names = rows["findings"].map(
        lambda found: {
            row["finding"].lower().replace(" ", "_").removeprefix("diffuse_") for row in found
        }
    )
    nih, annotated = (
        pd.DataFrame(
            {name: column.map(lambda found, name=name: name in found) for name in FINDINGS}
        )
        for column in (texts, annotated_names)
    )
    shared = [name for name in FINDINGS if annotated[name].any()]
    counts = {
        name: [int(x.sum()) for x in (nih[name], annotated[name], nih[name] & annotated[name])]
        for name in shared
    }
    return {
        "images": len(rows),
        "nih_radiologists_both": counts,
        "public_model": public_model(real, nih[shared], annotated[shared]),
    }


def public_model(real, nih, annotated, replicates=1000):
    """Score a public DenseNet-121 against both references, on the test images with annotations."""
    with np.load(real / "densenet121_test_probabilities.npz") as stored:
        found = pd.DataFrame(stored["probabilities"].astype(float), stored["names"], FINDINGS)
    found = found.loc[found.index.isin(annotated.index), annotated.columns]
    references = {"nih": nih.loc[found.index], "radiologists": annotated.loc[found.index]}
    patients, rows = np.unique(found.index.str[:8], return_inverse=True)
    rng = np.random.default_rng(0)
    weights = [np.ones(len(rows))] + [
        np.bincount(rng.integers(len(patients), size=len(patients)), minlength=len(patients))[rows]
        for _ in range(replicates)
    ]

    def aucs(reference, predicted):
        """Return the AUC on the images, then those on resampled patients."""
        return np.array([roc_auc_score(reference, predicted, sample_weight=w) for w in weights])

    by_finding = {}
    for name in annotated:
        by_nih, by_radiologists = (aucs(y[name], found[name]) for y in references.values())
        own = roc_auc_score(references["nih"][name], references["radiologists"][name])
        by_finding[name] = {
            "nih": by_nih[0],
            "radiologists": by_radiologists[0],
            "difference": [
                by_radiologists[0] - by_nih[0],
                *np.percentile(by_radiologists - by_nih, (2.5, 97.5)),
            ],
            "auc_of_radiologists_on_nih": own,
        }
    return {"images": len(found), "patients": len(patients), "auc": by_finding}


def resized(images, size):
    """Average images over areas to another size."""
    box = Image.Resampling.BOX
    return np.stack([np.asarray(Image.fromarray(x).resize((size, size), box)) for x in images])


def resolution(real, sizes=(28, 64, 128), epochs=6):
    """Train the same network on the same images at several sizes."""
    train, test = real_images.load(real, "train", "test", name="nih_128.npz")
    found = {}
    for size in sizes:
        x, y = (resized(np.array(split.images), size) for split in (train, test))
        found[str(size)] = []
        for seed in SEEDS:
            model = fit(small_cnn(seed), x, train.labels, epochs, seed)
            predicted = predict(model, y)
            found[str(size)].append(interval(test.labels, predicted, test.table["patient"]))
    return {"images": len(train), "test_images": len(test), "epochs": epochs, "auc": found}


PARTS = {
    part.__name__: part
    for part in (
        annotators,
        projection_and_sex,
        marker,
        label_noise,
        resolution,
        corruptions,
    )
}


def main():
    parser = real_images.parser(__doc__, "robustness.json")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    for name in options.parts:
        values = io.read_json(options.out) if options.out.exists() else {}
        values[name] = PARTS[name](options.real)
        io.write_json(options.out, values)
        print(name, "done", flush=True)


if __name__ == "__main__":
    main()
