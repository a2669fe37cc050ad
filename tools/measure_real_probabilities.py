"""Score the probabilities of a public model on real images, and write aggregate numbers.

::

    python tools/measure_real_probabilities.py FOLDER

The folder holds ``densenet121_test_probabilities.npz`` (probabilities, labels and names of the
22,433 images of ChestMNIST's test split), ``chestmnist_all_labels.npz`` (labels of all images) and
NIH's table ``Data_Entry_2017_v2020.csv.gz``. Only numbers over many images are written: no images,
labels or single probabilities.

``softmax_scores`` are those of a softmax over the 14 logits of each image, as MedViT's public code
evaluates, in place of a sigmoid of each.

There are no probabilities of validation images. Calibration and thresholds are therefore fitted on
one half of the test patients and scored on the other.
"""

import argparse
import csv
import gzip
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit, softmax

from xraylab import evaluation, io, metrics
from xraylab.findings import FINDINGS
from xraylab.results.store import calibration_scores

OUT = Path(__file__).resolve().parents[1] / "book" / "measured" / "densenet121_chestmnist.json"
REPLICATES = 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    with np.load(arguments.folder / "densenet121_test_probabilities.npz") as stored:
        y_true, probabilities = stored["labels"], stored["probabilities"]
        names = stored["names"]
    with np.load(arguments.folder / "chestmnist_all_labels.npz") as stored:
        prevalence = stored["train_labels"].mean(axis=0)
        assert (stored["test_names"] == names).all() and (stored["test_labels"] == y_true).all()
    patients = np.array([name[:8] for name in names])
    score = metrics.score(y_true, probabilities, label_names=FINDINGS, prevalence=prevalence)
    curves = [evaluation.reliability(y_true[:, k], probabilities[:, k]) for k in range(14)]
    values = {
        "about": "A DenseNet-121 on the real images of ChestMNIST's test split: numbers over many "
        "images, computed by tools/measure_real_probabilities.py. The two halves split the "
        "patients.",
        "num_images": len(names),
        "num_patients": len(np.unique(patients)),
        "scores": score,
        "softmax_scores": metrics.score(
            y_true, softmax(logit(probabilities.astype(np.float64)), axis=1), label_names=FINDINGS
        ),
        "intervals": intervals(y_true, probabilities, patients),
        "intervals_over_images": intervals(y_true, probabilities, None),
        "reliability": curves,
        "halves": halves(y_true, probabilities, patients),
        "subgroups": subgroups(
            y_true, probabilities, patients, read_table(arguments.folder, names)
        ),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    io.write_json(arguments.out, values)
    print(f"wrote {arguments.out}: macro AUC {score.macro_auc:.4f}")


def intervals(y_true, probabilities, patients):
    """Compute intervals of all scores, of the calibration error and of the Brier score."""
    options = {"replicates": REPLICATES, "patients": patients}
    found = evaluation.bootstrap(y_true, probabilities, label_names=FINDINGS, **options)
    return found | evaluation.calibration_intervals(y_true, probabilities, **options)


def halves(y_true, probabilities, patients):
    """Fit calibration and thresholds on one half of the patients, and score them on the other."""
    fitting = np.array([zlib.crc32(patient.encode()) % 2 == 0 for patient in patients])
    logits = logit(probabilities.astype(np.float64))
    fitted = evaluation.fit_calibration(y_true[fitting], logits[fitting])
    if fitted.temperature is None:
        raise SystemExit("No temperature maximises the likelihood: nothing is written")
    rules = fitted.thresholds | {"0.5": (0.5,) * len(FINDINGS)}
    points_fitted = operating_points(y_true[fitting], logits[fitting], rules)
    y_true, logits, patients = y_true[~fitting], logits[~fitting], patients[~fitting]
    methods = {
        "uncalibrated": expit,
        "temperature": fitted.temperature,
        "platt": fitted.platt,
    }
    calibration = {}
    for name, method in methods.items():
        calibrated = method(logits)
        calibration[name] = calibration_scores(
            y_true, calibrated, replicates=REPLICATES, patients=patients
        ) | {"mean_probability": calibrated.mean(axis=0)}
    return {
        "num_images_fitted": int(fitting.sum()),
        "num_images_scored": len(y_true),
        "prevalence": y_true.mean(axis=0),
        "fitted": fitted,
        "calibration": calibration,
        "points_fitted": points_fitted,
        "points_scored": operating_points(y_true, logits, rules),
    }


def operating_points(y_true, logits, rules):
    """Compute the operating points of each rule, one for each label."""
    return {
        rule: evaluation.operating_points(y_true, expit(logits), np.array(thresholds, float))
        for rule, thresholds in rules.items()
    }


def read_table(folder, names):
    """Read sex, age band and projection of images from NIH's table."""
    with gzip.open(folder / "Data_Entry_2017_v2020.csv.gz", "rt", newline="") as stream:
        rows = {row["Image Index"]: row for row in csv.DictReader(stream)}
    found = [rows[name] for name in names]
    return {
        "sex": [row["Patient Gender"] for row in found],
        "age": age_bands([float(row["Patient Age"]) for row in found]),
        "projection": [row["View Position"] for row in found],
    }


def age_bands(ages):
    """Name the age band of each patient, as ``"40 to 59"``."""
    names = ["below 20", "20 to 39", "40 to 59", "60 to 79", "80 and over"]
    return pd.cut(ages, [0, 20, 40, 60, 80, np.inf], right=False, labels=names)


def subgroups(y_true, probabilities, patients, columns):
    """Compute the macro AUC of each group, with intervals over patients."""
    options = {"label_names": FINDINGS, "patients": patients, "replicates": REPLICATES}
    return {
        name: [
            {
                "name": group.name,
                "num_images": group.num_images,
                "labels": group.labels,
                **asdict(group.score),
            }
            for group in evaluation.by_group(y_true, probabilities, groups, **options)
        ]
        for name, groups in columns.items()
    }


if __name__ == "__main__":
    main()
