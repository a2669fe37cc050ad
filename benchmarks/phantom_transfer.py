"""What a model that has learnt from phantom images alone is worth.

It answers two questions. Difficulty: how well does the model score on the phantom's own test split,
finding by finding? Sim-to-real: how well does it score on the 397 real test images of
``nih_sample_64.npz``, which no choice made here has seen? Both stand side by side with 95 %
bootstrap intervals (images resampled as if independent; several images of one patient make the true
intervals wider) and the numbers of positive images. Run::

    python benchmarks/phantom_transfer.py --images 1000 --epochs 1    # does it work? a minute
    python benchmarks/phantom_transfer.py --model rr_vit             # about half an hour, two cores
    python benchmarks/phantom_transfer.py --model densenet121        # two to three hours
    python benchmarks/phantom_transfer.py --no-augment --json transfer.json

Training images are shifted, zoomed, blurred, made noisy and exposed otherwise at random, but never
mirrored; ``--no-augment`` turns that off. Of all epochs, the weights with the best macro AUC on
1,000 phantom validation images are scored. Without ``--cache`` the images are simulated afresh; a
cache knows the simulator by its version only, so name a new one after changing the simulator.
With ``--projection NIH`` the
images are AP as often as NIH's images with the same findings, else whatever the findings are.
``--seed`` decides first weights, order and augmentation; the images are always the same.

The real images are looked for in ``--real``, else in the folder that XRAYLAB_REAL_IMAGES names, else
in ``../shared/data``; the second question is left out where they are missing. Only numbers are
printed and written.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from xraylab.backend import describe_backend, start_keras
from xraylab.findings import FINDINGS

ROOT = Path(__file__).resolve().parents[1]
SIZE, VAL_IMAGES = 64, 1000
DEFAULTS = {  # found by the model's name
    "rr_vit": {"epochs": 30, "batch": 32, "rate": 4e-3},
    "densenet121": {"epochs": 10, "batch": 32, "rate": 1e-3},
}
MOVE = 0.08  # largest shift, as a share of the image's width, and largest change of size
MOST_BLUR, MOST_NOISE = 2.5, 0.03  # half-width of the blur in pixels; share of the grey range
GAMMA, CONTRAST, BRIGHTNESS = 0.3, 0.2, 0.1  # ln gamma, relative, share of the grey range


# Images


def resampling(zoom, shift, width, size=SIZE):
    """Return matrices (n, size, size) that move, zoom and blur the columns of images.

    Each row holds a triangle of half-width ``width`` around the place a pixel comes from: 1 is
    linear interpolation, more is blur. Places outside the image take its edge.
    """
    places, centre = np.arange(size, dtype=np.float32), (size - 1) / 2
    sources = (places - centre) / zoom[:, None] + centre + shift[:, None] * size
    distances = np.abs(np.clip(sources, 0, size - 1)[..., None] - places)
    weights = np.maximum(0, 1 - distances / width[:, None, None])
    return weights / weights.sum(2, keepdims=True)


def augment(images, rng):
    """Return images taken a little otherwise: (n, size, size) float32 in [0, 1]; never mirrored."""
    batch = images * np.float32(1 / 255)
    count = len(batch)

    def draw(low, high):
        return rng.uniform(low, high, count).astype(np.float32)

    zoom, width = draw(1 - MOVE, 1 + MOVE), np.maximum(1, draw(2 - MOST_BLUR, MOST_BLUR))
    down, across = (resampling(zoom, draw(-MOVE, MOVE), width) for _ in range(2))
    batch = down @ batch @ across.transpose(0, 2, 1)
    batch **= np.exp(draw(-GAMMA, GAMMA))[:, None, None]
    means = batch.mean((1, 2), keepdims=True)
    batch -= means
    batch *= draw(1 - CONTRAST, 1 + CONTRAST)[:, None, None]
    batch += means + draw(-BRIGHTNESS, BRIGHTNESS)[:, None, None]
    noise = rng.standard_normal(batch.shape, np.float32)
    batch += noise * draw(0, MOST_NOISE)[:, None, None]
    return np.clip(batch, 0, 1, out=batch)


def steps(images, labels, options, epoch):
    """Yield one epoch of training batches; they depend on seed and epoch alone."""
    rng = np.random.default_rng((options.seed, epoch))
    order = rng.permutation(len(images))
    for start in range(0, len(order) - options.batch + 1, options.batch):
        rows = order[start : start + options.batch]
        batch = images[rows]
        batch = augment(batch, rng) if options.augment else batch * np.float32(1 / 255)
        batch = batch[..., None]
        yield batch, labels[rows]


def real_images(folder):
    """Return the real test images as a split, or None where they are missing."""
    from xraylab import data

    path = Path(folder) / f"nih_sample_{SIZE}.npz"
    if not path.is_file():
        print(
            f"Sim-to-real left out: no {path}; name the folder with --real or XRAYLAB_REAL_IMAGES"
        )
        return None
    with np.load(path) as file:
        images, labels = file["test_images"], file["test_labels"]
    facts = {"source": str(path), "split": "test", "size": SIZE, "label_names": FINDINGS}
    return data.Split(images, labels, **facts, fingerprint="")


# The model


def macro_auc(model, split):
    """Return the macro AUC of a model on a split."""
    from xraylab import metrics

    return metrics.score(split.labels, answers(model, split)).macro_auc


def answers(model, split):
    """Return a model's probabilities in double precision, which ties fewer of them."""
    from xraylab.models import predict_logits, sigmoid

    return sigmoid(predict_logits(model, split).astype(np.float64))


def train(options, simulated, val):
    """Train on phantom images; return the model at its best epoch and the facts of the training."""
    keras = start_keras()
    from xraylab import models
    from xraylab.training import Recipe
    from xraylab.training.compile import compile_model

    keras.utils.set_random_seed(options.seed)
    name = options.model
    model = models.build(name, image_size=SIZE)
    per_epoch = len(simulated) // options.batch
    recipe = Recipe(model=name, batch_size=options.batch, learning_rate=options.rate)
    compile_model(model, recipe, options.epochs * per_epoch)
    model.jit_compile = options.jit
    images, labels = np.array(simulated.images), simulated.labels.astype(np.float32)

    times = []
    clock = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: times.append(time.perf_counter())
    )
    best, speeds, history = None, [], []
    for epoch in range(options.epochs):
        start = time.perf_counter()
        times.clear()
        batches = steps(images, labels, options, epoch)
        logs = model.fit(
            batches, steps_per_epoch=per_epoch, shuffle=False, verbose=0, callbacks=[clock]
        )
        loss = logs.history["loss"][-1]
        if not math.isfinite(loss):
            raise SystemExit(f"the loss is {loss} in epoch {epoch + 1}; choose a lower --rate")
        if len(times) > 2:  # the first step compiles
            speeds.append((len(times) - 2) * options.batch / (times[-1] - times[1]))
        merit = macro_auc(model, val)
        history.append({"loss": loss, "val_macro_auc": merit})
        if best is None or merit > best["val_macro_auc"]:
            best = {"epoch": epoch + 1, "val_macro_auc": merit, "weights": model.get_weights()}
        seconds = time.perf_counter() - start
        speed = f", {speeds[-1]:.0f} images/s" if speeds else ""
        print(
            f"epoch {epoch + 1:3d}/{options.epochs}  loss {loss:.4f}  phantom val macro AUC "
            f"{merit:.3f}  {seconds:.0f} s{speed}",
            flush=True,
        )
    model.set_weights(best.pop("weights"))
    speed = statistics.median(speeds) if speeds else None
    return model, {**best, "images_per_second": speed, "history": history}


# The report


def scored(model, split):
    """Return value and bounds of macro AUC and each finding's AUC, with numbers of positives."""
    from xraylab import evaluation

    intervals = evaluation.bootstrap(split.labels, answers(model, split))
    return {
        "images": len(split),
        "positives": dict(zip(FINDINGS, split.labels.sum(0).tolist(), strict=True)),
        "auc": {
            name: [None if math.isnan(v) else v for v in (i.value, i.low, i.high)]
            for name, i in intervals.items()
            if name == "macro_auc" or name in FINDINGS
        },
    }


def text(found):
    """Return the table: phantom test, real test, positives."""
    parts = [found[key] for key in ("phantom", "real") if found.get(key)]
    titles = ("phantom test", "real test")[: len(parts)]

    def row(label, name, positives):
        cells = []
        for part in parts:
            value, low, high = part["auc"][name]
            some = value is not None and low is not None
            cells.append(f"{value:.3f} [{low:.3f}, {high:.3f}]" if some else "undefined")
        return f"{label:20s}" + "".join(f"{cell:>24s}" for cell in cells) + f"{positives:>16s}"

    counts = " / ".join(f"{part['images']:,}" for part in parts)
    heads = "".join(f"{title:>24s}" for title in titles)
    lines = [f"{'ROC AUC, 95 %':20s}{heads}{'positives':>16s}"]
    for name in FINDINGS:
        lines.append(row(name, name, " / ".join(str(part["positives"][name]) for part in parts)))
    lines.append(row("macro AUC", "macro_auc", f"of {counts}"))
    return "\n".join(lines)


def parsed():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("XRAYLAB_REAL_IMAGES") or ROOT.parent / "shared" / "data"
    switch = argparse.BooleanOptionalAction
    parser.add_argument("--model", choices=DEFAULTS, default="rr_vit")
    parser.add_argument("--images", type=int, default=20_000, help="phantom images to train on")
    parser.add_argument("--test-images", type=int, default=4000, help="phantom images to test on")
    parser.add_argument("--epochs", type=int, help="default: 30 for rr_vit, 10 for densenet121")
    parser.add_argument("--batch", type=int, help="images a step (default 32)")
    parser.add_argument("--rate", type=float, help="default: 4e-3 for rr_vit, 1e-3 for densenet121")
    parser.add_argument("--augment", action=switch, default=True, help="vary the training images")
    parser.add_argument("--jit", action=switch, default=False, help="XLA: slower on a CPU")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep the phantom images there")
    parser.add_argument(
        "--projection", choices=("PA", "AP", "NIH"), help="parameter of the simulator"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and augmentation")
    parser.add_argument("--real", type=Path, default=default, help="folder of nih_sample_64.npz")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    options = parser.parse_args()
    for name, value in DEFAULTS[options.model].items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    for name in ("images", "test_images", "epochs", "batch"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")
    if options.batch > options.images:
        parser.error(f"--batch {options.batch} is more than --images {options.images}")
    if not 0 < options.rate < math.inf:
        parser.error(f"--rate must be above 0, not {options.rate}")
    if options.seed < 0:
        parser.error(f"--seed must be at least 0, not {options.seed}")
    return options


def main():
    options = parsed()
    start = time.perf_counter()
    start_keras()
    from xraylab import data, phantom

    names = ("model", "images", "epochs", "batch", "rate", "augment", "jit", "seed", "projection")
    parameters = {"projection": options.projection} if options.projection else None
    facts = {name: getattr(options, name) for name in names}
    print(f"{describe_backend()}, {SIZE} px, phantom version {phantom.VERSION}, {facts}")
    real = real_images(options.real)
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        counts = {"train": options.images, "val": VAL_IMAGES, "test": options.test_images}
        images = {
            split: data.load(
                "phantom", SIZE, split, num_images=count, cache_dir=cache, parameters=parameters
            )
            for split, count in counts.items()
        }
        drawing = time.perf_counter() - start
        model, training = train(options, images["train"], images["val"])
        found = {"options": facts, "phantom_version": phantom.VERSION, "training": training}
        found["phantom"] = scored(model, images["test"])
    found["real"] = scored(model, real) if real else None
    print(f"weights of epoch {training['epoch']}, the best on the phantom's validation images")
    print(text(found))
    total = time.perf_counter() - start
    print(f"{total:.0f} s, of which {drawing:.0f} s for starting and simulating images")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
