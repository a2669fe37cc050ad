"""``xraylab train``, ``resume``, ``runs`` and ``delete``."""

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from xraylab.backend import start_keras
from xraylab.cli.console import RunFolder, Table, command, plain, show, split_names

SET = "Any field of the recipe, such as ema=0.999 or data_options.root=images; repeatable."
Settings = Annotated[list[str] | None, Option("--set", metavar="FIELD=VALUE", help=SET)]
MaxHours = Annotated[float | None, Option(help="Stop with a checkpoint after this time.")]
SOURCE = "A source of xraylab data, such as phantom, or the path of an .npz file or a folder."
RATE = "Peak learning rate of AdamW."
Source = Annotated[str | None, Option(help=SOURCE)]


def train(
    context: typer.Context,
    name: Annotated[str, Argument(help="A name of 'xraylab recipes' or 'xraylab models'.")],
    out: Annotated[Path, Option(file_okay=False, help="Folder of the run.")],
    data: Source = None,
    size: Annotated[int | None, Option(help="Side of the images in pixels.")] = None,
    epochs: Annotated[int | None, Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, Option(help="Images per step.")] = None,
    learning_rate: Annotated[float | None, Option("--learning-rate", "--lr", help=RATE)] = None,
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
    from xraylab import training
    from xraylab.training import recipes

    recipe = recipes.find(name)
    if data not in (None, recipe.data):  # its data options and labels are those of other images
        recipe = recipe.replace(data=data, data_options={}, label_names=None)
    recipe = recipes.override(recipe, settings or ())
    changes = {
        field: value
        for field, value in context.params.items()
        if field in training.Recipe.model_fields and value is not None
    }
    if label_names is not None:
        changes["label_names"] = tuple(split_names(label_names))
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
        score = f"validation error on masked pixels {scores['masked_error']:.4f} of full range"
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
        aucs = [row["val_macro_auc"] for row in history if row.get("val_macro_auc") is not None]
        best = f"AUC {max(aucs):.4f}" if aucs else "—"
        state = "finished" if report else "unfinished"
        table.add_row(path, recipe.model, source, recipe.size, epochs, best, state)
        if not report:
            unfinished.append(path)
    table.show()
    for path in unfinished:
        show(f"continue with: {command('resume', path)}")


def delete(
    run: RunFolder,
    yes: Annotated[bool, Option("--yes", help="Delete without confirmation.")] = False,
):
    """Delete a run: its weights, checkpoints, history and report."""
    start_keras()
    from xraylab.training import Run
    from xraylab.training.run import lock_run

    if Path(os.path.normpath(run.absolute())) != run.resolve():
        raise ValueError(
            "Nothing was deleted. Expected: the folder of a run, without a symbolic link in its "
            f"path. Received: {run}, a link to {run.resolve()}."
        )
    model = Run(run).recipe.model  # raises an error if the folder is not that of a run
    if not yes:
        typer.confirm(plain(f"Delete {run} ({model})?"), abort=True)
    run = run.resolve()
    with lock_run(run):
        (run / "run.json").unlink()  # first: an interrupted deletion leaves no incomplete run
    shutil.rmtree(run)
    show(f"deleted {run}")
