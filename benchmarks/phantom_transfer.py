"""Performance on real images of models that are trained on simulated images only.

Two questions. Difficulty: which AUC does the model reach on the simulated test split, finding by
finding? Transfer: which AUC does it reach on the real images of ``nih_64.npz``? Choices are made on
its training and validation splits (the default; neither trains anything here, and together they
have nine times the images of one); the test split is for the last measurement.
Bounds are 95 % bootstrap intervals that resample patients. With several ``--seeds``, scores and
bounds are means over the seeds; a seed determines initial weights, order and augmentation, while
the images are always the same. Run::

    python benchmarks/phantom_transfer.py --images 1000 --epochs 1    # a test run, one minute
    python benchmarks/phantom_transfer.py --histogram equalised       # small CNN, some minutes
    python benchmarks/phantom_transfer.py --appearance randomised --seeds 0 1 2 \\
        --json book/measured/phantom_transfer.json --name randomised
    python benchmarks/phantom_transfer.py --model densenet121         # two to three hours

``--histogram equalised`` replaces each grey level by its rank in the image, in simulated and real
images alike. Training images are randomly shifted, zoomed, blurred, made noisy and changed in
contrast and brightness, but never flipped; ``--no-augment`` turns that off. The weights of the
epoch with the highest macro AUC on 1,000 simulated validation images are scored. Images are AP as
often as NIH's images with the same findings (``--projection``).

The real images are searched in ``--real``, else in the folder named by XRAYLAB_REAL_IMAGES, else in
``../shared/data``; the second question is skipped if they are missing. Only numbers are printed and
written.
"""

import argparse
import json
import math
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from xraylab.backend import describe_backend, start_keras
from xraylab.findings import FINDINGS
from xraylab.phantom.config import APPEARANCES

ROOT = Path(__file__).resolve().parents[1]
SIZE, VAL_IMAGES = 64, 1000
DEFAULTS = {  # by model: epochs and learning rate
    "cnn": (6, 2e-3),
    "rr_vit": (30, 4e-3),
    "efficientvit_m0": (10, 2e-3),
    "densenet121": (10, 1e-3),
}
WEIGHT_DECAY, WARMUP = 1e-2, 0.1
HISTOGRAMS = ("original", "equalised")


def equalise(images):
    """Replace the grey levels of each image by their mean rank, from 0 to 1."""
    result = np.empty(images.shape, np.float32)
    for image, equalised in zip(images, result, strict=True):
        counts = np.bincount(image.ravel(), minlength=256)
        equalised[:] = ((np.cumsum(counts) - 0.5 * counts) / image.size)[image]
    return result


def as_arrays(images, labels, options):
    """Return images (n, size, size, 1) float32 in [0, 1] and labels (n, 14) float32."""
    images = np.asarray(images)
    grey = equalise(images) if options.histogram == "equalised" else np.float32(images) / 255
    return grey[..., None], np.float32(labels)


def simulated_images(options, folder):
    """Return images and labels of the simulated train, val and test images by split."""
    from xraylab import data

    counts = {"train": options.images, "val": VAL_IMAGES, "test": options.test_images}
    parameters = {"projection": options.projection, "appearance": options.appearance}
    splits = {
        name: data.load(
            "phantom", SIZE, name, num_images=count, cache_dir=folder, parameters=parameters
        )
        for name, count in counts.items()
    }
    return {name: as_arrays(split.images, split.labels, options) for name, split in splits.items()}


def real_images(options):
    """Return images, labels and patients of a split of the real images, or None without them."""
    path = Path(options.real) / f"nih_{SIZE}.npz"
    if not path.is_file():
        print(f"Transfer is skipped: {path} does not exist; see --real and XRAYLAB_REAL_IMAGES")
        return None
    from xraylab import data

    arguments = {"table": path.with_name("nih_images.csv"), "on_suspect": None}
    splits = [data.load(path, split=name, **arguments) for name in options.split]
    images, labels, patients = map(
        np.concatenate,
        zip(*((x.images, x.labels, x.column("patient")) for x in splits), strict=True),
    )
    return *as_arrays(images, labels, options), patients


def augmentation():
    """Return Keras layers that vary position, size, sharpness, contrast, brightness and noise."""
    from keras import layers

    return [
        layers.RandomTranslation(0.08, 0.08, fill_mode="nearest"),
        layers.RandomZoom(0.08, fill_mode="nearest"),
        layers.RandomGaussianBlur(kernel_size=5, sigma=(0.1, 1.2), value_range=(0, 1)),
        layers.RandomContrast(0.2, value_range=(0, 1)),
        layers.RandomBrightness(0.1, value_range=(0, 1)),
        layers.GaussianNoise(0.015),
    ]


def build(name):
    """Return a registered model, or a CNN of four strided convolutions, 0.1 million parameters."""
    from keras import Sequential, layers

    from xraylab import models

    if name != "cnn":
        return models.build(name, image_size=SIZE)
    blocks = []
    for filters, width in ((16, 5), (32, 3), (64, 3), (128, 3)):
        convolution = layers.Conv2D(filters, width, 2, "same", use_bias=False)
        blocks += [convolution, layers.BatchNormalization(), layers.ReLU()]
    head = [layers.GlobalAveragePooling2D(), layers.Dropout(0.2), layers.Dense(len(FINDINGS))]
    return Sequential([layers.Input((SIZE, SIZE, 1)), *blocks, *head])


def predict(model, images):
    """Return probabilities in double precision, which has fewer ties."""
    from scipy.special import expit

    return expit(np.float64(model.predict(images, batch_size=256, verbose=0)))


def train(options, seed, arrays):
    """Train on simulated images; return the model at its best epoch and facts about the run."""
    keras = start_keras()
    from xraylab import losses, metrics

    keras.utils.set_random_seed(seed)
    model = build(options.model)
    trained = keras.Sequential([*(augmentation() if options.augment else ()), model])
    steps = options.epochs * math.ceil(options.images / options.batch)
    warmup = int(WARMUP * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=options.rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY, clipnorm=1.0)
    trained.compile(optimizer, losses.BinaryCrossentropy(), jit_compile=options.jit)
    images, labels = arrays["val"]
    best, history = {"val_macro_auc": -1.0}, []

    def score_epoch(epoch, logs):
        auc = metrics.score(labels, predict(model, images)).macro_auc
        history.append({"loss": logs["loss"], "val_macro_auc": auc})
        print(f"epoch {epoch + 1:3d}  loss {logs['loss']:.4f}  val macro AUC {auc:.3f}", flush=True)
        if auc > best["val_macro_auc"]:
            best.update(epoch=epoch + 1, val_macro_auc=auc, weights=model.get_weights())

    start = time.perf_counter()
    trained.fit(
        *arrays["train"],
        batch_size=options.batch,
        epochs=options.epochs,
        verbose=0,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.LambdaCallback(on_epoch_end=score_epoch),
        ],
    )
    if len(history) < options.epochs or "weights" not in best:
        raise SystemExit("The loss is not finite. Choose a lower --rate.")
    speed = options.epochs * options.images / (time.perf_counter() - start)
    model.set_weights(best.pop("weights"))
    return model, {**best, "seed": seed, "images_per_second": speed, "history": history}


def score(model, images, labels, patients=None):
    """Return macro AUC and AUC by finding with their bounds, (15, 3); NaN where undefined."""
    from xraylab import evaluation

    names = ["macro_auc", *FINDINGS]
    intervals = evaluation.bootstrap(
        labels, predict(model, images), scores=names, patients=patients, progress=False
    )
    return [[intervals[name].value, intervals[name].low, intervals[name].high] for name in names]


def summarise(scores, labels):
    """Return the means over seeds of the results of :func:`score`, and the positives."""
    table = np.array(scores, float)
    rows = zip(["macro_auc", *FINDINGS], table.mean(axis=0).tolist(), strict=True)
    return {
        "images": len(labels),
        "positives": dict(zip(FINDINGS, labels.sum(0).astype(int).tolist(), strict=True)),
        "auc": {name: [None if math.isnan(v) else v for v in row] for name, row in rows},
        "macro_auc_by_seed": table[:, 0, 0].tolist(),
    }


def format_table(results):
    """Return the table of AUC on the simulated and on the real images."""
    columns = [results[key] for key in ("phantom", "real") if results.get(key)]
    titles = ("phantom test", f"real {'+'.join(results['options']['split'])}")[: len(columns)]

    def row(label, name, positives):
        cells = []
        for column in columns:
            value, low, high = column["auc"][name]
            undefined = value is None or low is None
            cells.append("undefined" if undefined else f"{value:.3f} [{low:.3f}, {high:.3f}]")
        return f"{label:20s}" + "".join(f"{cell:>24s}" for cell in cells) + f"{positives:>16s}"

    counts = " / ".join(f"{column['images']:,}" for column in columns)
    heads = "".join(f"{title:>24s}" for title in titles)
    lines = [f"{'ROC AUC, 95 %':20s}{heads}{'positives':>16s}"]
    for name in FINDINGS:
        positives = " / ".join(str(column["positives"][name]) for column in columns)
        lines.append(row(name, name, positives))
    lines.append(row("macro AUC", "macro_auc", f"of {counts}"))
    for title, column in zip(titles, columns, strict=True):
        by_seed = " ".join(f"{value:.3f}" for value in column["macro_auc_by_seed"])
        lines.append(f"macro AUC by seed, {title}: {by_seed}")
    return "\n".join(lines)


def parse_arguments():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("XRAYLAB_REAL_IMAGES") or ROOT.parent / "shared" / "data"
    switch = argparse.BooleanOptionalAction
    parser.add_argument("--model", choices=DEFAULTS, default="cnn")
    parser.add_argument("--images", type=int, default=20_000, help="simulated training images")
    parser.add_argument("--test-images", type=int, default=4000, help="simulated test images")
    parser.add_argument("--epochs", type=int, help="default: depends on the model")
    parser.add_argument("--batch", type=int, default=32, help="batch size")
    parser.add_argument("--rate", type=float, help="learning rate; default: depends on the model")
    parser.add_argument("--augment", action=switch, default=True, help="augment training images")
    parser.add_argument("--jit", action=switch, default=False, help="XLA: slower on a CPU")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="cache of the simulated images")
    parser.add_argument("--appearance", choices=APPEARANCES, default="physics")
    parser.add_argument("--projection", choices=("PA", "AP", "NIH"), default="NIH")
    parser.add_argument("--histogram", choices=HISTOGRAMS, default="original")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="SEED")
    parser.add_argument(
        "--split",
        choices=("train", "val", "test"),
        nargs="+",
        default=["train", "val"],
        help="of real",
    )
    parser.add_argument("--real", type=Path, default=default, help="folder of nih_64.npz")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also add the results to a file")
    parser.add_argument("--name", default="physics", help="of the results in that file")
    options = parser.parse_args()
    for name, value in zip(("epochs", "rate"), DEFAULTS[options.model], strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    for name in ("images", "test_images", "epochs", "batch"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if not 0 < options.rate < math.inf:
        parser.error(f"--rate must be above 0, not {options.rate}")
    if min(options.seeds) < 0:
        parser.error(f"--seeds must be at least 0, not {options.seeds}")
    return options


def main():
    options = parse_arguments()
    start = time.perf_counter()
    start_keras()
    from xraylab import phantom

    facts = {k: v for k, v in vars(options).items() if k not in ("real", "cache", "json")}
    print(f"{describe_backend()}, {SIZE} px, phantom version {phantom.VERSION}, {facts}")
    real = real_images(options)
    with tempfile.TemporaryDirectory() as folder:
        arrays = simulated_images(options, options.cache or Path(folder))
    simulation = time.perf_counter() - start
    runs, simulated_scores, real_scores = [], [], []
    for seed in options.seeds:
        model, run = train(options, seed, arrays)
        runs.append(run)
        simulated_scores.append(score(model, *arrays["test"]))
        if real:
            real_scores.append(score(model, *real))
        print(f"seed {seed}: weights of epoch {run['epoch']}, the best on simulated images")
    results = {"options": facts, "phantom_version": phantom.VERSION, "training": runs}
    results["phantom"] = summarise(simulated_scores, arrays["test"][1])
    results["real"] = summarise(real_scores, real[1]) if real else None
    print(format_table(results))
    total = time.perf_counter() - start
    print(f"{total:.0f} s, of which {simulation:.0f} s for starting and simulating images")
    if options.json:
        former = json.loads(options.json.read_text()) if options.json.exists() else {}
        options.json.write_text(json.dumps({**former, options.name: results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
