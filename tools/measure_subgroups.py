"""Score the models whose weights ship on real images by sex, age and projection, for chapter 17.

::

    python tools/measure_subgroups.py --real FOLDER       # three minutes on one core

The predictions are those of the records, on the test images of the NIH subset. A finding is scored
in the groups of a kind if each of them has at least :data:`MIN_PATIENTS` patients with it: images
of one patient are alike, so that patients limit the precision. The rule depends on labels only, and
so does the choice of two groups by age: more would leave few findings, as ``age_bands`` counts.

Differences between groups are macro averages over the same findings. Patients are resampled with
all their images, jointly for all groups and models, because a patient may have images in both
groups. The interval of one model in one group is that of :func:`xraylab.evaluation.by_group`.
p-values are corrected by Holm's method within ``mean`` (the mean of the models), ``by_model`` and
``by_finding`` (each finding, mean of the models).

Sensitivity and specificity are those at the operating points that ship with the weights, which were
chosen on validation images.

The AUC of all images counts pairs of images with and without a finding. The AUC within projections
counts only pairs of the same projection, which the projection cannot order. ``alone`` is the AUC of
the prevalence among the training images of the same projection, as a prediction of the finding.
Only numbers over many images are written.
"""

from dataclasses import asdict

import numpy as np
import pandas as pd
import real_images

from xraylab import evaluation, io, results
from xraylab.evaluation.intervals import score_resamples
from xraylab.findings import FINDINGS
from xraylab.metrics.ranking import Ranking, divide, mean_of_defined

LEVEL, REPLICATES, MIN_PATIENTS = 0.95, 10_000, 10
RULES = ("f1", "sensitivity")
"""Rules of the shipped thresholds; the first is the default of ``xraylab predict``."""

SCORES = (
    "roc_auc",
    *(f"{kind}_{rule}" for rule in RULES for kind in ("sensitivity", "specificity")),
)
KINDS = {"sex": ("M", "F"), "age": ("below 50", "50 and over"), "projection": ("PA", "AP")}
"""The groups of each kind; differences are the second minus the first."""

AGE_BANDS = ((50,), (40, 60), (20, 40, 60, 80))
"""Divisions by age that were considered: the lowest ages of all bands but the first."""


def groups(table):
    """Return the name of the group of each image, by kind."""
    age = np.where(table["age"] < 50, *KINDS["age"])
    return {"sex": table["sex"], "age": age, "projection": table["view"]}


class GroupScores:
    """Scores of one model by group and finding, under many weights of the images.

    Shapes:
        y_true: (num_images, k), 0 or 1.
        probabilities: (num_images, k), in [0, 1].
        thresholds: by rule of :data:`RULES` (k,).
        masks: each (num_images,) bool, the images of one group.
    """

    def __init__(self, y_true, probabilities, thresholds, masks):
        self.num_images, self._groups = len(y_true), []
        for mask in masks:
            positive, predicted = y_true[mask] == 1, probabilities[mask]
            fractions = []
            for rule in RULES:
                called = predicted > np.asarray(thresholds[rule], float)
                fractions += [(called & positive, positive), (~called & ~positive, ~positive)]
            rankings = [Ranking(*column) for column in zip(positive.T, predicted.T, strict=True)]
            counted = np.asarray(fractions, float)  # integers have no fast matrix product
            self._groups.append((mask, rankings, counted))

    def score(self, weights):
        """Compute :data:`SCORES` and the number of pairs that the AUC compares.

        Shapes:
            weights: (rows, num_images), integers.
            returns: (rows, groups, scores + 1, k), NaN where undefined.
        """
        found = []
        for mask, rankings, counted in self._groups:
            of_group = weights[:, mask]
            areas = np.transpose([ranking.areas(of_group)[0] for ranking in rankings])
            hits, counts = np.moveaxis(of_group.astype(float) @ counted, 1, 0)
            pairs = counts[0] * counts[1]
            found.append(np.stack([areas, *divide(hits, counts), pairs], axis=1))
        return np.stack(found, axis=1)


def within(areas, pairs):
    """Return the AUC over pairs of images of the same group; groups are on the first axis."""
    return divide(np.nansum(areas * pairs, axis=0), pairs.sum(axis=0))


def interval(replicates):
    """Return the interval of a score; row 0 is that of the images."""
    return evaluation.Interval.from_replicates(replicates, LEVEL)


def comparison(pair):
    """Return a score in two groups, (2, 1 + replicates), and the second minus the first."""
    difference = evaluation.Difference.from_replicates(pair[1] - pair[0], LEVEL)
    return {"groups": [interval(one) for one in pair], "difference": asdict(difference)}


def correct(rows):
    """Add Holm's p-values over all differences of the rows."""
    adjusted = evaluation.holm([row["difference"]["p_value"] for row in rows])
    for row, value in zip(rows, adjusted, strict=True):
        row["difference"]["holm"] = value
    return rows


def describe(y_true, table, mask):
    """Count the images and patients of a group, and those with each finding."""
    patients, labels = table["patient"][mask], y_true[mask] == 1
    per_image = labels.sum(axis=1)
    return {
        "num_images": int(mask.sum()),
        "num_patients": len(np.unique(patients)),
        "positives": labels.sum(axis=0),
        "positive_patients": [len(np.unique(patients[column])) for column in labels.T],
        "fraction_ap": (table["view"][mask] == "AP").mean(),
        "fraction_with_finding": (per_image > 0).mean(),
        "findings_per_abnormal_image": per_image[per_image > 0].mean(),
    }


def eligible(described):
    """Return the findings that enough patients of every group have."""
    fewest = np.min([group["positive_patients"] for group in described], axis=0)
    return np.flatnonzero(fewest >= MIN_PATIENTS).tolist()


def count_findings(y_true, table, edges):
    """Return how many findings a division into age bands leaves."""
    band = np.digitize(table["age"], edges)
    return len(eligible([describe(y_true, table, band == i) for i in range(len(edges) + 1)]))


def by_prevalence(train, test):
    """Predict the prevalence among the training images of the same projection, (n, k)."""
    prevalence = pd.DataFrame(train.labels).groupby(train.table["view"]).mean()
    return prevalence.loc[test.table["view"]].to_numpy()


def macro(scores, findings):
    """Return the mean over findings, the last axis; NaN values are left out."""
    return mean_of_defined(scores[..., findings], axis=-1)


def draw(train, test, records):
    """Score all images and every group, as they are and resampled by patient.

    Shapes:
        returns: (models, 1 + replicates, 1 + groups, scores + 1, k), and without the first axis for
        the projection alone. The first group has all images; see :meth:`GroupScores.score`.
    """
    names = groups(test.table)
    masks = [names[kind] == name for kind, pair in KINDS.items() for name in pair]
    masks = [np.ones(len(test), bool), *masks]
    scorers = []
    for record in records:
        points = {rule: [p.threshold for p in record.operating_points[rule]] for rule in RULES}
        probabilities = record.predictions["test"].probabilities
        scorers.append(GroupScores(test.labels, probabilities, points, masks))
    undefined = dict.fromkeys(RULES, np.full(len(FINDINGS), np.nan))
    scorers.append(GroupScores(test.labels, by_prevalence(train, test), undefined, masks))
    *models, alone = score_resamples(scorers, REPLICATES, LEVEL, patients=test.table["patient"])
    return np.stack(models), alone


def of_kind(scores, kind):
    """Return the scores in the two groups of a kind, on the first axis, of those of one model."""
    first = 1 + 2 * [*KINDS].index(kind)
    return np.moveaxis(scores[:, first : first + 2], 1, 0)


def by_kind(scores, findings):
    """Compare the groups of every kind by every score, as means over the findings of the kind."""
    return [
        {"kind": kind, "score": score, **comparison(macro(of_kind(scores, kind)[:, :, i], chosen))}
        for kind, chosen in findings.items()
        for i, score in enumerate(SCORES)
    ]


def by_projection(scores, findings):
    """Compare the AUC of all images with that within projections, as means over findings."""
    pair = of_kind(scores, "projection")
    inside = macro(within(pair[:, :, 0], pair[:, :, -1]), findings)
    pooled = macro(scores[:, 0, 0], findings)
    return {
        "pooled": interval(pooled),
        "within": interval(inside),
        "difference": asdict(evaluation.Difference.from_replicates(pooled - inside, LEVEL)),
        "share": interval((pooled - inside) / (pooled - 0.5)),
    }


def alone_in_group(record, test, kind, findings):
    """Return the macro AUC of one model in the groups of a kind, each resampled alone."""
    found = evaluation.by_group(
        test.labels[:, findings],
        record.predictions["test"].probabilities[:, findings],
        groups(test.table)[kind],
        label_names=[FINDINGS[k] for k in findings],
        patients=test.table["patient"],
        replicates=REPLICATES,
    )
    return [next(group.score for group in found if group.name == name) for name in KINDS[kind]]


def measure(train, test, records):
    """Return all numbers of the file."""
    y_true, table, names = test.labels, test.table, groups(test.table)
    described = {
        kind: [describe(y_true, table, names[kind] == name) for name in pair]
        for kind, pair in KINDS.items()
    }
    findings = {kind: eligible(found) for kind, found in described.items()}
    enough = eligible([describe(y_true, table, np.ones(len(test), bool))])
    by_record, alone = draw(train, test, records)
    mean, models = by_record.mean(axis=0), [record.recipe["model"] for record in records]
    by_model = []
    for record, model, scores in zip(records, models, by_record, strict=True):
        rows = by_kind(scores, findings)
        for row in rows:
            if row["score"] == "roc_auc":
                kind = row["kind"]
                row["groups"] = alone_in_group(record, test, kind, findings[kind])
        by_model += [{"model": model, **row} for row in rows]
    return {
        "num_images": len(test),
        "num_patients": len(np.unique(table["patient"])),
        "replicates": REPLICATES,
        "min_patients": MIN_PATIENTS,
        "models": models,
        "age_bands": [
            {"edges": edges, "num_findings": count_findings(y_true, table, edges)}
            for edges in AGE_BANDS
        ],
        "groups": {
            kind: {
                "names": pair,
                "findings": [FINDINGS[k] for k in findings[kind]],
                "described": described[kind],
            }
            for kind, pair in KINDS.items()
        },
        "mean": correct(by_kind(mean, findings)),
        "by_model": correct(by_model),
        "by_finding": correct(
            [
                {"finding": FINDINGS[k], **row}
                for kind, chosen in findings.items()
                for k in chosen
                for row in by_kind(mean, {kind: [k]})
            ]
        ),
        "projection": {
            "alone": {
                "mean": interval(macro(alone[:, 0, 0], enough)),
                **{FINDINGS[k]: interval(alone[:, 0, 0, k]) for k in enough},
            },
            "mean": by_projection(mean, enough),
            "by_model": correct(
                [
                    {"model": model, **by_projection(scores, enough)}
                    for model, scores in zip(models, by_record, strict=True)
                ]
            ),
            "by_finding": correct(
                [{"finding": FINDINGS[k], **by_projection(mean, [k])} for k in enough]
            ),
        },
    }


def main():
    options = real_images.parser(__doc__, "subgroups.json").parse_args()
    train, val, test = real_images.load(options.real, "train", "val", "test")
    shipped = io.read_json(real_images.BOOK.parent / "weights" / "manifest.json")
    paths = [real_images.RESULTS / f"{each['record']}.json" for each in shipped.values()]
    records = [results.load_result(path, (val, test)) for path in paths]
    real_images.write(options.out, measure(train, test, records))


if __name__ == "__main__":
    main()
