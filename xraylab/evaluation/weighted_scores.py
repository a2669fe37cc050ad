"""Scores of predictions under many weights of the images, such as those of resamples."""

import numpy as np

from xraylab.arguments import did_you_mean, require
from xraylab.metrics import Ranking, check_predictions, name_labels
from xraylab.metrics.ranking import mean_of_defined
from xraylab.metrics.scores import Thresholded

AT_THRESHOLD = ("accuracy", "exact_match", "macro_f1", "micro_f1")
"""Scores of predictions at threshold 0.5."""

SCORES = ("macro_auc", "micro_auc", "average_precision", *AT_THRESHOLD)
"""Scores over all labels that have intervals."""


class MeanScores:
    """The mean of the scores of one or more models, under many weights of the images."""

    def __init__(self, y_true, probabilities, label_names, scores):
        models = probabilities if np.ndim(probabilities) == 3 else [probabilities]
        require(len(models), "probabilities", "at least one model", "none")
        self._models = [_ScoresByWeight(y_true, each, label_names, scores) for each in models]
        self.names, self.num_images = self._models[0].names, self._models[0].num_images

    def score(self, weights):
        """Compute the mean scores under each row of weights: (rows, num_scores)."""
        return np.mean([model.score(weights) for model in self._models], axis=0)


class _ScoresByWeight:
    """Scores of one model, whose predictions are sorted once, under many weights of the images."""

    def __init__(self, y_true, probabilities, label_names, scores):
        y_true, known, probabilities = check_predictions(y_true, probabilities)
        self.num_images, num_labels = y_true.shape
        labels = name_labels(label_names, num_labels)
        clash = ", ".join({*labels} & {*SCORES})
        require(not clash, "label_names", "names other than those of scores", clash)
        choices = (*SCORES, *labels)
        scores = (scores,) if isinstance(scores, str) else scores
        self.names = choices if scores is None else tuple(scores)
        unknown = [name for name in self.names if name not in choices]
        hint = did_you_mean(unknown[0], choices, 2) if unknown else None
        expected, received = f"names from {', '.join(choices)}", list(self.names)
        require(self.names and not unknown, "scores", expected, received, hint)
        self._rankings = {}  # name: (rows with a known label, their ranking)
        for k, name in enumerate(labels):
            if {"macro_auc", "average_precision", name} & set(self.names):
                rows = np.flatnonzero(known[:, k])
                self._rankings[name] = rows, Ranking(y_true[rows, k], probabilities[rows, k])
        self._pooled = None
        if "micro_auc" in self.names:
            self._pooled = np.nonzero(known)[0], Ranking(y_true[known], probabilities[known])
        self._thresholded = Thresholded(y_true, known, probabilities)

    def score(self, weights):
        """Compute the scores under each row of weights: (rows, num_scores)."""
        areas = {
            name: ranking.areas(weights[:, rows])
            for name, (rows, ranking) in self._rankings.items()
        }
        found = {name: area for name, (area, _) in areas.items()}
        if areas:
            macro = mean_of_defined(list(areas.values()), axis=0)
            found["macro_auc"], found["average_precision"] = macro
        if self._pooled is not None:
            rows, ranking = self._pooled
            found["micro_auc"], _ = ranking.areas(weights[:, rows])
        if {*AT_THRESHOLD} & set(self.names):
            found |= self._thresholded.score(weights)
        return np.stack([found[name] for name in self.names], axis=1)
