"""A record made from a finished run: scored on its test images, and signed with its own hash."""

import re
from datetime import UTC, datetime
from pathlib import Path

from xraylab import __version__, evaluation
from xraylab.evaluation.evaluate import patients_of
from xraylab.io import sha256
from xraylab.models import predict_logits
from xraylab.results.errors import ResultError
from xraylab.results.predictions import SPLITS, answers_of, file_name, write_predictions
from xraylab.results.scoring import Measure, score_all
from xraylab.results.store import digest, load_result, require_sound
from xraylab.training import Run, recipes
from xraylab.training.report import commit
from xraylab.training.run import load_images, write_json

SAME_RUN = 1e-3
"""How far a macro AUC may lie from the one in the run's report, taken on another device."""


def record(
    path,
    folder,
    *,
    name=None,
    recipe_name=None,
    replicates=1000,
    level=0.95,
    seed=0,
    cost=False,
    keep=None,
    replace=False,
    progress=True,
):
    """Score a finished run on its test images and write its record.

    Calibration and thresholds are fitted on the validation images and judged on the test images.
    Intervals come from resampling patients, where the images' patients are known, else images.

    Args:
        path: the run's folder.
        folder: where the records lie.
        name: name of the record; by default that of the run's folder.
        recipe_name: the named recipe that the run was made from; what the run changed of it is
            recorded.
        replicates, level, seed: of the intervals, as :func:`xraylab.evaluation.bootstrap`.
        cost: whether to measure what the model costs on this device; a minute or more.
        keep: whether to keep labels, answers and patients beside the record, so that anybody can
            score them; by default of simulated images alone, which always keep them. Labels of images
            that may not be passed on must not be kept.
        replace: whether to put the record over one that is there under this name.
        progress: whether to show progress.

    Returns:
        The :class:`xraylab.results.Result`.

    Raises:
        FileNotFoundError: if there is no run.
        FileExistsError: if a record has this name, and ``replace`` is false.
        ResultError: if the run has not finished, or its files do not agree.
        ValueError: if the name is not made of small letters, digits, ``_``, ``.`` and ``-``, there
            is no such recipe, or the run has no scores.
    """
    run, folder = Run(path), Path(folder)
    name = _checked_name(run.path.resolve().name if name is None else name)
    place = folder / f"{name}.json"
    if place.exists() and not replace:
        raise FileExistsError(
            f"{place}: there is a record of this name. Choose another, or put this one over it "
            "with --replace (replace=True)"
        )
    try:
        run.require_classifier()
        _require_finished(run)
        drawing = (replicates, level, seed)
        return _record(run, place, name, recipe_name, drawing, cost, keep, progress)
    except (KeyError, TypeError) as error:
        raise ResultError(
            f"{run.path}: run.json or report.json is not as xraylab writes it: {error!r}"
        ) from error


def _record(run, place, name, recipe_name, drawing, cost, keep, progress):
    """Score a run and write its record."""
    folder = place.parent
    changes = None if recipe_name is None else _changes(run.recipe, recipe_name)
    model = run.load_model("best")
    images = {split: load_images(run.recipe, split, progress) for split in SPLITS}
    answers = {
        split: answers_of(mine, predict_logits(model, mine), patients_of(mine))
        for split, mine in images.items()
    }
    measure = Measure(
        label_names=run.recipe.label_names,
        prevalence=tuple(run.facts["train_prevalence"]),
        **dict(zip(("replicates", "level", "seed"), drawing, strict=True)),
        unit="images" if answers["test"].patients is None else "patients",
    )
    scored = score_all(answers, measure, progress=progress)
    _require_same_run(run, images, scored)
    values = {
        "schema": 1,
        "name": name,
        "recipe_name": recipe_name,
        "changes": changes,
        "recipe": _without_folders(run.recipe.to_dict()),
        "origins": run.facts["origins"],
        "simulated": images["test"].simulated,
        "data": _data(run, images, answers),
        "training": _training(run) | {"parameters": model.count_params()},
        "weights_sha256": sha256(run.weights_file("best")),
        "measure": measure.to_dict(),
        **scored,
        "cost": _cost(run.recipe) if cost else None,
        "software": {
            "trained_by": {
                "xraylab": run.report["environment"]["versions"]["xraylab"],
                "commit": run.facts.get("commit"),
            },
            "recorded_by": {"xraylab": __version__, "commit": commit()},
            "environment": run.report["environment"],
        },
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    keep = values["simulated"] if keep is None else keep
    nothing = "0" * 64
    pretended = {"file": file_name(name, nothing), "sha256": nothing} if keep else None
    require_sound(place, values | {"predictions": pretended, "sha256": nothing})
    folder.mkdir(parents=True, exist_ok=True)
    former = set(folder.glob(f"{name}-????????????.npz"))
    values["predictions"] = write_predictions(folder, name, answers) if keep else None
    kept = {folder / values["predictions"]["file"]} if keep else set()
    try:
        write_json(place, values | {"sha256": digest(values)})
    except OSError:
        for file in kept - former:
            file.unlink(missing_ok=True)
        raise
    for file in former - kept:
        file.unlink()
    return load_result(place)


def _checked_name(name):
    """Return a record's name, or refuse it."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
        raise ValueError(
            f"a record's name must be made of small letters, digits, '_', '.' and '-'; {name!r} "
            "came. Give another"
        )
    return name


def _require_finished(run):
    """Refuse a run without a report, or with that of another recipe or other images."""
    if run.report is None:
        raise ResultError(
            f"{run.path}: only a finished run can be recorded; this one has finished "
            f"{len(run.history)} of {run.recipe.epochs} epochs. Continue it with: "
            f"xraylab resume {run.path}"
        )
    images = {split: facts["fingerprint"] for split, facts in run.report["data"].items()}
    if run.report["recipe"] != run.recipe.to_dict() or images != run.facts["data"]:
        raise ResultError(
            f"{run.path}: report.json is of another recipe or other images than run.json. Train "
            "the run again"
        )


def _require_same_run(run, images, scored):
    """Refuse a run whose weights do not give the validation score of its report."""
    if images["val"].fingerprint != run.facts["data"]["val"]:
        raise ResultError(
            f"{run.path}: the validation images of {run.recipe.data} are others than the run was "
            "trained with. Put those back"
        )
    told = run.report["scores"]["val"]["macro_auc"]
    found = scored["scores"]["val"]["macro_auc"]
    if (told is None) != (found is None) or (told is not None and abs(told - found) > SAME_RUN):
        raise ResultError(
            f"{run.path}: its report says a validation macro AUC of {told}, its best weights give "
            f"{found}. They are not of one run"
        )


def _changes(recipe, recipe_name):
    """Return what a run's recipe changes of the named one: ``{field: [named, own]}``."""
    named = _without_folders(recipes.get(recipe_name).recipe.to_dict())
    own = _without_folders(recipe.to_dict())
    decided = {"label_names": None, "precision": "auto"}  # left open until a run begins
    return {
        field: [named[field], own[field]]
        for field in own
        if named[field] not in (own[field], decided.get(field, own[field]))
    }


def _without_folders(recipe):
    """Return a recipe's values with files and folders by their names alone.

    Where they lie on this machine is nobody's business, and hashes tell what they were.
    """
    recipe = dict(recipe)
    for field in ("data", "teacher", "start_from"):
        if recipe[field] is not None:
            recipe[field] = Path(recipe[field]).name
    recipe["data_options"] = {
        name: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for name, value in recipe["data_options"].items()
    }
    return recipe


def _data(run, images, answers):
    """Return which images were used: source, number, size, and hashes."""
    train = run.report["data"]["train"]
    data = {"train": train | {"source": Path(train["source"]).name}}
    for split, mine in images.items():
        data[split] = {
            "source": Path(mine.source).name,
            "images": len(mine),
            "size": mine.size,
            "fingerprint": mine.fingerprint,
            "labels_sha256": answers[split].labels_sha256,
        }
    return data


def _training(run):
    """Return what the training took."""
    fields = ("best_epoch", "steps", "seconds", "peak_bytes", "begun", "finished")
    return {"epochs": len(run.history)} | {field: run.report.get(field) for field in fields}


def _cost(recipe):
    """Return what the model costs on this device."""
    options = dict(recipe.model_options)
    if recipe.precision != "float32":
        options["dtype"] = recipe.precision
    options["num_labels"] = len(recipe.label_names)
    return evaluation.device_cost(recipe.model, recipe.size, **options).to_dict()
