"""Compare recorded runs on real images by paired bootstrap, for the book.

::

    python tools/measure_differences.py --real FOLDER

The records do not hold the labels of real images, so chapters cannot pair the scores themselves.
Several seeds are compared by their mean scores. Images are resampled by patient, seeds are not: the
intervals do not contain the variation between them. Only numbers are written.
"""

import tempfile
from pathlib import Path

import numpy as np
import real_images
from record_runs import SHARED, TEACHERS
from scipy.special import logit, softmax

from xraylab import data, evaluation, io, metrics, results

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "book" / "measured" / "differences.json"
SCORES = ("macro_auc", "micro_auc")


def seeds(name, count):
    """Return the names of the records of several seeds."""
    return [name, *(f"{name}_seed{seed}" for seed in range(1, count))]


PAIRS = {
    "mxa_m0": (["efficientvit_m0_64_nih_scratch"], ["efficientvit_m0_mxa_64_nih_scratch"]),
    "mxa_m5": (["efficientvit_m5_64_nih_scratch"], ["efficientvit_m5_mxa_64_nih_scratch"]),
    "seed": [[name] for name in seeds("efficientvit_m0_mxa_64_nih_scratch", 2)],
    "distillation": (
        seeds("efficientvit_m0_mxa_64_nih_scratch", 3),
        seeds("efficientvit_m0_mxa_64_nih_kd", 3),
    ),
    "medvit": (["efficientvit_m0_64_nih_scratch"], ["medvit_small_64_nih_scratch"]),
}
"""Records that are compared, the first and the second: names of one or several seeds each."""


def load_splits(real):
    """Return the images of all records, at 64 and 128 pixels and those at 64 that both share."""
    splits = [
        *real_images.load(real, "val", "test"),
        *real_images.load(real, "val", "test", name="nih_128.npz"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder) / SHARED
        real_images.write_shared(real, shared)
        options = {"table": shared.with_suffix(".csv"), "on_suspect": None}
        splits += [data.load(shared, split=split, **options) for split in ("val", "test")]
    return splits


def main():
    options = real_images.parser(__doc__, OUT).parse_args()
    splits = load_splits(options.real)
    tests = {split.fingerprint: split for split in splits if split.split == "test"}

    def load(names):
        paths = [ROOT / "book" / "results" / f"{name}.json" for name in names]
        return [results.load_result(path, splits) for path in paths]

    def images(runs):
        return tests[runs[0].data["test"].fingerprint]

    def probabilities(runs):
        return np.stack([run.predictions["test"].probabilities for run in runs])

    def compare(test, first, second):
        arguments = {"patients": test.table["patient"], "progress": False}
        return evaluation.compare(test.labels, first, second, scores=SCORES, **arguments)

    differences = {}
    for title, pair in PAIRS.items():
        first, second = map(load, pair)
        test = images(first)
        np.testing.assert_array_equal(test.labels, images(second).labels)
        differences[title] = {
            "num_test": len(test),
            "first": [run.name for run in first],
            "second": [run.name for run in second],
            "macro_aucs": [[r.scores["test"].macro_auc for r in runs] for runs in (first, second)],
            **compare(test, probabilities(first), probabilities(second)),
        }

    runs = load(PAIRS["distillation"][0])
    test, students = images(runs), probabilities(runs)
    teachers = probabilities(load(TEACHERS)).mean(axis=0)
    differences["distillation"] |= {
        "teachers": TEACHERS,
        "teachers_macro_auc": metrics.score(test.labels, teachers).macro_auc,
        "students_macro_auc": metrics.score(test.labels, students.mean(axis=0)).macro_auc,
        "teachers_minus_students": compare(test, students, teachers)["macro_auc"],
    }
    [sigmoid] = probabilities(load(PAIRS["medvit"][1]))
    divided = softmax(logit(sigmoid), axis=1)
    differences["softmax"] = {
        "macro_aucs": [metrics.score(test.labels, p).macro_auc for p in (sigmoid, divided)],
        **compare(test, sigmoid[None], divided[None]),
    }
    io.write_json(options.out, differences)
    print(options.out.read_text())


if __name__ == "__main__":
    main()
