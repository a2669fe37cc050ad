"""Measure an ensemble of recorded runs on real images, for the book's results chapter.

::

    python tools/measure_ensemble.py --real FOLDER

Members are chosen by the macro AUC of their ensemble on the validation images, among all sets of
two or three recorded runs; the chosen set is scored on the test images, and again whenever runs are
added, which the interval does not include. The ensemble sums
logits that are standardized by finding with mean and deviation on the validation images: models
with different losses have logits of different scale. The ensemble of all candidates, for which
nothing is chosen, is scored beside it. The paired difference from the best single run, by
validation score, has an interval by patient. Only numbers are written.
"""

import itertools

import numpy as np
import real_images
from scipy.special import expit

from xraylab import metrics, results


def standardized(record, split):
    """Return the logits of a record, (n, 14), standardized on its validation images."""
    val = record.predictions["val"].logits
    return (record.predictions[split].logits - val.mean(axis=0)) / val.std(axis=0)


def combine(members, split):
    """Return scores in (0, 1), (n, 14), that rank images as the ensemble does."""
    return expit(np.mean([standardized(record, split) for record in members], axis=0))


def main():
    parser = real_images.parser(__doc__, "ensemble.json")
    parser.add_argument("--records", default="*_64_nih_*", help="names of the candidates")
    options = parser.parse_args()
    val, test = real_images.load(options.real, "val", "test")
    paths = sorted(real_images.RESULTS.glob(f"{options.records}.json"))
    records = [results.load_result(path, (val, test)) for path in paths]
    # Students of an ensemble are no independent members of another one.
    records = [record for record in records if record.recipe["objective"] != "distillation"]

    def validation_score(members):
        return metrics.score(val.labels, combine(members, "val")).macro_auc

    candidates = [c for size in (2, 3) for c in itertools.combinations(records, size)]
    chosen = max(candidates, key=validation_score)
    single = max(records, key=lambda record: validation_score([record]))
    alone = combine([single], "test")

    def score(members):
        scores = combine(members, "test")
        return {
            "members": [record.name for record in members],
            "val_macro_auc": validation_score(members),
            "test_macro_auc": real_images.macro_auc(test, scores),
            "difference": real_images.macro_auc(test, scores, minus=alone),
        }

    values = {
        **score(chosen),
        "candidates": len(candidates),
        "single": single.name,
        "single_val_macro_auc": validation_score([single]),
        "all": score(records),
    }
    real_images.write(options.out, values)


if __name__ == "__main__":
    main()
