"""Measure how well explanations of trained models localize findings, for chapters 6, 14 and 16.

::

    python tools/measure_localization.py --runs runs/recorded
    python tools/measure_localization.py --real FOLDER

All images have 64 pixels. With ``--runs``, the models of ``tools/record_runs.py`` that were trained
on simulated images are scored on simulated test images, whose masks come from the simulator. With
``--real``, the shipped models are scored on real images of the validation and the test split with
radiologists' polygons or NIH's boxes. A model is measured again only if its weights, the images or
the code have changed. Only aggregates over many images are written.
"""

import argparse
import ast
import hashlib
from dataclasses import asdict
from functools import partial
from pathlib import Path

import annotations
import numpy as np

from xraylab import data, evaluation, explain, models
from xraylab.backend import start_keras
from xraylab.evaluation.intervals import resamples
from xraylab.explain.localization import group_means, permutations
from xraylab.findings import FINDINGS
from xraylab.io import read_json, sha256, to_plain, write_json
from xraylab.models import predict_logits
from xraylab.models.weights import shipped_weights
from xraylab.phantom import VERSION
from xraylab.phantom.simulator import BOX_DTYPE
from xraylab.training import Run

OUT = Path(__file__).resolve().parents[1] / "book" / "measured" / "localization.json"
SIZE = annotations.SIZE
IMAGES_PER_FINDING = 60
TEST_IMAGES = 8_000
SANITY_PAIRS = 60


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, help="folder of runs on simulated images")
    parser.add_argument("--real", type=Path, help="folder of the real images")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    if options.runs is None and options.real is None:
        parser.error("Pass --runs, --real, or both.")
    start_keras()
    if options.runs:
        found = dict(simulated_runs(options.runs))
        if not found:
            parser.error(f"--runs. Expected: finished runs of record_runs.py. In: {options.runs}")
        update(options.out, "phantom", phantom_pairs(), found)
    if options.real:
        for kind in (annotations.polygons, annotations.boxes):
            update(options.out, kind.__name__, kind(options.real), dict(shipped()))


def simulated_runs(folder):
    """Yield the name, the weights' path and a loader of each model, first seeds only."""
    for path in sorted(folder.glob(f"*_{SIZE}_phantom{VERSION}")):
        run = Run(path)
        if run.report is not None:
            yield path.name, (run.weights_file("best"), partial(run.load_model, "best"))


def shipped():
    """Yield the name of the record, the weights' path and a loader of each shipped model."""
    for (name, size), path in sorted(shipped_weights().items()):
        if size == SIZE:
            load = partial(models.build, name, image_size=size, weights="pretrained")
            yield f"{name}_{size}_nih_scratch", (path, load)


def update(path, kind, pairs, found):
    """Measure models on one kind of images, write each to the file, and remove all others."""
    values = read_json(path) if path.exists() else {}
    former = values.get(kind, {})
    facts = to_plain(pairs.facts())
    known = former["models"] if former.get("images") == facts else {}
    values[kind] = {"images": facts, "models": {n: known[n] for n in found if n in known}}
    code = code_sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, values)
    for name, (weights, load) in found.items():
        origin = {"weights_sha256": sha256(weights), "code_sha256": code}
        if not origin.items() <= known.get(name, {}).items():
            print(kind, name, flush=True)
            measured = {**origin, **measure(load(), pairs)}
            values[kind]["models"][name] = rounded(to_plain(measured))
            write_json(path, values)


def code_sha256():
    """Compute a hash of the code of this file, annotations.py and xraylab.explain."""
    total = hashlib.sha256()
    package = sorted(Path(explain.__file__).parent.glob("*.py"))
    for path in [Path(__file__), Path(annotations.__file__), *package]:
        code = _WithoutDocstrings().visit(ast.parse(path.read_text("utf-8")))
        total.update(ast.unparse(code).encode())
    return total.hexdigest()


class _WithoutDocstrings(ast.NodeTransformer):
    """Removes docstrings; parsing removes the comments."""

    def visit_Expr(self, node):
        return None if isinstance(node.value, ast.Constant) else node


def rounded(values):
    """Round the numbers of plain values to five digits, far below the width of the intervals."""
    if isinstance(values, dict):
        return {name: rounded(value) for name, value in values.items()}
    if isinstance(values, list):
        return [rounded(value) for value in values]
    return round(values, 5) if isinstance(values, float) else values


def phantom_pairs():
    """Load simulated test images with masks, some of each finding."""
    split = data.load("phantom", size=SIZE, split="test", num_images=TEST_IMAGES)
    by_finding = [np.flatnonzero(split.labels[:, k])[:IMAGES_PER_FINDING] for k in range(14)]
    selected = np.unique(np.concatenate(by_finding))
    rows = np.concatenate([np.searchsorted(selected, images) for images in by_finding])
    findings = np.repeat(np.arange(len(FINDINGS)), [len(images) for images in by_finding])
    masks = split.masks[selected][rows, findings]
    source = f"ChestPhantom {VERSION}, SIMULATED, test split"
    return annotations.annotate(split.images[selected], rows, findings, masks, rows, 3, source)


def measure(model, pairs):
    """Score every explanation method of a model on images and masks."""
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
    return {"model": model.name, "mean_logit": positives.mean(), "methods": results}


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
    some = pairs.subset(rows)
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
        gain = own - permuted - elsewhere + group_means(elsewhere, some.findings)
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


def mean_interval(values, patients):
    """Compute a mean with its bootstrap interval over patients."""
    drawn = resamples(len(values), 1000, np.random.default_rng(0), patients=patients)
    weights = np.concatenate([np.ones((1, len(values))), *drawn])
    return asdict(evaluation.Interval.from_replicates(weights @ values / weights.sum(axis=1), 0.95))


def methods(model):
    """Return the methods that a model allows: functions of pairs that return maps."""
    results = {}
    if hasattr(model, "classify"):
        results["grad_cam"] = for_images(model, explain.grad_cam)
    if getattr(model, "num_label_blocks", 0):
        results["label_maps"] = for_images(model, explain.label_maps)
    if model.transforms_attention:
        results["rollout"] = for_images(model, explain.rollout)
        results["gradient_attention"] = for_findings(model)
    if hasattr(model, "mxa_options"):
        layers = list(explain.regions(model, np.zeros((1, SIZE, SIZE, 1), np.float32)))
        for layer in (layers[0], layers[-1]):
            results[f"box of {layer}"] = for_images(model, partial(boxes, layer=layer))
    results["occlusion"] = for_images(model, explain.occlusion)
    return results


def for_images(model, method):
    """Apply a method once for each image; it returns one map, or those of all labels."""

    def explanation(pairs):
        chosen, where = np.unique(pairs.rows, return_inverse=True)
        maps = method(model, pairs.images[chosen])
        return maps[where, pairs.findings] if maps.ndim == 4 else maps[where]

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
