"""Keras metrics of multi-label classifiers, accumulated in histograms of logits."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from xraylab.losses.functions import Tensor, match_rank, prepare

_register = keras.saving.register_keras_serializable(package="xraylab")


def _areas(negatives, positives):
    """Compute the area under the ROC curve of each label; NaN where one class is missing.

    Shapes:
        negatives, positives: (num_labels, num_bins), weights by rising logit.
        returns: (num_labels,).
    """
    below = ops.cumsum(negatives, axis=-1) - negatives / 2
    num_pairs = ops.sum(negatives, axis=-1) * ops.sum(positives, axis=-1)
    return ops.sum(positives * below, axis=-1) / num_pairs


def _pooled_area(negatives, positives):
    """Compute the area of all labels together, (1,)."""
    return _areas(*(ops.sum(x, axis=0, keepdims=True) for x in (negatives, positives)))


def _average_precisions(negatives, positives):
    """Compute the average precision of each label; NaN where none is positive."""
    above = [ops.flip(ops.cumsum(ops.flip(x, -1), axis=-1), -1) for x in (negatives, positives)]
    precision = above[1] / ops.maximum(above[0] + above[1], keras.config.epsilon())
    return ops.sum(positives * precision, axis=-1) / ops.sum(positives, axis=-1)


class RankingMetric(keras.metrics.Metric):
    """Base class: count positive and negative labels by logit, in bins of width 1/256.

    The result is exactly that of scikit-learn on logits clipped to [-16, 16) and rounded down to
    multiples of 1/256. It differs by less than 1e-3 from that of the logits themselves if each
    label's logits have a standard deviation of at least 0.5. Bins of equal width in the logit,
    rather than in the probability, resolve the small probabilities of rare findings. The state has
    constant size, 64 kB per label.

    NaN labels are ignored. A label between 0 and 1, as from MixUp, counts as positive and negative
    in that proportion. Labels whose score is undefined are left out of the mean.

    Args:
        from_logits: whether predictions are logits, rather than probabilities.
    """

    limit, bins_per_logit = 16, 256
    _direction = "up"
    """Callbacks of Keras that monitor the metric maximise it."""
    default_name: str
    score: Callable[[Tensor, Tensor], Tensor]

    def __init__(self, from_logits: bool = True, name: str | None = None, dtype: Any = None):
        super().__init__(name=name or self.default_name, dtype=dtype)
        self.from_logits = from_logits
        self.counts = None

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Count the labels of a batch.

        Shapes:
            y_true: (batch, num_labels), in [0, 1]; NaN where unknown.
            y_pred: (batch, num_labels), logits or probabilities.
            sample_weight: (batch,) or (batch, num_labels).
        """
        y_true, weight, logits = prepare(y_true, ops.cast(y_pred, self.dtype), self.from_logits)
        if sample_weight is not None:
            weight = weight * match_rank(ops.cast(sample_weight, self.dtype), logits, rows=True)
        num_labels, num_bins = logits.shape[-1], 2 * self.limit * self.bins_per_logit
        if self.counts is None:
            self.counts = self.add_variable((num_labels, num_bins, 2), "zeros", name="counts")
        weight = ops.where(ops.isnan(logits), float("nan"), weight)  # XLA casts NaN to bin 0
        steps = ops.floor(ops.nan_to_num(logits) * self.bins_per_logit)
        bins = steps + self.limit * self.bins_per_logit
        bins = ops.cast(ops.clip(bins, 0, num_bins - 1), "int32")
        cells = ops.reshape(bins + num_bins * ops.arange(num_labels, dtype="int32"), (-1,))
        added = ops.reshape(ops.stack([(1 - y_true) * weight, y_true * weight], axis=-1), (-1, 2))
        added = ops.segment_sum(added, cells, num_labels * num_bins)
        self.counts.assign_add(ops.reshape(added, (num_labels, num_bins, 2)))

    def result(self) -> Tensor:
        """Return the score; NaN if it is defined for no label, or a prediction was NaN."""
        if self.counts is None:
            return ops.convert_to_tensor(float("nan"), self.dtype)
        counts = ops.convert_to_tensor(self.counts)
        scores = self.score(counts[..., 0], counts[..., 1])
        defined = ops.cast(~ops.isnan(scores), self.dtype)
        mean = ops.sum(ops.nan_to_num(scores)) / ops.sum(defined)
        return mean + 0.0 * ops.sum(counts)  # NaN if a prediction was

    def get_config(self) -> dict:
        """Return the constructor arguments."""
        return {**super().get_config(), "from_logits": self.from_logits}


@_register
class MacroAUC(RankingMetric):
    """Mean area under the ROC curve of the labels; see :class:`RankingMetric`."""

    default_name = "macro_auc"
    score = staticmethod(_areas)


@_register
class MicroAUC(RankingMetric):
    """Area under the ROC curve of all (image, label) pairs; see :class:`RankingMetric`."""

    default_name = "micro_auc"
    score = staticmethod(_pooled_area)


@_register
class MacroAveragePrecision(RankingMetric):
    """Mean average precision of the labels; see :class:`RankingMetric`."""

    default_name = "macro_average_precision"
    score = staticmethod(_average_precisions)
