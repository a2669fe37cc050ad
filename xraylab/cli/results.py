"""``xraylab results``: records of runs, listed, compared, checked and printed as tables."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

results = typer.Typer(
    name="results",
    help="Records of finished runs: make, list, compare and check them, and print tables of them.",
    no_args_is_help=True,
)

HERE = Path("book/results")

Folder = Annotated[Path, typer.Option("--folder", help="Where the records lie.")]
Model = Annotated[str | None, typer.Option(help="Only runs of this model.")]
Size = Annotated[int | None, typer.Option(help="Only images of this size in pixels.")]
Data = Annotated[str | None, typer.Option(help="Only images of this source.")]


class Form(StrEnum):
    """How a table is written."""

    markdown = "markdown"
    latex = "latex"
    csv = "csv"


@results.command("record")
def record_run(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    folder: Folder = HERE,
    name: Annotated[
        str | None, typer.Option(help="Name of the record; that of the run's folder without it.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="The named recipe that the run was made from.")
    ] = None,
    cost: Annotated[
        bool, typer.Option("--cost", help="Measure time and memory on this device too.")
    ] = False,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep",
            help="Keep labels and answers beside the record, to be scored again; without either, "
            "those of simulated images.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it over the record of this name.")
    ] = False,
    replicates: Annotated[
        int, typer.Option(help="Bootstrap resamples behind the intervals.")
    ] = 1000,
):
    """Score a finished run on its test images and write its record."""
    made = _store().record(
        run,
        folder,
        name=name,
        recipe_name=recipe,
        replicates=replicates,
        cost=cost,
        keep=keep,
        replace=replace,
    )
    kind = " on SIMULATED images" if made.simulated else ""
    typer.echo(f"{made.path}: test macro AUC {_auc(made)}{kind}")


@results.command("list")
def list_results(folder: Folder = HERE, model: Model = None, size: Size = None, data: Data = None):
    """List the records, with what they were scored on."""
    from rich.console import Console
    from rich.table import Table

    found = _chosen(folder, model, size, data)
    shown = Table("Record", "px", "Test images", "Macro AUC [95 %]", "Recorded")
    shown.columns[0].overflow = "fold"
    for result in found:
        images = result.values["data"]["test"]
        kind = " SIMULATED" if result.simulated else ""
        shown.add_row(
            result.name,
            str(result.recipe["size"]),
            f"{images['images']:,}{kind} of {images['source']}",
            _auc(result),
            result.values["recorded"][:10],
        )
    Console().print(shown)
    typer.echo(f"records that fit, in {folder}: {len(found)}")


@results.command()
def compare(
    first: Annotated[str, typer.Argument(help="Name of a record.")],
    second: Annotated[str, typer.Argument(help="Name of another.")],
    folder: Folder = HERE,
    replicates: Annotated[int, typer.Option(help="Bootstrap resamples.")] = 1000,
):
    """Show in what two records differ, and whether their scores do by more than chance."""
    from rich.console import Console
    from rich.table import Table

    store = _store()
    pair = [store.load_result(folder / f"{name}.json") for name in (first, second)]
    console = Console()
    shown = Table("", first, second)
    for what, values in store.differences(*pair).items():
        shown.add_row(what, *map(str, values))
    console.print(shown)
    found = store.compare_results(*pair, replicates=replicates)
    shown = Table(f"{second} less {first}", "difference [95 %]", "p", "p after Holm")
    rows = [(name, row, None) for name, row in found.scores.items()]
    rows += [(f"AUC, {name}", row, found.holm[name]) for name, row in found.findings.items()]
    for name, row, corrected in rows:
        shown.add_row(
            name,
            f"{row.value:+.4f} [{row.low:+.4f}, {row.high:+.4f}]",
            f"{row.p_value:.3g}",
            "" if corrected is None else f"{corrected:.3g}",
        )
    console.print(shown)
    images = " SIMULATED" if pair[0].simulated else ""
    console.print(
        f"Test images{images}. Paired bootstrap over {found.unit}; it does not tell how scores vary "
        "with the seed of a run.",
        highlight=False,
    )


@results.command()
def check(folder: Folder = HERE):
    """Check every record: schema, hash, and all its scores where predictions were kept."""
    checked, unchecked = _store().check_results(folder)
    if not checked and not unchecked:
        typer.echo(f"{folder}: no records")
        return
    typer.echo(f"scored anew from their predictions, all agree: {', '.join(checked) or 'none'}")
    if unchecked:
        typer.echo(f"without predictions, schema and hash only: {', '.join(unchecked)}")


@results.command()
def table(
    folder: Folder = HERE,
    form: Annotated[Form, typer.Option("--format", help="How to write it.")] = Form.markdown,
    columns: Annotated[
        str | None, typer.Option(help="What to show, with commas; an unknown one lists them.")
    ] = None,
    model: Model = None,
    size: Size = None,
    data: Data = None,
):
    """Print a table of records that were scored on the same images."""
    store = _store()
    write = {Form.markdown: store.to_markdown, Form.latex: store.to_latex, Form.csv: store.to_csv}
    options = {} if columns is None else {"columns": tuple(columns.split(","))}
    typer.echo(write[form](store.table(_chosen(folder, model, size, data), **options)))


def _store():
    """Import the store of results, with the back end kept quiet."""
    from xraylab.backend import start_keras

    start_keras()
    from xraylab import results as store

    return store


def _chosen(folder, model, size, data):
    """Return the records that fit."""
    wanted = {"model": model, "size": size, "data": data}
    return [
        result
        for result in _store().load_results(folder)
        if all(value is None or result.recipe[key] == value for key, value in wanted.items())
    ]


def _auc(result):
    """Return a record's macro AUC with its interval."""
    interval = result.values["intervals"]["macro_auc"]
    if interval["value"] is None or interval["low"] is None:
        return "undefined"
    return "{value:.3f} [{low:.3f}, {high:.3f}]".format(**interval)
