"""Recording of a finished run: its scores on the test images, and where they come from."""

import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xraylab import __version__, evaluation, io
from xraylab.arguments import require, require_int, require_level
from xraylab.results.predictions import SPLITS, Predictions, save
from xraylab.results.schema import Images, Protocol, Result, ResultError, Training
from xraylab.results.store import load_result, score_predictions

TRAINING = ("best_epoch", "steps", "seconds", "peak_bytes", "begun", "finished")
"""Fields of a run's report that describe the training."""


def record(
    path: str | os.PathLike,
    folder: str | Path,
    *,
    name: str | None = None,
    recipe_name: str | None = None,
    cost: bool = False,
    keep_labels: bool = False,
    replace: bool = False,
    progress: bool = True,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Result:
    """Score a finished run on its test images and write its record.

    Calibration and thresholds are fitted on the validation images and scored on the test images.
    Intervals come from resampling patients where the data identify them, otherwise images.

    Args:
        path: the run, or its folder.
        folder: folder of the records.
        name: name of the record; by default that of the run's folder.
        recipe_name: the named recipe the run is based on; the run's changes to it are recorded.
        cost: whether to measure the model's cost on this device; takes a minute or more.
        keep_labels: whether to store labels and patients beside the logits, so that scores can be
            recomputed without the images. Those of simulated images always are. Do not store
            labels of images that must not be redistributed.
        replace: whether to overwrite a record with this name.
        progress: whether to show progress bars.
        replicates, level, seed: of the intervals, as :func:`xraylab.evaluation.bootstrap`.

    Raises:
        FileNotFoundError: if there is no run.
        FileExistsError: if the record exists and ``replace`` is false.
        ResultError: if the run has not finished, or its validation images have changed.
        ValueError: for an invalid argument, an unknown recipe, or a run without scores.
    """
    from xraylab.models import predict_logits
    from xraylab.training import recipes
    from xraylab.training.run import Run, load_images

    run, folder = Run(path), Path(folder)
    name = run.path.resolve().name if name is None else name
    valid = re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name)
    require(valid, "name", "lower-case letters, digits, '_', '.' and '-'", repr(name))
    require_int("replicates", replicates, 1)
    require_level(level)
    require_int("seed", seed, 0)
    named = None if recipe_name is None else recipes.get(recipe_name)
    file = folder / f"{name}.json"
    if file.exists() and not replace:
        raise FileExistsError(
            f"{file}: this record exists. Choose another name, or overwrite it with --replace "
            "(replace=True)"
        )
    run.require_classifier()
    if run.report is None:
        raise ResultError(
            f"{run.path}: Expected: a finished run. Received: {len(run.history)} of "
            f"{run.recipe.epochs} epochs. Continue it with: xraylab resume "
            f"{shlex.quote(str(run.path))}"
        )
    recipe, model = run.recipe, run.load_model("best")
    splits = {split: load_images(recipe, split, progress) for split in SPLITS}
    if splits["val"].fingerprint != run.facts["data"]["val"]:
        raise ResultError(
            f"{run.path}: the validation images of {recipe.data} have changed since the run was "
            "trained. Restore them"
        )
    predictions = {
        split: Predictions.of(images, predict_logits(model, images), images.column("patient"))
        for split, images in splits.items()
    }
    scoring = Protocol(
        label_names=splits["test"].label_names,
        train_prevalence=run.facts["train_prevalence"],
        unit=predictions["test"].unit,
        replicates=replicates,
        level=level,
        seed=seed,
    )
    scored = score_predictions(predictions, scoring, progress)
    result = Result(
        **dict(scored),
        name=name,
        recipe_name=recipe_name,
        recipe_changes=None if named is None else _changes(recipe, named.recipe),
        recipe=_without_folders(recipe.to_dict()),
        initial_weights=run.facts["origins"],
        simulated=splits["test"].simulated,
        data=_images(run, splits, predictions),
        training=Training(
            epochs=len(run.history),
            parameters=model.count_params(),
            **{field: run.report[field] for field in TRAINING},
        ),
        weights_sha256=io.sha256(run.weights_file("best")),
        protocol=scoring,
        cost=_measure_cost(recipe) if cost else None,
        software=_software(run),
        recorded=datetime.now(UTC).isoformat(timespec="seconds"),
        predictions_file=f"{name}.npz",
    )
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / f"{name}.npz", predictions, keep_labels or splits["test"].simulated)
    io.write_json(file, result)
    return load_result(file, splits.values())


def _changes(recipe, named):
    """Collect the fields of a named recipe that a run has changed: ``{field: (named, used)}``."""
    changes = _without_folders(named.differences(recipe))
    decided_later = {"label_names": None, "precision": "auto"}
    return {
        field: (named, used)
        for field, (named, used) in changes.items()
        if named not in (used, decided_later.get(field, used))
    }


def _without_folders(value: Any) -> Any:
    """Reduce paths in a recipe to file names: folders of this machine are private."""
    if isinstance(value, dict):
        return {name: _without_folders(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_without_folders, value))
    is_path = isinstance(value, str) and Path(value).is_absolute()
    return Path(value).name if is_path else value


def _images(run, splits, predictions):
    """Describe the images of each split."""
    train = dict(run.report["data"]["train"])
    train["source"] = Path(train["source"]).name
    described = {"train": Images(num_images=train.pop("images"), **train)}
    for split, images in splits.items():
        described[split] = Images(
            source=Path(images.source).name,
            num_images=len(images),
            size=images.size,
            fingerprint=images.fingerprint,
            labels_sha256=predictions[split].labels_sha256,
        )
    return described


def _software(run):
    """Describe the software that trained and recorded a run."""
    from xraylab.training.report import commit

    environment = run.report["environment"]
    trained_by = {"xraylab": environment["versions"]["xraylab"], "commit": run.facts.get("commit")}
    recorded_by = {"xraylab": __version__, "commit": commit()}
    return {"trained_by": trained_by, "recorded_by": recorded_by, "environment": environment}


def _measure_cost(recipe):
    """Measure what the model costs on this device."""
    options = {"num_labels": len(recipe.label_names), **recipe.model_options}
    if recipe.precision != "float32":
        options["dtype"] = recipe.precision
    return evaluation.device_cost(recipe.model, recipe.size, **options)
