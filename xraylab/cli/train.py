"""``xraylab train`` and ``xraylab resume``."""

from pathlib import Path
from typing import Annotated

import typer

from xraylab.backend import start_keras
from xraylab.cli.console import RunFolder, command, say

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Any field of the recipe, such as ema=0.999 or data_options.root=images; repeatable.",
    ),
]

MaxHours = Annotated[
    float | None,
    typer.Option(help="Stop with a checkpoint before this time has passed, as on Kaggle."),
]


def require_source(value: str | None) -> str | None:
    """Check that ``--data`` names a data set or an existing path."""
    from xraylab.data import NAMED_SOURCES
    from xraylab.suggest import did_you_mean

    if value is None or value in NAMED_SOURCES or Path(value).expanduser().exists():
        return value
    hint = did_you_mean(value, NAMED_SOURCES)
    raise typer.BadParameter(
        f"Expected: {', '.join(NAMED_SOURCES)}, or an existing .npz file. Received: {value!r}, "
        f"which is neither.{f' {hint}' if hint else ''}"
    )


def train(
    name: Annotated[
        str, typer.Argument(help="A recipe of 'xraylab recipes' or a model of 'xraylab models'.")
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder of the run.")],
    data: Annotated[
        str | None,
        typer.Option(
            callback=require_source,
            help="phantom, chestmnist, nih14, chexpert, folder, or the path of an .npz file.",
        ),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the images in pixels.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images per step.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate of AdamW, after the warm-up.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="Loss of the labels, such as asymmetric or focal.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of initial weights, dropout, shuffling and augmentation."),
    ] = None,
    num_images: Annotated[
        int | None, typer.Option(help="Number of training images; default: all.")
    ] = None,
    label_names: Annotated[
        str | None, typer.Option(help="Names of the label columns, separated by commas.")
    ] = None,
    settings: Settings = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out if there is one.")
    ] = False,
    max_hours: MaxHours = None,
):
    """Train by a recipe, or a model with default settings; options override the recipe.

    Training can be interrupted at any time; the same command with --resume continues it.
    """
    start_keras()
    from xraylab import training
    from xraylab.training import recipes

    options = {
        "size": size,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "loss": loss,
        "seed": seed,
        "num_images": num_images,
        "label_names": None if label_names is None else tuple(label_names.split(",")),
    }
    recipe = recipes.find(name)
    if data is not None:
        recipe = recipes.on_other_data(recipe, data)
    recipe = recipes.override(recipe, settings or ())
    given = {field: value for field, value in options.items() if value is not None}
    recipe = training.Recipe.from_dict(recipe.to_dict() | given)
    print_outcome(training.fit(recipe, out, resume=resume, max_hours=max_hours))


def resume(
    run: RunFolder,
    data: Annotated[
        str | None,
        typer.Option(callback=require_source, help="Where its images are now, if moved."),
    ] = None,
    settings: Settings = None,
    max_hours: MaxHours = None,
):
    """Continue a run by the recipe in its folder.

    If files have moved, set data_options.root, teacher or start_from with --set.
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
        following = command(
            "train", recipe.model, "--size", recipe.size,
            "--set", f"start_from={run.path}", "--out", "FOLDER",
        )  # fmt: skip
    simulated = " on SIMULATED images" if report["simulated_images"] else ""
    say(
        f"finished {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} in "
        f"{report['seconds']:.0f} s; best epoch {report['best_epoch']}, {score}{simulated}"
    )
    say(f"weights, history and report: {run.path}")
    say(f"next: {following}")
