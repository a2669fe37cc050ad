"""Measure distillation into a linear student on real images, for the book's chapter on it.

::

    python tools/measure_distillation.py --real FOLDER

The teacher is a recorded run with Platt scaling. The student is a logistic regression on principal
components of the images at 16 px. It learns from validation images, which the teacher was not
trained on, and is scored on the test images. All targets have the same subsets of images, and the
strength of the weight decay is chosen for each by the macro AUC on validation images that no
student learns from. Only numbers are written.
"""

import numpy as np
import real_images
from scipy.special import expit

from xraylab import evaluation, metrics, results

COUNTS, COMPONENTS, DECAYS, HELD_OUT = (100, 200, 400, 800), 40, (1, 10, 100, 1000), 475


def features(splits):
    """Return standardized principal components of the images of all splits, and a constant."""
    small = [split.images[:].reshape(-1, 16, 4, 16, 4).mean(axis=(2, 4)) / 255 for split in splits]
    flat = [x.reshape(len(x), -1) for x in small]
    mean = flat[0].mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(flat[0] - mean, rowvar=False))
    scale = vectors[:, -COMPONENTS:] / np.sqrt(values[-COMPONENTS:])
    return [np.c_[(x - mean) @ scale, np.ones(len(x))] for x in flat]


def fit(x, target, decay):
    """Fit one logistic regression per label by Newton's method, (components + 1, labels)."""
    weights = np.zeros((x.shape[1], target.shape[1]))
    penalty = decay * np.diag(np.r_[np.ones(COMPONENTS), 1e-3])
    for k, wanted in enumerate(target.T):
        for _ in range(8):
            p = expit(x @ weights[:, k])
            slope = x.T @ (p - wanted) + penalty @ weights[:, k]
            weights[:, k] -= np.linalg.solve((x.T * (p * (1 - p))) @ x + penalty, slope)
    return weights


def targets(labels, teacher):
    """Return what the students learn, by name."""
    return {
        "labels": labels,
        "teacher": teacher,
        "both": (labels + teacher) / 2,
        "decisions and labels": (labels + (teacher >= 0.5)) / 2,
    }


def main():
    parser = real_images.parser(__doc__, "distillation.json")
    parser.add_argument("--teacher", default="densenet121_64_nih_scratch", help="name of a record")
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    train, val, test = real_images.load(options.real, "train", "val", "test")
    record = results.load_result(real_images.RESULTS / f"{options.teacher}.json", (val, test))
    logits = record.predictions["val"].logits.astype(np.float64)
    labels = np.asarray(val.labels, float)
    teacher = evaluation.calibration.fit_platt(labels, logits)(logits)
    _, x_val, x_test = features((train, val, test))
    scores = {name: [] for name in targets(labels, teacher)}
    for seed in range(options.repeats):
        rows = np.random.default_rng(seed).permutation(len(val))
        held_out, pool = rows[:HELD_OUT], rows[HELD_OUT:]
        for name, target in targets(labels, teacher).items():
            scores[name].append([])
            for count in COUNTS:
                fits = [fit(x_val[pool[:count]], target[pool[:count]], d) for d in DECAYS]
                aucs = [auc(val.labels[held_out], x_val[held_out], w) for w in fits]
                scores[name][-1].append(auc(test.labels, x_test, fits[int(np.argmax(aucs))]))
    values = {
        "teacher": record.name,
        "teacher_macro_auc": record.scores["test"].macro_auc,
        "num_test": len(test),
        "num_images": COUNTS,
        "components": COMPONENTS,
        "largest_teacher_probability": teacher.max(axis=0).tolist(),
        "teacher_decisions": (teacher >= 0.5).mean(axis=0).tolist(),
        "macro_auc": scores,
    }
    real_images.write(options.out, values)


def auc(labels, x, weights):
    """Return the macro AUC of a student."""
    return metrics.score(labels, expit(x @ weights)).macro_auc


if __name__ == "__main__":
    main()
