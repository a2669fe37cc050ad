"""Measure how well explanations of trained models localize findings, for the book's chapter 16.

::

    python tools/measure_localization.py --runs runs/recorded
    python tools/measure_localization.py --runs runs/recorded --sample nih_sample_64.npz \\
        --table sample_images.csv

The runs are those of ``tools/record_runs.py``, all at 64 pixels. The masks of simulated images come
from the simulator. The boxes of real images come from NIH's list beside a table of the sample's
images (columns ``split``, ``row_64``, ``image_index``, ``patient``); some are training images, and
the file states how many. A model is measured again only if its weights, the images or the code
have changed. Only aggregates over many images are written.
"""

import argparse
import csv
import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np

from xraylab import data, evaluation, explain
from xraylab.backend import start_keras
from xraylab.data.nih14 import read_boxes
from xraylab.evaluation.intervals import resamples
from xraylab.explain.localization import permutations
from xraylab.findings import FINDINGS
from xraylab.io import read_json, sha256, to_plain, write_json
from xraylab.models import predict_logits
from xraylab.phantom.simulator import BOX_DTYPE
from xraylab.training import Run

OUT = Path(__file__).resolve().parents[1] / "book" / "measured" / "localization.json"
SIZE = 64
IMAGES_PER_FINDING = 60
TEST_IMAGES = 8_000
SANITY_PAIRS = 60


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--sample", type=Path, help="real images, a MedMNIST-style .npz file")
    parser.add_argument("--table", type=Path, help="table of the sample's images")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    start_keras()
    code = code_sha256()
    values = read_json(options.out) if options.out.exists() else {}
    sources = {"phantom": phantom_pairs}
    if options.sample:
        sources["nih"] = lambda: real_pairs(options.sample, options.table)
    for kind, load in sources.items():
        pairs = load()
        former = values.get(kind, {})
        same_images = former.get("images") == to_plain(pairs.facts)
        values[kind] = {"images": pairs.facts, "models": former["models"] if same_images else {}}
        for folder in sorted(options.runs.glob(f"*_{SIZE}_{kind}*")):
            run = Run(folder)
            if "_seed" in folder.name or run.report is None:
                continue
            weights = sha256(run.weights_file("best"))
            origin = {"weights_sha256": weights, "code_sha256": code}
            if origin.items() <= values[kind]["models"].get(folder.name, {}).items():
                continue
            print(folder.name, flush=True)
            measured = {**origin, **measure(run, pairs)}
            values[kind]["models"][folder.name] = rounded(to_plain(measured))
            options.out.parent.mkdir(parents=True, exist_ok=True)
            write_json(options.out, values)


def code_sha256():
    """Compute a hash of this file and of xraylab.explain."""
    total = hashlib.sha256()
    for path in [Path(__file__), *sorted(Path(explain.__file__).parent.glob("*.py"))]:
        total.update(path.read_bytes())
    return total.hexdigest()


def rounded(values):
    """Round the numbers of plain values to five digits, far below the width of the intervals."""
    if isinstance(values, dict):
        return {name: rounded(value) for name, value in values.items()}
    return round(values, 5) if isinstance(values, float) else values


class Pairs:
    """Pairs of an image and one of its findings, with the mask of the finding.

    Attributes:
        images: (images, size, size, 1) float32 in [0, 1].
        rows, findings: (pairs,) indices of image and finding.
        masks: (pairs, size, size) bool.
        patients: (pairs,) the patient of each image.
        facts: description of the images, for the file.
    """

    def __init__(self, images, rows, findings, masks, patients, facts):
        self.images = (images[..., None] / np.float32(255)).astype(np.float32)
        valid = masks.any(axis=(1, 2)) & ~masks.all(axis=(1, 2))
        for finding in range(len(FINDINGS)):
            if (valid & (findings == finding)).sum() < 3:
                valid &= findings != finding
        self.rows, self.findings = rows[valid], findings[valid]
        self.masks, self.patients = masks[valid], patients[valid]
        if "training_image" in facts:  # for each pair
            trained = rows[valid & facts.pop("training_image")]
            facts["training_images"] = len(np.unique(trained))
        counts = {FINDINGS[k]: int((self.findings == k).sum()) for k in np.unique(self.findings)}
        self.facts = facts | {
            "size": SIZE,
            "pairs": len(self.rows),
            "images": len(np.unique(self.rows)),
            "patients": len(np.unique(self.patients)),
            "by_finding": counts,
            "mask_area": float(self.masks.mean()),
        }


def phantom_pairs():
    """Load simulated test images with masks, some of each finding."""
    split = data.load("phantom", size=SIZE, split="test", num_images=TEST_IMAGES)
    by_finding = [np.flatnonzero(split.labels[:, k])[:IMAGES_PER_FINDING] for k in range(14)]
    selected = np.unique(np.concatenate(by_finding))
    rows = np.concatenate([np.searchsorted(selected, images) for images in by_finding])
    findings = np.repeat(np.arange(len(FINDINGS)), [len(images) for images in by_finding])
    masks = split.masks[selected][rows, findings]
    facts = {"source": "ChestPhantom, SIMULATED, test split", "fingerprint": split.fingerprint}
    return Pairs(split.images[selected], rows, findings, masks, rows, facts)


def real_pairs(sample, table):
    """Load the images of the sample that have boxes in NIH's list."""
    with table.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["row_64"]]
    boxes = read_boxes(table.parent, [row["image_index"] for row in rows])
    with np.load(sample) as stored:
        images = {split: stored[f"{split}_images"] for split in ("train", "val", "test")}
    with_box = np.unique(boxes["image"])
    indices, findings, masks = [], [], []
    for finding in np.unique(boxes["finding"]):
        numbers, found = explain.box_masks(boxes, SIZE, finding)
        indices.append(np.searchsorted(with_box, numbers))
        findings.append(np.full(len(numbers), finding))
        masks.append(found)
    known = [rows[index] for index in with_box]
    indices = np.concatenate(indices)
    trained = np.array([row["split"] == "train" for row in known])
    facts = {"source": "NIH ChestX-ray14, hand-drawn boxes", "training_image": trained[indices]}
    return Pairs(
        np.stack([images[row["split"]][int(row["row_64"])] for row in known]),
        indices,
        np.concatenate(findings),
        np.concatenate(masks),
        np.array([row["patient"] for row in known])[indices],
        facts,
    )


def measure(run, pairs):
    """Score every explanation method of a model on images and masks."""
    model = run.load_model("best")
    logits = predict_logits(model, pairs.images)
    results = {}
    for name, explanation in methods(model).items():
        maps = explanation(pairs)
        results[name] = {
            "grid": maps.shape[1:],
            "constant_maps": np.mean(np.ptp(maps, axis=(1, 2)) == 0),
            "localization": localize(maps, pairs),
            "by_finding": {
                FINDINGS[k]: localize(maps, pairs, k) for k in np.unique(pairs.findings)
            },
            **faithfulness(model, explanation, maps, pairs),
        }
    positives = logits[pairs.rows, pairs.findings]
    return {"model": run.recipe.model, "mean_logit": positives.mean(), "methods": results}


def localize(maps, pairs, finding=None):
    """Compute localization over all pairs, or over those of one finding, as plain values."""
    chosen = slice(None) if finding is None else pairs.findings == finding
    found = explain.localization(
        explain.resize_maps(maps[chosen], SIZE),
        pairs.masks[chosen],
        groups=pairs.findings[chosen],
        patients=pairs.patients[chosen],
    )
    return {name: asdict(row) for name, row in found.items()}


def faithfulness(model, explanation, maps, pairs):
    """Compute deletion, insertion and the correlation with maps of randomized parameters.

    Only the first pairs of each finding are used, since each takes many forward passes. The gain is
    the area under the curve of each image's map minus that of one other image's map. With one
    permutation in place of many, its interval is too wide rather than too narrow.
    """
    findings = np.unique(pairs.findings)
    most = max(SANITY_PAIRS // len(findings), 3)
    rows = np.concatenate([np.flatnonzero(pairs.findings == k)[:most] for k in findings])
    some = Subset(pairs, rows)
    maps, images = maps[rows], pairs.images[some.rows]
    permuted_rows = permutations(some.findings, some.patients)
    other = permuted_rows[len(permuted_rows) // 2]
    results = {"pairs": len(rows)}
    for name, curve in (("deletion", explain.deletion), ("insertion", explain.insertion)):
        at_random, own, permuted = (
            explain.area_under_curve(curve(model, images, values, some.findings))
            for values in (np.zeros_like(maps), maps, maps[other])
        )
        # As in explain.localization, an image resampled twice contributes its map twice. The area
        # of a random order does not depend on any map.
        elsewhere = np.empty_like(own)
        elsewhere[other] = permuted - at_random
        gain = own - permuted - elsewhere + elsewhere.mean()
        results[name] = {
            "area": own.mean(),
            "permutation_baseline": permuted.mean(),
            "random_order": at_random.mean(),
            "gain": mean_interval(gain, some.patients),
        }
    with explain.randomized_parameters(model):
        randomized = explanation(some)
    correlation = explain.spearman(maps, randomized)
    known = np.isfinite(correlation)
    results["randomized_parameters"] = (
        mean_interval(correlation[known], some.patients[known]) if known.sum() > 2 else None
    )
    return results


class Subset:
    """A subset of the pairs."""

    def __init__(self, pairs, rows):
        self.images = pairs.images
        self.rows, self.findings = pairs.rows[rows], pairs.findings[rows]
        self.patients = pairs.patients[rows]


def mean_interval(values, patients):
    """Compute a mean with its bootstrap interval over patients."""
    drawn = resamples(len(values), 1000, np.random.default_rng(0), patients=patients)
    weights = np.concatenate([np.ones((1, len(values))), *drawn])
    return asdict(evaluation.Interval.from_replicates(weights @ values / weights.sum(axis=1), 0.95))


def methods(model):
    """Return the methods that a model allows: functions of pairs that return maps."""
    results = {}
    transformer = model.transforms_attention
    if hasattr(model, "classify"):
        results["grad_cam"] = for_labels(model, explain.grad_cam)
    if getattr(model, "num_label_blocks", 0):
        results["label_maps"] = for_labels(model, lambda m, x, _: explain.label_maps(m, x))
        results["rollout"] = for_labels(model, lambda m, x, _: explain.rollout(m, x))
    elif transformer:
        results["rollout"] = for_images(model, explain.rollout)
    if transformer:
        results["gradient_attention"] = for_findings(model)
    if hasattr(model, "mxa_options"):
        layers = list(explain.regions(model, np.zeros((1, SIZE, SIZE, 1), np.float32)))
        for layer in (layers[0], layers[-1]):
            results[f"box of {layer}"] = for_images(
                model, lambda m, x, layer=layer: boxes(m, x, layer)
            )
    results["occlusion"] = for_labels(model, explain.occlusion)
    return results


def for_images(model, method):
    """Apply a method that does not depend on labels, once for each image."""

    def explanation(pairs):
        chosen, where = np.unique(pairs.rows, return_inverse=True)
        return method(model, pairs.images[chosen])[where]

    return explanation


def for_labels(model, method):
    """Apply a method that returns the maps of all labels, once for each image."""

    def explanation(pairs):
        chosen, where = np.unique(pairs.rows, return_inverse=True)
        return method(model, pairs.images[chosen], None)[where, pairs.findings]

    return explanation


def for_findings(model):
    """Apply gradient attention finding by finding, since each label takes a backward pass."""

    def explanation(pairs):
        maps = None
        for finding in np.unique(pairs.findings):
            rows = np.flatnonzero(pairs.findings == finding)
            images = pairs.images[pairs.rows[rows]]
            found = explain.gradient_attention(model, images, int(finding))[:, 0]
            maps = np.empty((len(pairs.rows), *found.shape[1:])) if maps is None else maps
            maps[rows] = found
        return maps

    return explanation


def boxes(model, images, layer):
    """Return the box of an MXA block as a map: one inside, zero outside."""
    found = explain.regions(model, images)[layer].boxes
    table = np.zeros(len(found), BOX_DTYPE)
    table["image"] = np.arange(len(found))
    for field, side in zip(("x_min", "y_min", "x_max", "y_max"), found.T, strict=True):
        table[field] = side
    return explain.box_masks(table, SIZE, 0)[1].astype(np.float32)


if __name__ == "__main__":
    main()
