"""Similarity of simulated and real images, in numbers.

Real images of NIH ChestX-ray14 (``nih_sample_{size}.npz``, training split) are compared with
simulated images that have the same label vectors, so that the mix of findings is the same. Five
parts: mean image and its standard deviation; grey levels; radial power spectrum; difference images
by finding; and a two-sample test, that is, how well a classifier distinguishes simulated from real
images (AUC; 0.5 means not at all, lower is better) and by which features. Two random halves of the
real images, compared in the same way, are the lower limit. The results say nothing about the
performance of a model on patients. Run::

    python benchmarks/phantom_realism.py            # three simulated images per real image
    python benchmarks/phantom_realism.py --quick    # 800 simulated images, only test (a) of part 5
    python benchmarks/phantom_realism.py --cnn --json book/measured/realism.json
    python benchmarks/phantom_realism.py --cnn --json book/measured/realism.json \\
        --appearance randomised --name randomised

The result named "version 6" in ``book/measured/realism.json`` was made by the same command with the
package of the last commit before version 7 of the simulator in ``PYTHONPATH``.

The real images are searched in ``--real``, else in the folder named by XRAYLAB_REAL_IMAGES, else in
``../shared/data``. Only numbers are printed and written. A tuning script can import this file and
call ``report(real_images, real_labels, phantom_images, phantom_labels)``, which returns a dict.
"""

import argparse
import itertools
import json
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np
from scipy import ndimage, stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xraylab import phantom
from xraylab.findings import FINDINGS

ROOT = Path(__file__).resolve().parents[1]
GREY_BINS, BANDS, FOLDS = 32, 8, 5
SPLIT_HALVES, REAL_HALVES = 20, 5  # random splits that are averaged
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
MIN_POSITIVES = 4  # with fewer, a difference image shows one or two patients
TOP, CNN_EPOCHS, CHUNK = 10, 6, 512


# The images


def real_images(folder, size):
    """Return images and labels of the real training images; exit with a message without them."""
    path = Path(folder) / f"nih_sample_{size}.npz"
    if not path.is_file():
        sys.exit(
            f"{path} does not exist. Expected: a file with train_images and train_labels. Name its "
            "folder with --real or XRAYLAB_REAL_IMAGES."
        )
    with np.load(path) as file:
        return file["train_images"], file["train_labels"]


def phantom_images(labels, size, seed, **parameters):
    """Simulate images 0, 1, ... with the given label vectors, in chunks."""
    images = np.empty((len(labels), size, size), np.uint8)
    for start in range(0, len(labels), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(labels)))
        options = {"size": size, "seed": seed, "labels": labels[rows]}
        images[rows] = phantom.simulate(rows, **options, **parameters).images
    return images


# Parts 1 to 4: statistics of the two populations


def _correlation(first, second):
    """Return Pearson's correlation over all pixels; 0 if an image is constant."""
    first, second = first.ravel() - first.mean(), second.ravel() - second.mean()
    scale = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / scale) if scale > 0 else 0.0


def mean_image(real, other):
    """Compare mean and standard deviation images; differences in grey levels of 256."""
    means = [images.mean(0, dtype=np.float64) for images in (real, other)]
    spreads = [images.std(0, dtype=np.float32) for images in (real, other)]
    return {
        "mean_correlation": _correlation(*means),
        "mean_absolute_difference": float(np.abs(means[0] - means[1]).mean()),
        "sd_correlation": _correlation(*spreads),
        "sd_mean_real": float(spreads[0].mean()),
        "sd_mean_other": float(spreads[1].mean()),
    }


def grey_levels(real, other):
    """Compare the distributions of grey levels, and of means and standard deviations of images."""
    frequencies = [np.bincount(x.ravel(), minlength=256) / x.size for x in (real, other)]
    coarse = [frequency.reshape(GREY_BINS, -1).sum(1) for frequency in frequencies]
    levels = np.arange(256)
    found = {
        "total_variation": float(np.abs(coarse[0] - coarse[1]).sum() / 2),
        "wasserstein": float(stats.wasserstein_distance(levels, levels, *frequencies)),
    }
    populations = zip(("real", "other"), (real, other), frequencies, strict=True)
    for name, images, frequency in populations:
        means = images.mean((1, 2), dtype=np.float64)
        spreads = images.std((1, 2), dtype=np.float32)
        found[name] = {
            "image_mean": float(means.mean()),
            "image_mean_sd": float(means.std()),
            "image_sd": float(spreads.mean()),
            "image_sd_sd": float(spreads.std()),
            "fraction_black": float(frequency[0]),
            "fraction_white": float(frequency[255]),
        }
    return found


def band_edges(size):
    """Return the edges of the bands, logarithmically spaced, in cycles per image width."""
    return np.geomspace(1, size / 2, BANDS + 1)


def band_powers(images, centre=None):
    """Return each image's mean power per band, (n, bands), after a Hann window.

    The mean of each image is subtracted first, and the image ``centre`` if it is given, so that
    only the variation between images remains.
    """
    size = images.shape[-1]
    window = np.outer(*[np.hanning(size + 2)[1:-1].astype(np.float32)] * 2)
    rows, columns = np.fft.fftfreq(size) * size, np.fft.rfftfreq(size) * size
    radius = np.hypot(rows[:, None], columns)
    band = np.searchsorted(band_edges(size), radius, side="right") - 1
    inside = (band >= 0) & (band < BANDS)
    members = np.zeros((inside.sum(), BANDS), np.float32)
    members[np.arange(inside.sum()), band[inside]] = 1
    members /= members.sum(0)
    powers = np.empty((len(images), BANDS))
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK].astype(np.float32)
        part = part if centre is None else part - centre
        part = (part - part.mean((1, 2), keepdims=True)) * window
        powers[start : start + CHUNK] = (np.abs(np.fft.rfft2(part)) ** 2)[:, inside] @ members
    return powers


def spectrum(real, other):
    """Return the ratio other/real of the power in each band, of images and of their variation."""
    whole = [band_powers(images).mean(0) for images in (real, other)]
    varying = [band_powers(x, x.mean(0, dtype=np.float32)).mean(0) for x in (real, other)]
    return {
        "band_edges": band_edges(real.shape[-1]).tolist(),
        "ratio": (whole[1] / whole[0]).tolist(),
        "ratio_around_mean_image": (varying[1] / varying[0]).tolist(),
    }


def difference_image(images, present):
    """Return the mean image with a finding minus the mean image without, slightly smoothed."""
    difference = images[present].mean(0, dtype=np.float64) - images[~present].mean(0)
    return ndimage.gaussian_filter(difference, 2 * images.shape[-1] / 64)


def split_half(images, present, seed=0):
    """Return the mean correlation of a finding's difference images from disjoint halves."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(SPLIT_HALVES):
        half = np.zeros(len(images), bool)
        for group in (np.flatnonzero(present), np.flatnonzero(~present)):
            half[rng.permutation(group)[: len(group) // 2]] = True
        maps = [difference_image(images[rows], present[rows]) for rows in (half, ~half)]
        found.append(_correlation(*maps))
    return float(np.mean(found))


def findings(real, real_labels, other, other_labels, reliability=None):
    """Correlate the per-finding difference images of both populations.

    ``ceiling`` is the expected correlation of a perfect simulator, given the noise of the real
    difference image: the square root of its reliability, which follows from the split halves by
    the Spearman-Brown formula. A tuning script can pass the split halves of an earlier report as
    ``reliability``; they depend on the real images only.
    """
    found = {}
    for column, name in enumerate(FINDINGS):
        truth, drawn = real_labels[:, column] > 0, other_labels[:, column] > 0
        row = {"real_positives": int(truth.sum()), "phantom_positives": int(drawn.sum())}
        if min(truth.sum(), drawn.sum()) >= MIN_POSITIVES:
            maps = difference_image(real, truth), difference_image(other, drawn)
            half = (reliability or {}).get(name, {}).get("split_half")
            half = split_half(real, truth) if half is None else half
            row["correlation"] = _correlation(*maps)
            row["split_half"] = half
            row["ceiling"] = float(np.sqrt(max(0.0, 2 * half / (1 + half))))
            row["sd_real"], row["sd_phantom"] = (float(image.std()) for image in maps)
        found[name] = row
    return found


# Part 5: classifiers that distinguish the two populations


def block_means(images, blocks):
    """Return the means of blocks x blocks regions of each image, (n, blocks, blocks)."""
    starts = np.arange(blocks) * images.shape[-1] // blocks
    sums = np.add.reduceat(images, starts, axis=1, dtype=np.float32)
    sums = np.add.reduceat(sums, starts, axis=2)
    counts = np.diff(starts, append=images.shape[-1])
    return sums / np.outer(counts, counts)


def summaries(images):
    """Return names and values, (n, features), of simple summaries of each image."""
    size = images.shape[-1]
    flat = images.reshape(len(images), -1)
    grey = images.astype(np.float32)
    found = {
        f"grey percentile {p}": values
        for p, values in zip(PERCENTILES, np.percentile(flat, PERCENTILES, axis=1), strict=True)
    }
    found["image mean"], found["image sd"] = grey.mean((1, 2)), grey.std((1, 2))
    found["fraction black"], found["fraction white"] = (flat == 0).mean(1), (flat == 255).mean(1)
    found["grey levels used"] = np.array([np.count_nonzero(np.bincount(f)) for f in flat])
    edges = band_edges(size)
    for band, power in enumerate(np.log(band_powers(images) + 1).T):
        found[f"power {edges[band]:.0f}-{edges[band + 1]:.0f} cycles"] = power

    across, down = np.diff(grey, axis=2)[:, 1:], np.diff(grey, axis=1)[:, :, 1:]
    edge = np.hypot(across, down)
    found["edges across"] = np.abs(across).mean((1, 2))
    found["edges down"] = np.abs(down).mean((1, 2))
    found["edges across/down"] = np.log((found["edges across"] + 1) / (found["edges down"] + 1))
    found["edge median"], found["edge 95 %"] = np.percentile(edge, (50, 95), axis=(1, 2))
    found["edge 95 %/median"] = np.log((found["edge 95 %"] + 1) / (found["edge median"] + 1))
    curve = ndimage.laplace(grey, axes=(1, 2))[:, 1:-1, 1:-1]
    found["fine detail"] = np.abs(curve).mean((1, 2))
    found["fine detail kurtosis"] = np.log(stats.kurtosis(curve, axis=(1, 2)) + 4)
    found["fine detail skewness"] = stats.skew(curve, axis=(1, 2))
    found["fine detail, quietest 10 %"] = np.percentile(np.abs(curve), 10, axis=(1, 2))

    near, rim = max(2, size // 8), max(1, size // 32)
    found["corner top left"] = grey[:, :near, :near].mean((1, 2))
    found["corner top right"] = grey[:, :near, -near:].mean((1, 2))
    found["corner bottom left"] = grey[:, -near:, :near].mean((1, 2))
    found["corner bottom right"] = grey[:, -near:, -near:].mean((1, 2))
    found["rim top"], found["rim bottom"] = grey[:, :rim].mean((1, 2)), grey[:, -rim:].mean((1, 2))
    found["rim left"] = grey[:, :, :rim].mean((1, 2))
    found["rim right"] = grey[:, :, -rim:].mean((1, 2))

    coarse = block_means(images, 16)
    mirror = coarse[:, :, ::-1]
    found["left minus right"] = (coarse - mirror)[:, :, :8].mean((1, 2))
    found["asymmetry"] = np.abs(coarse - mirror).mean((1, 2))
    found["spine minus lungs"] = coarse[:, 4:10, 7:9].mean((1, 2)) - np.minimum(
        coarse[:, 4:10, 3:6].mean((1, 2)), coarse[:, 4:10, 10:13].mean((1, 2))
    )
    found["bottom minus top"] = coarse[:, 12:].mean((1, 2)) - coarse[:, :4].mean((1, 2))
    return list(found), np.stack([np.asarray(v, np.float64) for v in found.values()], axis=1)


def local_features(images):
    """Return names and values of 16 x 16 block means and 8 x 8 local edge energies."""
    energy = np.hypot(*np.gradient(images.astype(np.float32), axis=(1, 2)))
    values = [block_means(images, 16), np.log(block_means(energy, 8) + 1)]
    names = [f"grey at row {y}, column {x} of 16" for y in range(16) for x in range(16)]
    names += [f"edges at row {y}, column {x} of 8" for y in range(8) for x in range(8)]
    return names, np.concatenate([v.reshape(len(images), -1) for v in values], axis=1)


def feature_aucs(features, is_phantom):
    """Return the AUC of each feature alone; above 0.5 means larger in simulated images."""
    ranks = stats.rankdata(features, axis=0)
    ones = is_phantom.sum()
    above = ranks[is_phantom].sum(0) - ones * (ones + 1) / 2
    return above / (ones * (len(is_phantom) - ones))


def _both(real, other, describe):
    """Return names, features and classes, with at most as many simulated as real images."""
    other = other[: len(real)]
    (names, first), (_, second) = describe(real), describe(other)
    is_phantom = np.repeat([False, True], [len(real), len(other)])
    return names, np.concatenate([first, second]), is_phantom


def _folds(model, features, is_phantom):
    """Return mean and standard deviation of the cross-validated AUC."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    scores = cross_val_score(model, features, is_phantom, cv=folds, scoring="roc_auc")
    return {"auc": float(scores.mean()), "auc_sd": float(scores.std())}


def _largest(names, values, size):
    """Return the values with the largest ``size``, by name."""
    return {names[i]: float(values[i]) for i in np.argsort(-size, kind="stable")[:TOP]}


def linear_test(real, other):
    """Classify with logistic regression on the summaries."""
    names, features, is_phantom = _both(real, other, summaries)
    linear = LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced")
    model = make_pipeline(StandardScaler(), linear)
    found = _folds(model, features, is_phantom)
    weights = model.fit(features, is_phantom)[-1].coef_[0]
    alone = feature_aucs(features, is_phantom)
    found["weights"] = _largest(names, weights, np.abs(weights))
    found["feature_aucs"] = _largest(names, alone, np.abs(alone - 0.5))
    return found


def tree_test(real, other):
    """Classify with boosted trees on summaries, block means and local edges."""

    def describe(images):
        parts = [summaries(images), local_features(images)]
        return parts[0][0] + parts[1][0], np.concatenate([p[1] for p in parts], axis=1)

    names, features, is_phantom = _both(real, other, describe)
    trees = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=15, max_features=0.3, random_state=0
    )
    found = _folds(trees, features.astype(np.float32), is_phantom)
    alone = feature_aucs(features, is_phantom)
    found["feature_aucs"] = _largest(names, alone, np.abs(alone - 0.5))
    return found


def cnn_test(real, other, seed=0):
    """Classify with a small convolutional network; AUC on the held-out half."""
    from xraylab.backend import start_keras

    keras = start_keras()
    keras.utils.set_random_seed(seed)
    other = other[: len(real)]
    images = np.concatenate([real, other])[..., None].astype(np.float32) / 255
    targets = np.repeat([0.0, 1.0], [len(real), len(other)]).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(images))
    train, held_out = np.array_split(order, 2)
    layers = [keras.Input(images.shape[1:])]
    for filters in (16, 32, 64, 64):
        layers.append(keras.layers.Conv2D(filters, 3, strides=2, padding="same"))
        layers.append(keras.layers.GroupNormalization(8))
        layers.append(keras.layers.Activation("relu"))
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss)
    model.fit(images[train], targets[train], batch_size=32, epochs=CNN_EPOCHS, verbose=0)
    logits = model.predict(images[held_out], batch_size=256, verbose=0)[:, 0]
    return {"auc": float(roc_auc_score(targets[held_out], logits)), "images": len(held_out)}


def two_sample_tests(real, other, trees=False, cnn=False):
    """Return the results of the two-sample tests by name; see :func:`report`."""
    tests = {"linear_test": linear_test}
    tests |= ({"tree_test": tree_test} if trees else {}) | ({"cnn_test": cnn_test} if cnn else {})
    return {name: test(real, other) for name, test in tests.items()}


# The report


def real_halves(images, seed=0):
    """Compare random halves of the real images, whose differences are due to chance."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(REAL_HALVES):
        halves = [images[rows] for rows in np.array_split(rng.permutation(len(images)), 2)]
        grey = grey_levels(*halves)
        found.append(mean_image(*halves) | {k: grey[k] for k in ("total_variation", "wasserstein")})
    return {key: float(np.mean([row[key] for row in found])) for key in found[0]}


def report(
    real_images,
    real_labels,
    phantom_images,
    phantom_labels,
    *,
    trees=False,
    cnn=False,
    reliability=None,
):
    """Return all numbers of the comparison, in a dict of dicts.

    The simulated images should have the label vectors of the real images; the two-sample tests use
    at most as many of them as there are real images.

    Shapes:
        images: (n, size, size) uint8; labels: (n, 14).

    Args:
        trees: also classify with boosted trees (seconds).
        cnn: also classify with a small network, which starts Keras.
        reliability: the ``"findings"`` of an earlier report on the same real images, whose split
            halves are reused.

    Raises:
        ValueError: if the images differ in size.
    """
    shapes = real_images.shape[1:], phantom_images.shape[1:]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"Images of different sizes. Expected: {shapes[0]}. Received: {shapes[1]}."
        )
    found = {
        "images": {"real": len(real_images), "phantom": len(phantom_images), "size": shapes[0][0]},
        "mean_image": mean_image(real_images, phantom_images),
        "grey_levels": grey_levels(real_images, phantom_images),
        "spectrum": spectrum(real_images, phantom_images),
        "real_halves": real_halves(real_images),
        "findings": findings(real_images, real_labels, phantom_images, phantom_labels, reliability),
        **two_sample_tests(real_images, phantom_images, trees, cnn),
    }
    rows = [row for row in found["findings"].values() if "correlation" in row]
    found["findings_mean"] = {
        key: float(np.mean([row[key] for row in rows]))
        for key in ("correlation", "split_half", "ceiling")
        if rows
    }
    return found


def _format_list(values, value_format="{:+.2f}"):
    """Return lines of ``value  name``."""
    return "\n".join(f"     {value_format.format(value)}  {name}" for name, value in values.items())


def format_report(found):
    """Return the report in plain text."""
    images, halves = found["images"], found["real_halves"]
    lines = [
        f"{images['real']} real and {images['phantom']} phantom images, {images['size']} px, "
        f"phantom version {phantom.VERSION}; in brackets: halves of the real images"
    ]

    def line(label, part, key, spec=".3f"):
        lines.append(f"   {label:42s} {found[part][key]:{spec}}  ({halves[key]:{spec}})")

    lines.append("1. Mean image")
    line("correlation of the mean images", "mean_image", "mean_correlation")
    line("mean absolute difference, grey levels", "mean_image", "mean_absolute_difference", ".1f")
    line("correlation of the sd images", "mean_image", "sd_correlation")
    sd = found["mean_image"]["sd_mean_real"], found["mean_image"]["sd_mean_other"]
    lines.append(f"   {'mean of the sd image: real, phantom':42s} {sd[0]:.1f}, {sd[1]:.1f}")

    lines.append("2. Grey levels")
    line(f"total variation, {GREY_BINS} bins", "grey_levels", "total_variation")
    line("Wasserstein-1, grey levels", "grey_levels", "wasserstein", ".1f")
    for name, key in (("real", "real"), ("phantom", "other")):
        row = found["grey_levels"][key]
        lines.append(
            f"   {name:8s} image mean {row['image_mean']:.1f} ± {row['image_mean_sd']:.1f}, "
            f"image sd {row['image_sd']:.1f} ± {row['image_sd_sd']:.1f}, "
            f"black {row['fraction_black']:.1%}, white {row['fraction_white']:.1%}"
        )

    part = found["spectrum"]
    lines.append("3. Power spectrum, phantom/real (bands in cycles per image width)")
    edges = part["band_edges"]
    bands = [f"{low:.1f}-{high:.1f}" for low, high in itertools.pairwise(edges)]
    for label, values in (
        ("band", bands),
        ("images", [f"{r:.2f}" for r in part["ratio"]]),
        ("around mean image", [f"{r:.2f}" for r in part["ratio_around_mean_image"]]),
    ):
        lines.append(f"   {label:17s}" + "".join(f"{value:>10s}" for value in values))

    lines.append("4. Difference image with/without a finding, real against phantom")
    lines.append("   finding             real n  correlation  split-half  ceiling  sd real/phantom")
    for name, row in found["findings"].items():
        numbers = "            too few images"
        if "correlation" in row:
            numbers = (
                f"{row['correlation']:13.2f}{row['split_half']:12.2f}{row['ceiling']:9.2f}"
                f"{row['sd_real']:9.1f} /{row['sd_phantom']:5.1f}"
            )
        lines.append(f"   {name:18s}{row['real_positives']:8d}{numbers}")
    if row := found["findings_mean"]:
        means = f"{row['correlation']:13.2f}{row['split_half']:12.2f}{row['ceiling']:9.2f}"
        lines.append(f"   {'mean':26s}{means}")

    lines.append("5. Two-sample test: simulated against real images (lower is better)")
    part = found["linear_test"]
    lines.append(f"   (a) logistic regression on summaries: AUC {_auc(part)}")
    lines.append(f"   standardized weights (positive: simulated)\n{_format_list(part['weights'])}")
    alone = "AUC of one feature alone (above 0.5: larger in the phantom)"
    lines.append(f"   {alone}\n{_format_list(part['feature_aucs'], '{:.3f}')}")
    if part := found.get("tree_test"):
        lines.append(f"   (b) boosted trees on summaries, 16 x 16 means, edges: AUC {_auc(part)}")
        lines.append(f"   {alone}\n{_format_list(part['feature_aucs'], '{:.3f}')}")
    if part := found.get("cnn_test"):
        lines.append(
            f"   (c) small convolutional network, {part['images']} images held out: "
            f"AUC {part['auc']:.3f}"
        )
    return "\n".join(lines)


def _auc(part):
    return f"{part['auc']:.3f} ± {part['auc_sd']:.3f} ({FOLDS} folds)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("XRAYLAB_REAL_IMAGES") or ROOT.parent / "shared" / "data"
    parser.add_argument("--real", type=Path, default=default, help="folder of nih_sample_*.npz")
    parser.add_argument("--size", type=int, default=64, help="image size in pixels (default 64)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the phantom images")
    parser.add_argument("--copies", type=int, default=3, help="simulated images per real image")
    parser.add_argument("--quick", action="store_true", help="800 phantom images, parts 1-4, 5a")
    parser.add_argument("--cnn", action="store_true", help="add the test with a small network")
    parser.add_argument("--appearance", help="of the simulated images (default: the simulator's)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also add the results to a file")
    parser.add_argument("--name", default="physics", help="of the results in that file")
    options = parser.parse_args()
    if options.copies < 1:
        parser.error(f"--copies must be at least 1, not {options.copies}")
    start = time.perf_counter()
    images, labels = real_images(options.real, options.size)
    wanted = np.tile(labels, (options.copies, 1))
    if options.quick:
        rows = np.random.default_rng(0).permutation(len(labels))[:800]
        wanted = labels[rows]
    parameters = {"appearance": options.appearance} if options.appearance else {}
    drawn = phantom_images(wanted, options.size, options.seed, **parameters)
    drawing = time.perf_counter() - start
    tests = {"trees": not options.quick, "cnn": options.cnn}
    found = report(images, labels, drawn, wanted, **tests)
    print(format_report(found))
    halves = np.array_split(np.random.default_rng(0).permutation(images), 2)
    found["halves"] = two_sample_tests(*halves, **tests)
    aucs = ", ".join(f"{name} {part['auc']:.3f}" for name, part in found["halves"].items())
    print(f"   AUC of two halves of the real images: {aucs}")
    total = time.perf_counter() - start
    print(f"{total:.0f} s, of which {drawing:.0f} s for drawing {len(drawn)} phantom images")
    if options.json:
        packages = ("numpy", "scipy", "scikit-learn", "keras", "tensorflow")
        found["phantom_version"], found["platform"] = phantom.VERSION, platform.platform()
        found["versions"] = {name: metadata.version(name) for name in packages}
        former = json.loads(options.json.read_text()) if options.json.exists() else {}
        options.json.write_text(json.dumps({**former, options.name: found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
