"""``xraylab train``, ``resume``, ``runs`` and ``delete``."""

import contextlib
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, BadParameter, Option

from xraylab import io
from xraylab.backend import start_keras
from xraylab.cli.console import RunFolder, Table, command, plain, show

SET = "Any field of the recipe, such as ema=0.999 or data_options.root=images; repeatable."
Settings = Annotated[list[str] | None, Option("--set", metavar="FIELD=VALUE", help=SET)]
MaxHours = Annotated[float | None, Option(help="Stop with a checkpoint before this time is over.")]


def require_source(value: str | None) -> str | None:
    """Check that ``--data`` names a data set or an existing path."""
    from xraylab.data import NAMED_SOURCES
    from xraylab.suggest import did_you_mean

    if value is None or value in NAMED_SOURCES or Path(value).expanduser().exists():
        return value
    raise BadParameter(
        f"Expected: {', '.join(NAMED_SOURCES)}, or an existing .npz file. Received: {value!r}, "
        f"which is neither. {did_you_mean(value, NAMED_SOURCES) or ''}"
    )


SOURCE = "phantom, chestmnist, nih14, chexpert, folder, or the path of an .npz file."
Source = Annotated[str | None, Option(callback=require_source, help=SOURCE)]


def train(
    context: typer.Context,
    name: Annotated[str, Argument(help="A name of 'xraylab recipes' or 'xraylab models'.")],
    out: Annotated[Path, Option(file_okay=False, help="Folder of the run.")],
    data: Source = None,
    size: Annotated[int | None, Option(help="Side of the images in pixels.")] = None,
    epochs: Annotated[int | None, Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, Option(help="Images per step.")] = None,
    learning_rate: Annotated[float | None, Option(help="Peak learning rate of AdamW.")] = None,
    loss: Annotated[str | None, Option(help="Loss of the labels, such as focal.")] = None,
    seed: Annotated[int | None, Option(help="Seed of all random numbers.")] = None,
    num_images: Annotated[int | None, Option(help="Number of training images.")] = None,
    label_names: Annotated[str | None, Option(help="Label columns, separated by commas.")] = None,
    settings: Settings = None,
    resume: Annotated[bool, Option("--resume", help="Continue the run in --out, if any.")] = False,
    max_hours: MaxHours = None,
):
    """Train by a recipe, or a model with default settings; options override the recipe.

    Training can be interrupted at any time; the same command with --resume continues it.
    """
    start_keras()
    from xraylab import losses, training
    from xraylab.training import recipes

    recipe = recipes.find(name)
    if data is not None:
        recipe = recipes.on_other_data(recipe, data)
    recipe = recipes.override(recipe, settings or ())
    changes = {
        field: value
        for field, value in context.params.items()
        if field in training.Recipe.model_fields and value is not None
    }
    if loss is not None:
        changes["loss"] = losses.resolve_name(loss)
    if label_names is not None:
        changes["label_names"] = tuple(label_names.split(","))
    recipe = recipe.replace(**changes)
    _print_outcome(training.fit(recipe, out, resume=resume, max_hours=max_hours))


def resume(
    run: RunFolder, data: Source = None, settings: Settings = None, max_hours: MaxHours = None
):
    """Continue a run by the recipe in its folder.

    If files have moved, give --data, or set data_options.root, teacher or start_from with --set.
    """
    start_keras()
    from xraylab import training
    from xraylab.training import recipes

    recipe = recipes.override(training.Run(run).recipe, settings or ())
    if data is not None:
        recipe = recipe.replace(data=data)
    _print_outcome(training.fit(recipe, run, resume=True, max_hours=max_hours))


def _print_outcome(run):
    """Print the result of a finished run and the next command."""
    recipe, report = run.recipe, run.report
    scores = report["scores"]["val"]
    if "macro_auc" in scores:
        auc = scores["macro_auc"]
        score = f"validation macro AUC {'undefined' if auc is None else format(auc, '.4f')}"
        following = command("evaluate", run.path, "--split", "test")
    else:
        score = f"validation error on masked pixels {scores['val_masked_error']:.4f} of full range"
        options = ("--set", f"start_from={run.path}", "--out", "FOLDER")
        following = command("train", recipe.model, "--size", recipe.size, *options)
    simulated = " on SIMULATED images" if report["simulated_images"] else ""
    show(
        f"finished {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} in "
        f"{report['seconds']:.0f} s; best epoch {report['best_epoch']}, {score}{simulated}\n"
        f"weights, history and report: {run.path}\nnext: {following}"
    )


def runs(folder: Annotated[Path, Argument(help="Folder to search.")] = Path("runs")):
    """List the runs in a folder and its subfolders with their progress."""
    start_keras()
    from xraylab.training import Run

    paths = sorted(path.parent for path in folder.rglob("run.json"))
    if not paths:
        show(f"no runs in {folder}; train one with: xraylab train rr_vit --out runs/first")
        return
    table = Table("Run", "Model", "Data", "Size", "Epochs", "Best", "State")
    unfinished = []
    for path in paths:
        try:
            run = Run(path)
            history, report = run.history, run.report
        except ValueError as error:
            table.add_row(path, *[None] * 5, f"cannot be read: {error}")
            continue
        recipe = run.recipe
        epochs = f"{len(history)}/{recipe.epochs}"
        source = Path(recipe.data).name
        state = "finished" if report else "unfinished"
        table.add_row(path, recipe.model, source, recipe.size, epochs, _best(history), state)
        if not report:
            unfinished.append(path)
    table.show()
    for path in unfinished:
        show(f"continue with: {command('resume', path)}")


def _best(history: list[dict]) -> str:
    """Format the best validation score of a history."""
    aucs = [row["val_macro_auc"] for row in history if row.get("val_macro_auc") is not None]
    errors = [row["val_masked_error"] for row in history if "val_masked_error" in row]
    if aucs:
        return f"AUC {max(aucs):.4f}"
    return f"error {min(errors):.4f}" if errors else "—"


def delete(
    run: RunFolder,
    yes: Annotated[bool, Option("--yes", help="Delete without confirmation.")] = False,
):
    """Delete a run: its weights, checkpoints, history and report."""
    recipe = _recipe_of(run)
    sizes = [path.lstat().st_size for path in run.rglob("*") if not path.is_dir()]
    summary = f"{recipe['model']}, {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB"
    if not yes:
        typer.confirm(plain(f"Delete {run} ({summary})?"), abort=True)
    # Renamed first, so that an interrupted deletion leaves no incomplete run.
    run = run.resolve()
    deleted = run.with_name(f".{run.name}.{uuid.uuid4().hex[:8]}.deleted")
    message = f"Another process is training in {run}; nothing was deleted. Stop it first."
    with io.lock(run / ".lock", timeout=0, message=message, error=ValueError):
        run.rename(deleted)
    shutil.rmtree(deleted)
    show(f"deleted {run}")


def _recipe_of(path: Path) -> dict:
    """Return the recipe in a run's folder; raise a ValueError unless it is one."""
    facts = path / "run.json"
    received = "a folder without a valid run.json"
    if Path(os.path.normpath(path.absolute())) != path.resolve() or facts.is_symlink():
        received = f"a symbolic link to {path.resolve()}"
    elif facts.is_file():
        with contextlib.suppress(ValueError, LookupError, TypeError):
            recipe = json.loads(facts.read_text(encoding="utf-8"))["recipe"]
            if "model" in recipe:
                return recipe
    raise ValueError(
        f"{path} is not a run; nothing was deleted. Expected: the folder of a run with its "
        f"run.json. Received: {received}."
    )
