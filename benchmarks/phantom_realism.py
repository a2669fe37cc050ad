"""Two-sample tests of simulated against real images.

Real images of NIH ChestX-ray14 (``nih_sample_{size}.npz``, training split) are compared with as
many simulated images that have the same label vectors, so that the mix of findings is the same. The
tests tell how well a classifier distinguishes simulated from real images (AUC; 0.5 means not at
all, lower is better) and by which features: logistic regression on summaries of an image, boosted
trees on these and on local means and edges, and a small convolutional network. Two random halves of
the real images, compared in the same way, are the lower limit. The results say nothing about the
performance of a model on patients. Run::

    python benchmarks/phantom_realism.py            # logistic regression and boosted trees
    python benchmarks/phantom_realism.py --quick    # only logistic regression, 800 simulated images
    python benchmarks/phantom_realism.py --cnn --json book/measured/realism.json
    python benchmarks/phantom_realism.py --cnn --json book/measured/realism.json \\
        --appearance randomised --name randomised

The result named "version 6" in ``book/measured/realism.json`` was made by the same command with the
package of the last commit before version 7 of the simulator in ``PYTHONPATH``.

The real images are searched in ``--real``, else in the folder named by XRAYLAB_REAL_IMAGES, else in
``../shared/data``. Only numbers are printed and written.
"""

import argparse
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

from xraylab import io, phantom

ROOT = Path(__file__).resolve().parents[1]
BANDS, FOLDS = 8, 5
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
TOP, CNN_EPOCHS, CHUNK = 10, 6, 512


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


def simulated_images(labels, size, seed, **parameters):
    """Simulate images 0, 1, ... with the given label vectors, in chunks."""
    images = np.empty((len(labels), size, size), np.uint8)
    for start in range(0, len(labels), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(labels)))
        options = {"size": size, "seed": seed, "labels": labels[rows]}
        images[rows] = phantom.simulate(rows, **options, **parameters).images
    return images


def band_edges(size):
    """Return the edges of the bands, logarithmically spaced, in cycles per image width."""
    return np.geomspace(1, size / 2, BANDS + 1)


def band_powers(images):
    """Return each image's mean power per band, (n, bands), after a Hann window.

    The mean of each image is subtracted first.
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
        part = (part - part.mean((1, 2), keepdims=True)) * window
        powers[start : start + CHUNK] = (np.abs(np.fft.rfft2(part)) ** 2)[:, inside] @ members
    return powers


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


def _largest_aucs(names, features, is_phantom):
    """Return the AUCs farthest from 0.5 of one feature alone, by name.

    Above 0.5 means larger in simulated images.
    """
    ranks = stats.rankdata(features, axis=0)
    ones = is_phantom.sum()
    above = ranks[is_phantom].sum(0) - ones * (ones + 1) / 2
    aucs = above / (ones * (len(is_phantom) - ones))
    farthest = np.argsort(-np.abs(aucs - 0.5), kind="stable")[:TOP]
    return {names[i]: float(aucs[i]) for i in farthest}


def _both(real, other, describe):
    """Return names, features and classes of the images of both populations."""
    (names, first), (_, second) = describe(real), describe(other)
    is_phantom = np.repeat([False, True], [len(real), len(other)])
    return names, np.concatenate([first, second]), is_phantom


def _folds(model, features, is_phantom):
    """Return mean and standard deviation of the cross-validated AUC."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    scores = cross_val_score(model, features, is_phantom, cv=folds, scoring="roc_auc")
    return {"auc": float(scores.mean()), "auc_sd": float(scores.std())}


def linear_test(real, other):
    """Classify with logistic regression on the summaries."""
    names, features, is_phantom = _both(real, other, summaries)
    linear = LogisticRegression(C=0.1, max_iter=1000, class_weight="balanced")
    model = make_pipeline(StandardScaler(), linear)
    found = _folds(model, features, is_phantom)
    found["feature_aucs"] = _largest_aucs(names, features, is_phantom)
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
    found["feature_aucs"] = _largest_aucs(names, features, is_phantom)
    return found


def cnn_test(real, other, seed=0):
    """Classify with a small convolutional network; AUC on the held-out half."""
    from xraylab.backend import start_keras

    keras = start_keras()
    keras.utils.set_random_seed(seed)
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
    """Return the results of the two-sample tests by name."""
    tests = {"linear_test": linear_test}
    tests |= ({"tree_test": tree_test} if trees else {}) | ({"cnn_test": cnn_test} if cnn else {})
    return {name: test(real, other) for name, test in tests.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("XRAYLAB_REAL_IMAGES") or ROOT.parent / "shared" / "data"
    parser.add_argument("--real", type=Path, default=default, help="folder of nih_sample_*.npz")
    parser.add_argument("--size", type=int, default=64, help="image size in pixels (default 64)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulated images")
    parser.add_argument("--quick", action="store_true", help="800 simulated images, one test")
    parser.add_argument("--cnn", action="store_true", help="add the test with a small network")
    parser.add_argument("--appearance", help="of the simulated images (default: the simulator's)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also add the results to a file")
    parser.add_argument("--name", default="physics", help="of the results in that file")
    options = parser.parse_args()
    start = time.perf_counter()
    images, labels = real_images(options.real, options.size)
    if options.quick:
        labels = labels[np.random.default_rng(0).permutation(len(labels))[:800]]
    parameters = {"appearance": options.appearance} if options.appearance else {}
    simulated = simulated_images(labels, options.size, options.seed, **parameters)
    simulation = time.perf_counter() - start
    tests = {"trees": not options.quick, "cnn": options.cnn}
    found = two_sample_tests(images, simulated, **tests)
    halves = np.array_split(np.random.default_rng(0).permutation(images), 2)
    found["halves"] = two_sample_tests(*halves, **tests)
    print(f"{len(images)} real and {len(simulated)} simulated images, {options.size} px, AUC")
    for name, part in found["halves"].items():
        print(f"{name:12s} {found[name]['auc']:.3f}  (halves of the real images {part['auc']:.3f})")
    total = time.perf_counter() - start
    print(f"{total:.0f} s, of which {simulation:.0f} s for simulating images")
    if options.json:
        packages = ("numpy", "scipy", "scikit-learn", "keras", "tensorflow")
        found["images"] = {"real": len(images), "size": options.size}
        found["phantom_version"], found["platform"] = phantom.VERSION, platform.platform()
        found["versions"] = {name: metadata.version(name) for name in packages}
        former = io.read_json(options.json) if options.json.exists() else {}
        io.write_json(options.json, {**former, options.name: found})


if __name__ == "__main__":
    main()
