"""A trained run on a split: predictions, scores, intervals, and the table that shows them."""

from dataclasses import asdict, dataclass, replace

import numpy as np

from xraylab import metrics
from xraylab.evaluation.intervals import Interval, bootstrap
from xraylab.models import predict_logits, sigmoid
from xraylab.training.run import Run, load_images, write_json


@dataclass(frozen=True)
class Evaluation:
    """The scores of one run on one split, with intervals.

    Attributes:
        run: folder of the run.
        source: data the images come from.
        split: name of the split.
        simulated: whether the images are simulated.
        weights: which weights were scored.
        epochs: epochs finished when they were.
        score: the :class:`xraylab.metrics.Score`.
        intervals: 95 % bootstrap intervals, as :func:`bootstrap` returns them; over patients where
            the source knows them.
        fingerprint: hex digest of the images and labels.
    """

    run: str
    source: str
    split: str
    simulated: bool
    weights: str
    epochs: int
    score: metrics.Score
    intervals: dict[str, Interval]
    fingerprint: str

    def to_dict(self):
        """Return everything as plain values, NaN as None, ready for JSON."""
        facts = {k: v for k, v in vars(self).items() if k not in ("score", "intervals")}
        intervals = {
            name: {k: None if np.isnan(v) else v for k, v in asdict(interval).items()}
            for name, interval in self.intervals.items()
        }
        return {**facts, "score": self.score.to_dict(), "intervals": intervals}


def patients_of(split):
    """Return whose image each is, where the source knows, else None.

    Shapes:
        returns: (num_images,).
    """
    table = split.table
    return table["patient"] if table is not None and "patient" in table.dtype.names else None


def predict(model, split, batch_size=128):
    """Return a model's probabilities for every image.

    Shapes:
        returns: (num_images, num_labels) float32 in [0, 1], in the split's order.

    Args:
        model: a model of :func:`xraylab.models.build`.
        split: a :class:`xraylab.data.Split` of the model's image size.
        batch_size: images a step; it does not change the answers.

    Raises:
        ValueError: if the images are not of the size the model takes.
    """
    return sigmoid(predict_logits(model, split, batch_size))


def evaluate(
    path,
    split="test",
    *,
    source=None,
    data_options=None,
    weights="best",
    replicates=1000,
    progress=True,
):
    """Score a run on a split and keep the result in the run's folder.

    Args:
        path: the run's folder.
        split: ``"train"``, ``"val"`` or ``"test"``.
        source: data to score on; by default those of the run's recipe.
        data_options: further arguments of :func:`xraylab.data.load`, as ``{"root": "images"}`` where
            a folder has moved; they are put over the recipe's own if the source is the recipe's.
        weights: ``"best"`` or ``"last"``.
        replicates: bootstrap resamples behind the intervals.
        progress: whether to show the progress of long work.

    Returns:
        The :class:`Evaluation`. It is also written to ``scores-SPLIT.json`` (for the run's own data
        and its best weights).

    Raises:
        FileNotFoundError: if there is no run, or it has no weights yet.
        ValueError: as :func:`xraylab.data.load`.
    """
    run = Run(path)
    run.require_classifier()
    model = run.load_model(weights)
    recipe = run.recipe
    own = source is None or source == recipe.data
    options = (recipe.data_options if own else {}) | (data_options or {})
    asked = replace(recipe, data=str(source or recipe.data), data_options=options, num_images=None)
    images = load_images(asked, split, progress)
    y_true = images.truth
    probabilities = predict(model, images)
    # The floor that knows the prevalences must know those of the images the model learnt from.
    prevalence = run.facts["train_prevalence"]
    result = Evaluation(
        run=str(path),
        source=images.source,
        split=split,
        simulated=images.simulated,
        weights=weights,
        epochs=len(run.history),
        score=metrics.score(
            y_true, probabilities, label_names=recipe.label_names, prevalence=prevalence
        ),
        intervals=bootstrap(
            y_true,
            probabilities,
            replicates,
            label_names=recipe.label_names,
            patients=patients_of(images),
            progress=progress,
        ),
        fingerprint=images.fingerprint,
    )
    if own and weights == "best":
        write_json(run.path / f"scores-{split}.json", result.to_dict())
    return result
