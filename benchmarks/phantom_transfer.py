"""Performance of models that are trained on simulated images only.

Two questions. Difficulty: which AUC does the model reach on the simulated test split, finding by
finding? Sim-to-real: which AUC does it reach on the 397 real test images of ``nih_sample_64.npz``,
which influenced no choice made here? Both are reported with 95 % bootstrap intervals (images are
resampled as if independent; several images of one patient make the true intervals wider) and the
numbers of positive images. Run::

    python benchmarks/phantom_transfer.py --images 1000 --epochs 1    # a test run, one minute
    python benchmarks/phantom_transfer.py --model rr_vit             # about half an hour, two cores
    python benchmarks/phantom_transfer.py --model densenet121        # two to three hours
    python benchmarks/phantom_transfer.py --no-augment --json transfer.json

Training images are randomly shifted, zoomed, blurred, made noisy and changed in contrast and
brightness, but never flipped; ``--no-augment`` turns that off. The weights of the epoch with the
highest macro AUC on 1,000 simulated validation images are scored. Without ``--cache``, images are
simulated anew. A cache depends on the version of the simulator only: use another folder after a
change of the simulator. With ``--projection NIH``, images are AP as often as NIH's images with the
same findings, else independently of the findings. ``--seed`` determines initial weights, order and
augmentation; the images are always the same.

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

ROOT = Path(__file__).resolve().parents[1]
SIZE, VAL_IMAGES = 64, 1000
DEFAULTS = {  # by model
    "rr_vit": {"epochs": 30, "batch": 32, "rate": 4e-3},
    "densenet121": {"epochs": 10, "batch": 32, "rate": 1e-3},
}
WEIGHT_DECAY, WARMUP = 1e-2, 0.1


def as_arrays(images, labels):
    """Return images (n, size, size, 1) float32 in [0, 1] and labels (n, 14) float32."""
    return np.float32(images)[..., None] / 255, np.float32(labels)


def simulated_images(options, folder):
    """Return images and labels of the simulated train, val and test images by split."""
    from xraylab import data

    counts = {"train": options.images, "val": VAL_IMAGES, "test": options.test_images}
    parameters = {"projection": options.projection} if options.projection else None
    splits = {
        name: data.load(
            "phantom", SIZE, name, num_images=count, cache_dir=folder, parameters=parameters
        )
        for name, count in counts.items()
    }
    return {name: as_arrays(split.images, split.labels) for name, split in splits.items()}


def real_images(folder):
    """Return images and labels of the real test images, or None if they are missing."""
    path = Path(folder) / f"nih_sample_{SIZE}.npz"
    if not path.is_file():
        print(f"Sim-to-real is skipped: {path} does not exist; see --real and XRAYLAB_REAL_IMAGES")
        return None
    with np.load(path) as file:
        return as_arrays(file["test_images"], file["test_labels"])


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


def predict(model, images):
    """Return probabilities in double precision, which has fewer ties."""
    from scipy.special import expit

    from xraylab.models import predict_logits

    return expit(predict_logits(model, images).astype(np.float64))


def train(options, arrays):
    """Train on simulated images; return the model at its best epoch and facts about the run."""
    keras = start_keras()
    from xraylab import losses, metrics, models

    keras.utils.set_random_seed(options.seed)
    model = models.build(options.model, image_size=SIZE)
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
    return model, {**best, "images_per_second": speed, "history": history}


def score(model, images, labels):
    """Return macro AUC and AUC by finding with their bounds, and the numbers of positives."""
    from xraylab import evaluation

    intervals = evaluation.bootstrap(labels, predict(model, images))
    return {
        "images": len(labels),
        "positives": dict(zip(FINDINGS, labels.sum(0).astype(int).tolist(), strict=True)),
        "auc": {
            name: [None if math.isnan(v) else v for v in (i.value, i.low, i.high)]
            for name, i in intervals.items()
            if name == "macro_auc" or name in FINDINGS
        },
    }


def format_table(results):
    """Return the table of AUC on the simulated and on the real test images."""
    columns = [results[key] for key in ("phantom", "real") if results.get(key)]
    titles = ("phantom test", "real test")[: len(columns)]

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
    return "\n".join(lines)


def parse_arguments():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("XRAYLAB_REAL_IMAGES") or ROOT.parent / "shared" / "data"
    switch = argparse.BooleanOptionalAction
    parser.add_argument("--model", choices=DEFAULTS, default="rr_vit")
    parser.add_argument("--images", type=int, default=20_000, help="simulated training images")
    parser.add_argument("--test-images", type=int, default=4000, help="simulated test images")
    parser.add_argument("--epochs", type=int, help="default: 30 for rr_vit, 10 for densenet121")
    parser.add_argument("--batch", type=int, help="batch size (default 32)")
    parser.add_argument("--rate", type=float, help="default: 4e-3 for rr_vit, 1e-3 for densenet121")
    parser.add_argument("--augment", action=switch, default=True, help="augment training images")
    parser.add_argument("--jit", action=switch, default=False, help="XLA: slower on a CPU")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="cache of the simulated images")
    parser.add_argument("--projection", choices=("PA", "AP", "NIH"), help="of the simulated images")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")
    parser.add_argument("--real", type=Path, default=default, help="folder of nih_sample_64.npz")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    options = parser.parse_args()
    for name, value in DEFAULTS[options.model].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    for name in ("images", "test_images", "epochs", "batch"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if not 0 < options.rate < math.inf:
        parser.error(f"--rate must be above 0, not {options.rate}")
    if options.seed < 0:
        parser.error(f"--seed must be at least 0, not {options.seed}")
    return options


def main():
    options = parse_arguments()
    start = time.perf_counter()
    start_keras()
    from xraylab import phantom

    names = ("model", "images", "epochs", "batch", "rate", "augment", "jit", "seed", "projection")
    facts = {name: getattr(options, name) for name in names}
    print(f"{describe_backend()}, {SIZE} px, phantom version {phantom.VERSION}, {facts}")
    real = real_images(options.real)
    with tempfile.TemporaryDirectory() as folder:
        arrays = simulated_images(options, options.cache or Path(folder))
    simulation = time.perf_counter() - start
    model, training = train(options, arrays)
    results = {"options": facts, "phantom_version": phantom.VERSION, "training": training}
    results["phantom"] = score(model, *arrays["test"])
    results["real"] = score(model, *real) if real else None
    print(f"weights of epoch {training['epoch']}, the best on simulated validation images")
    print(format_table(results))
    total = time.perf_counter() - start
    print(f"{total:.0f} s, of which {simulation:.0f} s for starting and simulating images")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
