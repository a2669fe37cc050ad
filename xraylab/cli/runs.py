"""Commands that train and score: ``train`` and ``evaluate``."""

from pathlib import Path
from typing import Annotated

import typer

# The defaults are those of xraylab.training.Recipe, typed again because importing it would start
# a back end; a test holds the two together.


def train(
    model: Annotated[str, typer.Argument(help="A model listed by 'xraylab models'.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    data: Annotated[
        str, typer.Option(help="phantom, chestmnist, or the path of a MedMNIST-style .npz file.")
    ] = "phantom",
    size: Annotated[int, typer.Option(help="Side of the films in pixels.")] = 64,
    epochs: Annotated[int, typer.Option(help="Passes over the training films.")] = 10,
    batch_size: Annotated[int, typer.Option(help="Films a step.")] = 32,
    learning_rate: Annotated[
        float, typer.Option(help="Highest learning rate of AdamW, after the warm-up.")
    ] = 4e-3,
    weight_decay: Annotated[float, typer.Option(help="Weight decay of AdamW.")] = 1e-2,
    warmup: Annotated[float, typer.Option(help="Share of the steps spent warming up.")] = 0.1,
    loss: Annotated[
        str, typer.Option(help="Loss of the labels: binary_cross_entropy or binary_focal.")
    ] = "binary_cross_entropy",
    reconstruction_weight: Annotated[
        float, typer.Option(help="λ of the reconstruction error, where a model rebuilds the film.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="First weights, dropout and order of films.")] = 0,
    num_films: Annotated[
        int | None, typer.Option(help="Number of training films; all of them without it.")
    ] = None,
    label_names: Annotated[
        str | None,
        typer.Option(help="Names of the label columns, with commas; the 14 findings without it."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in --out, or begin it.")
    ] = False,
):
    """Train a model. Stop it at any moment; the same command with --resume goes on."""
    from xraylab.backend import start_keras

    start_keras()
    from xraylab import training

    chosen = {} if label_names is None else {"label_names": tuple(label_names.split(","))}
    recipe = training.Recipe(
        model=model,
        data=data,
        size=size,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup=warmup,
        loss=loss,
        reconstruction_weight=reconstruction_weight,
        seed=seed,
        num_films=num_films,
        **chosen,
    )
    run = training.fit(recipe, out, resume=resume)
    report = run.report
    auc = report["scores"]["val"]["macro_auc"]
    typer.echo(
        f"finished {recipe.epochs} epoch{'s' if recipe.epochs > 1 else ''} in "
        f"{report['seconds']:.0f} s; best epoch {report['best_epoch']}, validation macro AUC "
        f"{'undefined' if auc is None else format(auc, '.4f')}"
        f"{' on SIMULATED films' if report['simulated_films'] else ''}"
    )
    typer.echo(f"weights, history and report: {run.path}")
    typer.echo(f"next: xraylab evaluate {run.path} --split test")


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run of 'xraylab train'.")],
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    data: Annotated[
        str | None, typer.Option(help="Score on other data than the run was trained on.")
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

    result = evaluation.evaluate(run, split, source=data, weights=weights, replicates=replicates)
    print_evaluation(Console(), result)
