"""Score a public model's probabilities on real images, and write numbers that pages may show.

::

    python tools/measure_real_probabilities.py FOLDER

The folder holds ``densenet121_test_probabilities.npz`` (probabilities, labels and names of the
22,433 images of ChestMNIST's test split), ``chestmnist_all_labels.npz`` (labels of all images) and
NIH's table ``Data_Entry_2017_v2020.csv.gz``. Neither images nor labels nor single probabilities are
written, only what was computed over many.

There are no probabilities for validation images. Calibration and thresholds are therefore fitted on
one half of the test patients and judged on the other.
"""

import argparse
import csv
import gzip
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np

from xraylab import evaluation, metrics
from xraylab.findings import FINDINGS
from xraylab.models.predict import sigmoid
from xraylab.results.scoring import judge, plain
from xraylab.training.run import write_json

OUT = Path(__file__).resolve().parents[1] / "book" / "measured" / "densenet121_chestmnist.json"
REPLICATES = 1000
BINS = 15


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    with np.load(asked.folder / "densenet121_test_probabilities.npz") as stored:
        truth, said, images = stored["labels"], stored["probabilities"], stored["names"]
    with np.load(asked.folder / "chestmnist_all_labels.npz") as stored:
        prevalence = stored["train_labels"].mean(axis=0)
        assert (stored["test_names"] == images).all() and (stored["test_labels"] == truth).all()
    patients = np.array([name[:8] for name in images])
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "about": "A DenseNet-121 on the real images of ChestMNIST's test split; numbers over many "
        "images, computed by tools/measure_real_probabilities.py. Halves: of the patients.",
        "images": len(images),
        "patients": len(np.unique(patients)),
        **scores(truth, said, patients, prevalence),
        "reliability": [curve(truth[:, k], said[:, k]) for k in range(len(FINDINGS))],
        "halves": halves(truth, said, patients),
        "subgroups": subgroups(truth, said, patients, columns_of(asked.folder, images)),
    }
    write_json(asked.out, plain(values))
    print(f"wrote {asked.out}: macro AUC {values['scores']['macro_auc']:.4f}")


def scores(truth, said, patients, prevalence):
    """Return all scores, with intervals over patients and over images."""
    return {
        "scores": metrics.score(truth, said, label_names=FINDINGS, prevalence=prevalence).to_dict(),
        "intervals": intervals(truth, said, patients),
        "intervals_over_images": intervals(truth, said, None),
    }


def intervals(truth, said, patients):
    found = evaluation.bootstrap(truth, said, REPLICATES, label_names=FINDINGS, patients=patients)
    found |= evaluation.calibration_intervals(truth, said, REPLICATES, patients=patients)
    return {name: asdict(interval) for name, interval in found.items()}


def curve(truth, said):
    """Return the reliability curve of one label."""
    found = evaluation.reliability(truth, said, BINS)
    return {name: values.tolist() for name, values in vars(found).items()}


def halves(truth, said, patients):
    """Return what calibration and thresholds from one half of the patients do to the other."""
    fitting = np.array([zlib.crc32(who.encode()) % 2 == 0 for who in patients])
    logits = np.log(said.astype(np.float64)) - np.log1p(-said.astype(np.float64))
    fitted = evaluation.fit_to(truth[fitting], logits[fitting])
    rules = fitted.thresholds | {"half": (0.5,) * len(FINDINGS)}
    promised = points(truth[fitting], logits[fitting], rules)
    truth, logits, patients = truth[~fitting], logits[~fitting], patients[~fitting]
    methods = {
        "as_given": sigmoid,
        "temperature": fitted.temperature,
        "platt": fitted.platt,
    }
    judged = {}
    for name, mended in methods.items():
        if mended is None:
            raise SystemExit(f"no {name} is likeliest for these probabilities: nothing is written")
        chances = mended(logits)
        judged[name] = judge(truth, chances, replicates=REPLICATES, patients=patients) | {
            "mean_probability": chances.mean(axis=0)
        }
    return {
        "images_fitted": int(fitting.sum()),
        "images_judged": len(truth),
        "prevalence": truth.mean(axis=0),
        "fitted": fitted.to_dict(),
        "calibration": judged,
        "promised_points": promised,
        "operating_points": points(truth, logits, rules),
    }


def points(truth, logits, rules):
    """Return by rule what its thresholds do, one operating point a label."""
    chances = sigmoid(logits)
    return {
        rule: [asdict(point) for point in evaluation.operating_points(truth, chances, chosen)]
        for rule, chosen in rules.items()
    }


def columns_of(folder, images):
    """Return sex, age band and projection of images, from NIH's table."""
    with gzip.open(folder / "Data_Entry_2017_v2020.csv.gz", "rt", newline="") as stream:
        rows = {row["Image Index"]: row for row in csv.DictReader(stream)}
    found = [rows[name] for name in images]
    ages = [float(row["Patient Age"]) for row in found]
    return {
        "sex": [row["Patient Gender"] for row in found],
        "age": evaluation.age_bands(ages),
        "projection": [row["View Position"] for row in found],
    }


def subgroups(truth, said, patients, columns):
    """Return the macro AUC of each group, with intervals over patients."""
    found = {}
    for name, groups in columns.items():
        rows = evaluation.by_group(
            truth, said, groups, label_names=FINDINGS, patients=patients, replicates=REPLICATES
        )
        found[name] = [
            {"name": row.name, "images": row.num_images, "labels": row.labels, **asdict(row.score)}
            for row in rows
        ]
    return found


if __name__ == "__main__":
    main()
