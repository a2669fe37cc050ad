"""Frozen teachers: their probabilities in the order of the student's labels."""

from pathlib import Path

import numpy as np
from keras import ops

from xraylab.io import progress_bar
from xraylab.models.convert.torchxrayvision import load_xrv
from xraylab.models.predict import sigmoid
from xraylab.models.xrv_densenet import OUTPUTS, XRVDenseNet121, probabilities
from xraylab.training.run import Run

TRAINED = {
    "all": tuple(range(18)),
    "chex": (0, 1, 3, 4, 7, 8, 10, 14, 15, 16, 17),
    "nih": tuple(range(14)),
}
"""Which outputs of TorchXRayVision's DenseNet-121 its public weights trained, by their name."""

ALIASES = {"pleural_effusion": "effusion"}
"""CheXpert's names of what ChestX-ray14 calls otherwise."""

NO_FINDING = "no_finding"


class Teacher:
    """A frozen model that says how probable each of the student's labels is.

    Args:
        model: a :class:`xraylab.models.base.ImageModel`.
        places: for each of the student's labels the teacher's output, None where it has none, or
            :data:`NO_FINDING`: the product of 1 - p over ``trained``.
        trained: the teacher's outputs that were trained; the others are left out.
        thresholds: operating points of TorchXRayVision's outputs; None takes the plain sigmoid.
    """

    def __init__(self, model, places, trained, thresholds=None):
        model.trainable = False
        self.model, self.places = model, tuple(places)
        self.trained, self.thresholds = tuple(trained), thresholds

    def __call__(self, images):
        """Return the probabilities of the student's labels, nan where the teacher knows none.

        Shapes:
            images: (batch, size, size, 1) float32 in [0, 1]; resized to the teacher's size.
            returns: (batch, num_labels) float32 in [0, 1].
        """
        side = self.model.image_size
        if images.shape[1] != side:
            images = ops.convert_to_numpy(ops.image.resize(images, (side, side), antialias=True))
            images = np.clip(images, 0.0, 1.0)
        logits = ops.convert_to_numpy(self.model.predict_on_batch(images))
        return adapt(logits, self.places, self.trained, self.thresholds)

    def remembered(self, split, batch_size=64, progress=True):
        """Return the probabilities for every image of a split, asked once.

        Shapes:
            returns: (num_images, num_labels) float32.
        """
        bar = progress_bar(
            progress,
            iterable=split.to_dataset(batch_size),
            desc="asking the teacher",
        )
        return np.concatenate([self(images) for images, _ in bar])


def adapt(logits, places, trained, thresholds=None):
    """Return a teacher's logits as probabilities of the student's labels.

    Shapes:
        logits: (batch, num_outputs). returns: (batch, num_labels) float32, nan where unknown.

    Args:
        places, trained, thresholds: as for :class:`Teacher`.
    """
    logits = np.asarray(logits, dtype=np.float64)
    chances = sigmoid(logits) if thresholds is None else probabilities(logits, thresholds)
    columns = []
    for place in places:
        if place == NO_FINDING:
            # log(1 - p) is summed, not 1 - p multiplied: eighteen small factors lose their digits.
            absent = -np.logaddexp(0.0, logits) if thresholds is None else np.log1p(-chances)
            columns.append(np.exp(absent[:, list(trained)].sum(axis=1)))
        elif place is None or place not in trained:
            columns.append(np.full(len(logits), np.nan))
        else:
            columns.append(chances[:, place])
    return np.stack(columns, axis=1).astype(np.float32)


def places_of(label_names, output_names):
    """Return where a teacher's outputs stand for a student's labels, for :class:`Teacher`.

    Labels are matched by name, with :data:`ALIASES` either way.
    """
    outputs = {ALIASES.get(name, name): place for place, name in enumerate(output_names)}
    places = [outputs.get(ALIASES.get(name, name)) for name in label_names]
    return tuple(
        NO_FINDING if name == NO_FINDING and place is None else place
        for name, place in zip(label_names, places, strict=True)
    )


def load_teacher(source, label_names, size, *, trained=None, thresholds=None, weights="best"):
    """Load a frozen teacher from a run of ours or from TorchXRayVision's public weights.

    Args:
        source: the folder of a run, or the file of a state dict of TorchXRayVision's DenseNet-121,
            as :func:`xraylab.models.convert.torchxrayvision.load_xrv` reads it.
        label_names: the student's labels.
        size: side of the student's images in pixels; a run must have been trained at it.
        trained: which outputs the public weights trained: a name of :data:`TRAINED` or places. A
            file of weights does not tell, so it has to be said; the others are left out.
        thresholds: operating points of the public weights, 18 numbers; None takes the sigmoid.
        weights: of a run, ``"best"`` or ``"last"``.

    Returns:
        The :class:`Teacher`.

    Raises:
        FileNotFoundError: if there is neither.
        ValueError: if the teacher knows none of the labels, a run's images had another size or it
            learnt no labels, or it is not said which outputs of public weights were trained.
    """
    path = Path(source)
    if path.is_dir():
        run = Run(path)
        if run.recipe.objective == "masked_reconstruction":
            raise ValueError(
                f"the teacher in {path} learnt to rebuild images and knows no labels. Fine-tune "
                "from it first, with start_from"
            )
        if run.recipe.size != size:
            raise ValueError(
                f"the teacher in {path} was trained on images of {run.recipe.size} px, the "
                f"student's have {size} px. Train a teacher at {size} px"
            )
        names, thresholds = run.recipe.label_names, None
        teacher, chosen = run.load_model(weights), tuple(range(len(names)))
    elif path.exists():
        names = OUTPUTS
        teacher = XRVDenseNet121(224)
        teacher.build()
        load_xrv(teacher, path)
        chosen = _trained(trained)
    else:
        raise FileNotFoundError(
            f"{path}: expected the folder of a run or a file of TorchXRayVision's weights as the "
            "teacher; there is neither"
        )
    places = places_of(label_names, names)
    if not any(isinstance(place, int) and place in chosen for place in places):
        raise ValueError(
            f"the teacher in {path} knows none of the labels {', '.join(label_names)}; its own are "
            f"{', '.join(names)}"
        )
    return Teacher(teacher, places, chosen, thresholds)


def _trained(trained):
    """Return the places of trained outputs."""
    if trained is None:
        raise ValueError(
            "which outputs of the public weights were trained? Their file does not tell, and the "
            "others would teach noise: give trained= one of "
            f"{', '.join(TRAINED)} (as their name ends), or places"
        )
    if isinstance(trained, str):
        if trained not in TRAINED:
            raise ValueError(
                f"trained must be one of {', '.join(TRAINED)}, or places; {trained!r} came"
            )
        return TRAINED[trained]
    chosen = tuple(trained)
    if not chosen or not all(isinstance(p, int) and 0 <= p < len(OUTPUTS) for p in chosen):
        raise ValueError(f"trained must hold places from 0 to {len(OUTPUTS) - 1}; {trained!r} came")
    return chosen
