"""Commands that train and score: ``train`` and ``evaluate``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

# Importing what these commands need would start a back end, so they do it when they run.

Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Any other field of the recipe, as ema=0.999 or data_options.root=images. Repeat it "
        "for more.",
    ),
]

MaxHours = Annotated[
    float | None,
    typer.Option(help="Stop with a checkpoint before this time is over, as on Kaggle."),
]


def train(
    name: Annotated[
        str, typer.Argument(help="A recipe of 'xraylab recipes' or a model of 'xraylab models'.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="phantom, chestmnist, nih14, chexpert, folder, or the path of an .npz file."
        ),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the images in pixels.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images a step.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Highest learning rate of AdamW, after the warm-up.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="Loss of the labels, as asymmetric.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="First weights, dropout, order and changes of images.")
    ] = None,
    num_images: Annotated[
        int | None, typer.Option(help="Number of training images; all of them without it.")
    ] = None,
    label_names: Annotated[
        str | None, typer.Option(help="Names of the label columns, with commas.")
    ] = None,
    settings: Settings = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out, or begin it.")
    ] = False,
    max_hours: MaxHours = None,
):
    """Train by a recipe, or a model by the plain one. What is not given is as the recipe has it.

    Stop it at any moment; the same command with --resume goes on.
    """
    from xraylab.backend import start_keras

    start_keras()
    from xraylab import training
    from xraylab.training import recipes

    given = {
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
    recipe = replace(
        recipe, **{field: value for field, value in given.items() if value is not None}
    )
    tell(training.fit(recipe, out, resume=resume, max_hours=max_hours))


def tell(run):
    """Print what came of a finished run, and what to do next."""
    recipe, report = run.recipe, run.report
    simulated = " on SIMULATED images" if report["simulated_images"] else ""
    scores = report["scores"]["val"]
    if "macro_auc" in scores:
        auc = scores["macro_auc"]
        shown = f"validation macro AUC {'undefined' if auc is None else format(auc, '.4f')}"
    else:
        shown = f"validation error on masked pixels {scores['val_masked_error']:.4f} of full range"
    typer.echo(
        f"finished {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} in "
        f"{report['seconds']:.0f} s; best epoch {report['best_epoch']}, {shown}{simulated}"
    )
    typer.echo(f"weights, history and report: {run.path}")
    if "macro_auc" in scores:
        typer.echo(f"next: xraylab evaluate {run.path} --split test")
    else:
        typer.echo(
            f"next: xraylab train {recipe.model} --size {recipe.size} "
            f"--set start_from={run.path} --out FOLDER"
        )


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run of 'xraylab train'.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    data: Annotated[
        str | None, typer.Option(help="Score on other data than the run was trained on.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="data_options.KEY=VALUE",
            help="An option of the data, as data_options.root=images where they have moved.",
        ),
    ] = None,
    weights: Annotated[str, typer.Option(help="best or last.")] = "best",
    replicates: Annotated[
        int, typer.Option(help="Bootstrap resamples behind the 95 % intervals.")
    ] = 1000,
):
    """Score a run on a split: the table with its floors and intervals."""
    from rich.console import Console

    from xraylab.backend import start_keras

    start_keras()
    from xraylab import evaluation
    from xraylab.cli.tables import print_evaluation

    result = evaluation.evaluate(
        run,
        split,
        source=data,
        data_options=_data_options(settings),
        weights=weights,
        replicates=replicates,
    )
    print_evaluation(Console(), result)


def _data_options(settings):
    """Return the options of the data among settings, and refuse any other."""
    from xraylab.training import Recipe, recipes

    plain = Recipe()
    changed = recipes.override(plain, settings or ())
    others = sorted(changed.differences(plain).keys() - {"data_options"})
    if others:
        raise ValueError(
            f"--set {others[0]}=… came; what was trained is scored as it is, and only options of "
            "the data can be set, as data_options.root=images"
        )
    return changed.data_options
