"""Evaluation of a model or a run on a split: predictions, scores, intervals and baselines."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from xraylab import data, io, metrics
from xraylab.arguments import invalid_argument, require, require_choice
from xraylab.evaluation.intervals import Interval, bootstrap
from xraylab.findings import match_labels

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from xraylab.training import Run


_OF_ARRAYS = (
    "Score labels y and probabilities p of any other images with evaluation.bootstrap(y, p), or "
    "make a split of arrays: data.Split(images, labels, label_names=[…], split='test')."
)


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Scores of a model on a split, with intervals and baselines.

    Attributes:
        source: data the images come from.
        split: name of the split.
        simulated: whether the images are simulated.
        fingerprint: hex digest of images and labels.
        score: the :class:`xraylab.metrics.Score`, which includes the baselines.
        intervals: 95 % bootstrap intervals by score name, see :func:`bootstrap`; resampled by
            patient where the source identifies patients.
        unmatched: labels of the split that the model does not predict, which are not scored.
        run: the run's folder; None for a model that is not from a run.
        weights: ``"best"`` or ``"last"``; None for such a model.
        epochs: epochs the run has finished; None for such a model.
    """

    source: str
    split: str
    simulated: bool
    fingerprint: str
    score: metrics.Score
    intervals: dict[str, Interval]
    unmatched: tuple[str, ...] = ()
    run: str | None = None
    weights: str | None = None
    epochs: int | None = None

    def __repr__(self) -> str:
        kind = "SIMULATED images" if self.simulated else "images"
        of = f"{self.score.num_images:,} {kind} of {self.source}, {self.split} split"
        baseline = max(constant.macro_auc for constant in self.score.baselines)
        macro_auc = f"macro AUC {self.intervals['macro_auc']:.3f}, best baseline {baseline:.3f}"
        return f"Evaluation on {of}: {macro_auc}; all scores: to_frame()"

    def to_frame(self) -> "pd.DataFrame":
        """Return all scores with their intervals as a table.

        Returns:
            A row for each of :attr:`intervals`, with ``value``, ``low`` and ``high``. The scores of
            each label are ``pandas.DataFrame(evaluation.score.per_finding)``.
        """
        import pandas as pd  # half a second that few callers need

        return pd.DataFrame.from_dict(self.intervals, orient="index")


def predict(
    model: "keras.Model", split: data.Split | np.ndarray, batch_size: int = 128
) -> np.ndarray:
    """Predict the probability of every label for every image.

    Shapes:
        returns: (num_images, num_labels) float64 in [0, 1], in the order of the split. In float32,
        neighboring logits could share a probability, which changes AUC.

    Args:
        model: a model of :func:`xraylab.models.build`, or another Keras model that returns logits.
        split: a :class:`xraylab.data.Split` with the model's image size; for a model of xraylab
            also an array (num_images, size, size, 1) of floats in [0, 1].
        batch_size: images per step; it does not change the result.

    Raises:
        ValueError: for other kinds of data, if the images do not have the model's size, or another
            Keras model returns probabilities.
    """
    from xraylab.models import predict_logits

    is_array = isinstance(split, np.ndarray) and hasattr(model, "check_images")
    fits, received = isinstance(split, data.Split) or is_array, type(split).__name__
    require(fits, "split", "a split of xraylab.data", received, _OF_ARRAYS)
    logits = predict_logits(model, split, batch_size).astype(np.float64)
    if not hasattr(model, "classifier_activation") and 0 <= logits.min() <= logits.max() <= 1:
        received = f"values from {logits.min():.3g} to {logits.max():.3g}"
        hint = "These look like probabilities: score them with evaluation.bootstrap(split.labels, "
        hint += "p), p = model.predict(split.arrays()[0]), or leave out the last activation."
        raise invalid_argument("model", "a model that returns logits", received, hint)
    return expit(logits)


def evaluate(
    model: "keras.Model | Run | str | Path",
    split: str | data.Split = "test",
    labels: None = None,
    *,
    source: str | Path | None = None,
    data_options: dict[str, Any] | None = None,
    weights: str = "best",
    match: str = "order",
    prevalence: ArrayLike | None = None,
    replicates: int = 1000,
    progress: bool = True,
) -> Evaluation:
    """Score a model or a run on a split, with bootstrap intervals and baselines.

    Args:
        model: a model as for :func:`predict`, a :class:`xraylab.training.Run`, or the path of a
            run's folder.
        split: a :class:`xraylab.data.Split`; for a run also ``"train"``, ``"val"`` or ``"test"``,
            which is loaded by the run's recipe: ``"train"`` are the images it was trained on.
        labels: None, as a split has its labels. Those of arrays are scored by
            ``bootstrap(labels, predict(model, images))``.
        source: data set to load the named split from, instead of the recipe's.
        data_options: further arguments of :func:`xraylab.data.load`, such as ``{"root": "images"}``
            for a folder that has moved; they override those of the recipe.
        weights: which weights of a run, ``"best"`` or ``"last"``.
        match: ``"order"`` if the images have the model's labels in its order; ``"names"`` scores
            the labels that both have, matched by :func:`xraylab.findings.match_labels`, so that a
            model of CheXpert is scored on the 7 labels that it shares with ChestX-ray14. A model
            knows its labels (``model.label_names``) if it or its weights come from a run.
        prevalence: (num_labels,) prevalence in the training images by label of the model, for the
            baselines; by default that of the run's training images, or for a model that of
            ``split``.
        replicates: bootstrap resamples behind the intervals.
        progress: whether to show progress bars.

    Returns:
        :class:`Evaluation`. For a run's own images and best weights it is also written to
        ``scores-SPLIT.json`` in the run's folder.

    Raises:
        FileNotFoundError: if there is no run, or it has no weights yet.
        ValueError: as :func:`xraylab.data.load`; for a model without a split; if an argument would
            be ignored (``source`` and ``data_options`` beside a loaded split, ``weights`` of a
            model); if the images have other labels than the model and ``match`` is ``"order"``; or
            if there is no match.
    """
    from xraylab.training.run import Run, load_images

    require_choice("match", match, ("order", "names"))
    require(labels is None, "labels", "a split, with its labels", "images and labels", _OF_ARRAYS)
    run = Run(model) if isinstance(model, str | Path) else model
    if isinstance(split, data.Split):
        loaded = source is None and not data_options
        received = [source, data_options]
        require(loaded, "source and data_options", "none beside a loaded split", received)
    if not isinstance(run, Run):
        require(weights == "best", "weights", "no value for a model, which has its own", weights)
    of_run, stored = {}, False
    if isinstance(run, Run):
        run.require_classifier()
        of_run = {"run": str(run.path), "weights": weights, "epochs": len(run.history)}
        model = run.load_model(weights)
        if prevalence is None:
            prevalence = run.facts["train_prevalence"]
        if not isinstance(split, data.Split):
            recipe, options = run.recipe, {"progress": progress, **(data_options or {})}
            if source is not None:  # a path becomes absolute, as that of the run's own file is
                recipe = recipe.replace(data=source)
            if recipe.data == run.recipe.data:
                stored = weights == "best" and {*options} <= {"root", "progress"}
                split = load_images(recipe, split, **options)
            else:
                named = recipe.data in data.NAMED_SOURCES and recipe.data != "folder"
                options.setdefault("size", recipe.size)
                if match == "order" and not named:
                    options.setdefault("label_names", recipe.label_names)
                split = data.load(recipe.data, split=split, **options)
    elif not isinstance(split, data.Split):
        expected = "a split of xraylab.data.load for a model that is not from a run"
        received = repr(split) if isinstance(split, str) else type(split).__name__
        raise invalid_argument("split", expected, received, _OF_ARRAYS)
    columns, indices = _match_labels(model, split, match)
    scored = split.labels[:, columns], predict(model, split)[:, indices]
    if prevalence is not None:
        prevalence = np.asarray(prevalence)[indices]
    names = {"label_names": [split.label_names[k] for k in columns]}
    resampling = {"patients": split.column("patient"), "progress": progress}
    result = Evaluation(
        source=split.source,
        split=split.split,
        simulated=split.simulated,
        fingerprint=split.fingerprint,
        score=metrics.score(*scored, prevalence=prevalence, **names),
        intervals=bootstrap(*scored, replicates, **names, **resampling),
        unmatched=tuple(name for name in split.label_names if name not in names["label_names"]),
        **of_run,
    )
    if stored:
        io.write_json(run.path / f"scores-{result.split}.json", result)
    return result


def _match_labels(model: Any, split: data.Split, match: str) -> tuple[list[int], Any]:
    """Return the columns of a split's labels to score, and of the model's outputs for them."""
    known, found = tuple(getattr(model, "label_names", None) or ()), split.label_names
    received = f"images with the labels {', '.join(found)}"
    expected = "images with the model's labels " + ", ".join(known)
    if match == "order":
        hint = 'Pass match="names" to score the labels that both have, or, if the model was '
        hint += "trained for the labels of these images, set model.label_names."
        require(known in ((), found), "split", expected, received, hint)
        # Another number of outputs is an error of the scores.
        return list(range(len(found))), slice(None)
    hint = "Set model.label_names to the names of its outputs."
    require(known, "model", "a model with label_names, such as that of a run", "none", hint)
    indices = match_labels(found, known)
    columns = [column for column, index in enumerate(indices) if index is not None]
    require(columns, "split", f"some of these: {expected}", received)
    return columns, [indices[column] for column in columns]
