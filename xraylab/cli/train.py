"""``xraylab train`` and ``xraylab resume``."""

from pathlib import Path
from typing import Annotated

from typer import Argument, BadParameter, Option

from xraylab.backend import start_keras
from xraylab.cli.console import RunFolder, command, say

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
    options = {
        "size": size,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "loss": loss and losses.resolve_name(loss),
        "seed": seed,
        "num_images": num_images,
        "label_names": label_names and tuple(label_names.split(",")),
    }
    given = {field: value for field, value in options.items() if value is not None}
    recipe = training.Recipe.from_dict(recipe.to_dict() | given)
    print_outcome(training.fit(recipe, out, resume=resume, max_hours=max_hours))


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
        recipe = training.Recipe.from_dict(recipe.to_dict() | {"data": data})
    print_outcome(training.fit(recipe, run, resume=True, max_hours=max_hours))


def print_outcome(run):
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
    say(
        f"finished {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} in "
        f"{report['seconds']:.0f} s; best epoch {report['best_epoch']}, {score}{simulated}\n"
        f"weights, history and report: {run.path}\nnext: {following}"
    )
