"""Compare recorded runs on real images by paired bootstrap, for the book.

::

    python tools/measure_differences.py --real FOLDER

The records do not hold the labels of real images, so chapters cannot pair the scores themselves.
Several seeds are compared by their mean scores. Images are resampled by patient, seeds are not: the
intervals do not contain the variation between them. Only numbers are written.
"""

import numpy as np
import real_images
from record_runs import STUDENTS, seeds
from scipy.special import softmax

from xraylab import evaluation, metrics, results

SCORES = ("macro_auc", "micro_auc")

DISTILLED = {
    "efficientvit_m0_mxa": 3,
    "rr_vit": 3,
    "dbct": 1,
    "medvit_small": 1,
    "efficientvit_m0": 3,
}
"""Students of a distillation, and their seeds."""

PAIRS = {
    "mxa_m0": (
        seeds("efficientvit_m0_64_nih_scratch", 3),
        seeds("efficientvit_m0_mxa_64_nih_scratch", 3),
    ),
    "mxa_m5": (["efficientvit_m5_64_nih_scratch"], ["efficientvit_m5_mxa_64_nih_scratch"]),
    "seed": [[name] for name in seeds("efficientvit_m0_mxa_64_nih_scratch", 2)],
    **{
        f"distillation_{name}": (
            seeds(f"{name}_64_nih_scratch", count),
            seeds(f"{name}_64_nih_kd", count),
        )
        for name, count in DISTILLED.items()
    },
    **{
        f"pretraining_{name}": ([f"{name}_64_nih_scratch"], [f"{name}_64_nih_from_phantom7"])
        for name in ("rr_vit", "efficientvit_m0", "efficientvit_m0_mxa", "densenet121")
    },
    "medvit": (seeds("efficientvit_m0_64_nih_scratch", 3), ["medvit_small_64_nih_scratch"]),
    "hybrid_rr_vit": (seeds("rr_vit_64_nih_scratch", 3), ["hybrid_rr_vit_64_nih_scratch"]),
    "size_m0": (["efficientvit_m0_64_nih4500_scratch"], ["efficientvit_m0_128_nih4500_scratch"]),
    "size_rr_vit": (["rr_vit_64_nih4500_scratch"], ["rr_vit_128_nih4500_scratch"]),
}
"""Records that are compared, the first and the second: names of one or several seeds each."""


def main():
    options = real_images.parser(__doc__, "differences.json").parse_args()
    splits = []
    for name in ("nih_64.npz", "nih_128.npz", real_images.SHARED):
        splits += real_images.load(options.real, "val", "test", name=name)
    tests = {split.fingerprint: split for split in splits if split.split == "test"}

    def load(names):
        paths = [real_images.RESULTS / f"{name}.json" for name in names]
        return [results.load_result(path, splits) for path in paths]

    def images(runs):
        [fingerprint] = {run.data["test"].fingerprint for run in runs}
        return tests[fingerprint]

    def probabilities(runs):
        return np.stack([run.predictions["test"].probabilities for run in runs])

    def compare(test, first, second):
        arguments = {"patients": test.table["patient"], "progress": False}
        return evaluation.compare(test.labels, first, second, scores=SCORES, **arguments)

    def macro_auc(predictions):
        return metrics.score(test.labels, predictions).macro_auc

    differences = {}
    loaded = {title: [load(names) for names in pair] for title, pair in PAIRS.items()}
    for title, (first, second) in loaded.items():
        test = images(first)
        np.testing.assert_array_equal(test.labels, images(second).labels)
        differences[title] = {
            "num_test": len(test),
            "first": [run.name for run in first],
            "second": [run.name for run in second],
            "macro_aucs": [[r.scores["test"].macro_auc for r in runs] for runs in (first, second)],
            **compare(test, probabilities(first), probabilities(second)),
        }

    [medvit] = loaded["medvit"][1]
    test = images([medvit])
    for name in DISTILLED:
        teachers = probabilities(load(STUDENTS[name])).mean(axis=0)
        students = probabilities(loaded[f"distillation_{name}"][0])
        differences[f"distillation_{name}"] |= {
            "teachers": STUDENTS[name],
            "teachers_macro_auc": macro_auc(teachers),
            "students_macro_auc": macro_auc(students.mean(axis=0)),
            "teachers_minus_students": compare(test, students, teachers)["macro_auc"],
        }
    sigmoid = medvit.predictions["test"].probabilities
    divided = softmax(medvit.predictions["test"].logits.astype(np.float64), axis=1)
    differences["softmax"] = {
        "macro_aucs": [macro_auc(sigmoid), macro_auc(divided)],
        **compare(test, sigmoid[np.newaxis], divided[np.newaxis]),
    }
    real_images.write(options.out, differences)


if __name__ == "__main__":
    main()
