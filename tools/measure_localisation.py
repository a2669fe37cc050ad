"""Measure whether trained models look where findings are, and write numbers that pages may show.

::

    python tools/measure_localisation.py --runs runs/recorded
    python tools/measure_localisation.py --runs runs/recorded --sample nih_sample_64.npz \\
        --table sample_images.csv

The runs are those of ``tools/record_runs.py``, all at 64 pixels. On simulated images, masks come
from the simulator. On real ones, boxes come from NIH's list, which lies beside a table of the
sample's images (columns ``split``, ``row_64``, ``image_index``, ``patient``); training images are
among them, and the file says how many. Models that were measured before are left alone unless their
weights, the images, or the code that asks and scores are others. Only numbers over many images are
written.
"""

import argparse
import csv
import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from xraylab import data, evaluation, explain
from xraylab.backend import start_keras
from xraylab.data.nih14 import read_boxes
from xraylab.evaluation.resampling import resamples
from xraylab.explain.looking import answer
from xraylab.findings import FINDINGS
from xraylab.io import sha256
from xraylab.phantom.simulator import BOX_DTYPE
from xraylab.results.scoring import plain
from xraylab.training import Run
from xraylab.training.run import write_json

OUT = Path(__file__).resolve().parents[1] / "book" / "measured" / "localisation.json"
SIZE = 64
IMAGES_A_FINDING = 60
TEST_IMAGES = 8_000
SANITY_PAIRS = 60


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--sample", type=Path, help="real images, a MedMNIST-style .npz file")
    parser.add_argument("--table", type=Path, help="table of the sample's images")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    start_keras()
    code = code_sha256()
    values = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    sources = {"phantom": phantom_pairs}
    if asked.sample:
        sources["nih"] = lambda: real_pairs(asked.sample, asked.table)
    for kind, load in sources.items():
        pairs = load()
        former = values.get(kind, {})
        same_images = former.get("images") == plain(pairs.facts)
        values[kind] = {"images": pairs.facts, "models": former["models"] if same_images else {}}
        for folder in sorted(asked.runs.glob(f"*_{SIZE}_{kind}*")):
            run = Run(folder)
            if "_seed" in folder.name or run.report is None:
                continue
            weights = sha256(run.weights_file("best"))
            known = values[kind]["models"].get(folder.name)
            belongs = {"weights_sha256": weights, "code_sha256": code}
            if known is not None and belongs.items() <= known.items():
                continue
            print(folder.name, flush=True)
            found = {**belongs, **measure(run, pairs)}
            values[kind]["models"][folder.name] = rounded(plain(found))
            asked.out.parent.mkdir(parents=True, exist_ok=True)
            write_json(asked.out, values)


def code_sha256():
    """Return a hash of this file and of the package that asks and scores."""
    total = hashlib.sha256()
    for path in [Path(__file__), *sorted(Path(explain.__file__).parent.glob("*.py"))]:
        total.update(path.read_bytes())
    return total.hexdigest()


def rounded(values):
    """Return plain values with five digits behind the point, far below what the intervals allow."""
    if isinstance(values, dict):
        return {name: rounded(value) for name, value in values.items()}
    return round(values, 5) if isinstance(values, float) else values


class Pairs:
    """Images and one finding of each, with its mask; an image comes once for each of its findings.

    Attributes:
        images: (images, size, size, 1) float32 in [0, 1].
        images, findings: (pairs,) numbers of image and finding.
        masks: (pairs, size, size) bool.
        patients: (pairs,) whose image it is.
        facts: what they are, for the file.
    """

    def __init__(self, images, rows, findings, masks, patients, facts):
        self.images = (images[..., None] / np.float32(255)).astype(np.float32)
        # A mask of no pixel or of all says nothing.
        good = (masks.any(axis=(1, 2))) & (~masks.all(axis=(1, 2)))
        for finding in range(len(FINDINGS)):
            if (good & (findings == finding)).sum() < 3:
                good &= findings != finding
        self.rows, self.findings = rows[good], findings[good]
        self.masks, self.patients = masks[good], patients[good]
        if "training_image" in facts:  # of each pair
            trained = rows[good & facts.pop("training_image")]
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
    """Return simulated test images with masks, some of each finding."""
    split = data.load("phantom", size=SIZE, split="test", num_images=TEST_IMAGES)
    chosen = [np.flatnonzero(split.labels[:, k])[:IMAGES_A_FINDING] for k in range(len(FINDINGS))]
    shown = np.unique(np.concatenate(chosen))
    rows = np.concatenate([np.searchsorted(shown, some) for some in chosen])
    findings = np.repeat(np.arange(len(FINDINGS)), [len(some) for some in chosen])
    masks = split.masks[shown][rows, findings]
    facts = {"source": "ChestPhantom, SIMULATED, test split", "fingerprint": split.fingerprint}
    return Pairs(split.images[shown], rows, findings, masks, rows, facts)


def real_pairs(sample, table):
    """Return the images of the sample on which NIH's list has boxes."""
    with table.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["row_64"]]
    boxes = read_boxes(table.parent, [row["image_index"] for row in rows])
    with np.load(sample) as stored:
        images = {split: stored[f"{split}_images"] for split in ("train", "val", "test")}
    places = np.unique(boxes["image"])
    rows, findings, masks = [], [], []
    for finding in np.unique(boxes["finding"]):
        numbers, found = explain.box_masks(boxes, SIZE, finding)
        rows.append(np.searchsorted(places, numbers))
        findings.append(np.full(len(numbers), finding))
        masks.append(found)
    known = [rows[place] for place in places]
    rows = np.concatenate(rows)
    trained = np.array([row["split"] == "train" for row in known])
    facts = {"source": "NIH ChestX-ray14, hand-drawn boxes", "training_image": trained[rows]}
    return Pairs(
        np.stack([images[row["split"]][int(row["row_64"])] for row in known]),
        rows,
        np.concatenate(findings),
        np.concatenate(masks),
        np.array([row["patient"] for row in known])[rows],
        facts,
    )


def measure(run, pairs):
    """Return what each way of asking a model scores on images and masks."""
    model = run.load_model("best")
    logits = answer(model, pairs.images)
    found = {}
    for name, ask in ways(model).items():
        maps = ask(pairs)
        found[name] = {
            "cells": maps.shape[1:],
            "flat": np.mean(np.ptp(maps, axis=(1, 2)) == 0),
            "localisation": located(maps, pairs),
            "by_finding": {FINDINGS[k]: located(maps, pairs, k) for k in np.unique(pairs.findings)},
            **faithful(model, ask, maps, pairs),
        }
    positives = [float(logits[pairs.rows[i], k]) for i, k in enumerate(pairs.findings)]
    return {"model": run.recipe.model, "mean_logit": np.mean(positives), "ways": found}


def located(maps, pairs, finding=None):
    """Return localisation over all pairs, or over those of one finding, as plain values."""
    chosen = slice(None) if finding is None else pairs.findings == finding
    found = explain.localisation(
        explain.on_image(maps[chosen], SIZE),
        pairs.masks[chosen],
        groups=pairs.findings[chosen],
        patients=pairs.patients[chosen],
    )
    return {name: asdict(row) for name, row in found.items()}


def faithful(model, ask, maps, pairs):
    """Return what maps are worth that take pixels away, and how much is left with random weights.

    Of the first pairs of each finding, as these take many passes through the model. The gain is
    the area under the curve of each image's own map less that under the curve of one other image's.
    With one in place of many, its interval is too wide rather than too narrow.
    """
    findings = np.unique(pairs.findings)
    most = max(SANITY_PAIRS // len(findings), 3)
    rows = np.concatenate([np.flatnonzero(pairs.findings == k)[:most] for k in findings])
    some = Subset(pairs, rows)
    maps, images = maps[rows], pairs.images[some.rows]
    exchanges = explain.exchanges(some.findings, some.patients)
    whose = exchanges[len(exchanges) // 2]
    found = {"pairs": len(rows)}
    for name, curve in (("deletion", explain.deletion), ("insertion", explain.insertion)):
        lots, own, exchanged = (
            explain.area(curve(model, images, values, some.findings))
            for values in (np.zeros_like(maps), maps, maps[whose])
        )
        # An image that is drawn again brings its map, too: as in explain.localisation. What an image
        # has by lot is no map's doing.
        elsewhere = np.empty_like(own)
        elsewhere[whose] = exchanged - lots
        gain = own - exchanged - elsewhere + elsewhere.mean()
        found[name] = {
            "area": own.mean(),
            "exchanged": exchanged.mean(),
            "by_lot": lots.mean(),
            "gain": mean_of(gain, some.patients),
        }
    with explain.random_weights(model):
        random = ask(some)
    correlation = explain.rank_correlation(maps, random)
    known = np.isfinite(correlation)
    found["random_weights"] = (
        mean_of(correlation[known], some.patients[known]) if known.sum() > 2 else None
    )
    return found


class Subset:
    """Some of the pairs."""

    def __init__(self, pairs, rows):
        self.images = pairs.images
        self.rows, self.findings = pairs.rows[rows], pairs.findings[rows]
        self.patients = pairs.patients[rows]


def mean_of(values, patients):
    """Return a mean with its interval over patients."""
    drawn = resamples(len(values), 1000, np.random.default_rng(0), patients=patients)
    weights = np.concatenate([np.ones((1, len(values))), *drawn])
    return asdict(evaluation.Interval.of(weights @ values / weights.sum(axis=1), 0.95))


def ways(model):
    """Return how a model can be asked: functions from pairs to maps (pairs, rows, columns).

    Maps that are the same for every label are asked for once an image.
    """
    found = {}
    if hasattr(model, "answer"):
        found["grad_cam"] = by_label(model, explain.grad_cam)
    if getattr(model, "num_label_blocks", 0):
        found["label_maps"] = by_label(
            model, lambda m, images, labels: explain.label_maps(m, images)
        )
        found["rollout"] = by_label(model, lambda m, images, labels: explain.rollout(m, images))
    elif explain.attention_layers(model):
        found["rollout"] = by_image(model, explain.rollout)
    if explain.attention_layers(model):
        found["gradient_attention"] = finding_by_finding(model)
    if hasattr(model, "mxa_options"):
        last = list(explain.regions(model, np.zeros((1, SIZE, SIZE, 1), np.float32)))
        for layer in (last[0], last[-1]):
            found[f"box of {layer}"] = by_image(
                model, lambda m, images, la=layer: boxes(m, images, la)
            )
    found["occlusion"] = by_label(model, explain.occlusion)
    return found


def by_image(model, look):
    """Ask once an image."""

    def ask(pairs):
        chosen, where = np.unique(pairs.rows, return_inverse=True)
        return look(model, pairs.images[chosen])[where]

    return ask


def by_label(model, look):
    """Ask once an image, for all labels."""

    def ask(pairs):
        chosen, where = np.unique(pairs.rows, return_inverse=True)
        return look(model, pairs.images[chosen], None)[where, pairs.findings]

    return ask


def finding_by_finding(model):
    """Ask for the images of each finding, as each takes a pass back through the model."""

    def ask(pairs):
        maps = None
        for finding in np.unique(pairs.findings):
            rows = np.flatnonzero(pairs.findings == finding)
            images = pairs.images[pairs.rows[rows]]
            found = explain.gradient_attention(model, images, int(finding))[:, 0]
            maps = np.empty((len(pairs.rows), *found.shape[1:])) if maps is None else maps
            maps[rows] = found
        return maps

    return ask


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
