"""``xraylab results``: records of finished runs."""

from math import isnan
from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer, echo

from xraylab.arguments import require, require_choice
from xraylab.backend import start_keras
from xraylab.cli.console import RunFolder, Table, command, plain, show, split_names

results = Typer(
    name="results",
    help="Records of finished runs: make, list, compare, check and tabulate them.",
    no_args_is_help=True,
)

FOLDER = Path("book/results")
KEEP = "Store labels with the predictions; always done for simulated images."
DATA = "An .npz file of real images, whose labels records do not hold; repeatable."
TABLE = "CSV table of their patients."
LABELS = "Their label columns, separated by commas; default: the 14 findings."

Folder = Annotated[Path, Option("--folder", help="Folder of the records.")]
Replicates = Annotated[int, Option(help="Bootstrap resamples for the intervals.")]
Model = Annotated[str | None, Option(help="Only runs of this model.")]
Size = Annotated[int | None, Option(help="Only images of this size in pixels.")]
Data = Annotated[str | None, Option(help="Only images of this source.")]
Files = Annotated[list[Path] | None, Option("--data", exists=True, help=DATA)]
Patients = Annotated[Path | None, Option("--table", exists=True, help=TABLE)]
Labels = Annotated[str | None, Option("--label-names", help=LABELS)]


@results.command()
def record(
    run: RunFolder,
    folder: Folder = FOLDER,
    name: Annotated[str | None, Option(help="Name; default: that of the run's folder.")] = None,
    recipe: Annotated[str | None, Option(help="The named recipe of the run.")] = None,
    cost: Annotated[bool, Option("--cost", help="Measure time and memory, too.")] = False,
    keep_labels: Annotated[bool, Option("--keep-labels", help=KEEP)] = False,
    replace: Annotated[bool, Option("--replace", help="Overwrite an existing record.")] = False,
    replicates: Replicates = 1000,
):
    """Score a finished run on its test images and write its record."""
    start_keras()
    options = {"cost": cost, "keep_labels": keep_labels, "replicates": replicates}
    result = _store().record(run, folder, name=name, recipe_name=recipe, replace=replace, **options)
    kind = " on SIMULATED images" if result.simulated else ""
    show(f"{result.path}: test macro AUC {_auc(result)}{kind}")


@results.command("list")
def list_results(
    folder: Folder = FOLDER, model: Model = None, size: Size = None, data: Data = None
):
    """List the records with their test images and scores."""
    found = _select(folder, model, size, data)
    table = Table("Record", "px", "Test images", "Macro AUC", "Level, unit", "Recorded")
    for result in found:
        images = result.data["test"]
        kind = " SIMULATED" if result.simulated else ""
        scored = f"{images.num_images:,}{kind} of {images.source}"
        interval = f"{100 * result.protocol.level:g} %, {result.protocol.unit}"
        cells = (scored, _auc(result), interval, result.recorded[:10])
        table.add_row(result.name, result.recipe["size"], *cells)
    table.show()
    show(f"records in {folder}: {len(found)}")


@results.command()
def compare(
    first: Annotated[str, Argument(help="Name of a record.")],
    second: Annotated[str, Argument(help="Name of another record.")],
    folder: Folder = FOLDER,
    files: Files = None,
    table: Patients = None,
    label_names: Labels = None,
    replicates: Replicates = 1000,
):
    """Compare the settings of two records, and test the difference of their scores."""
    store = _store()
    names = sorted(path.stem for path in folder.glob("*.json"))
    hint = f"Record a run with: {command('results', 'record', 'RUN', '--folder', folder)}"
    require(names, "--folder", "a folder of records", folder, hint)
    for name in (first, second):
        require_choice("record", name, names)
    images = _load_images(files, table, label_names)
    pair = [store.load_result(folder / f"{name}.json", images) for name in (first, second)]
    unmatched = [result.name for result in pair if files and result.predictions is None]
    expected = f"the validation and test images of {' and '.join(unmatched)}"
    require(not unmatched, "--data", expected, "other images or labels")
    settings = Table("", first, second)
    for setting, values in store.differences(*pair).items():
        settings.add_row(setting, *values)
    settings.show()
    comparison = store.compare(*pair, replicates=replicates)
    scores = Table(f"{second} minus {first}", "Difference [95 %]", "p", "p (Holm)")
    rows = [(name, row, None) for name, row in comparison.scores.items()]
    rows += [
        (f"AUC, {name}", row, comparison.holm[name]) for name, row in comparison.labels.items()
    ]
    for name, row, corrected in rows:
        interval = f"{row.value:+.4f} [{row.low:+.4f}, {row.high:+.4f}]"
        p_values = [None if p is None else f"{p:.3g}" for p in (row.p_value, corrected)]
        scores.add_row(name, interval, *p_values)
    scores.show()
    kind = "SIMULATED test" if pair[0].simulated else "Test"
    show(
        f"{kind} images, paired bootstrap over {comparison.unit}. The test does not cover the "
        "variation between seeds."
    )


@results.command()
def check(
    folder: Folder = FOLDER,
    files: Files = None,
    table: Patients = None,
    label_names: Labels = None,
):
    """Validate every record, and recompute its scores where the labels are at hand."""
    checked, unchecked = _store().check(folder, _load_images(files, table, label_names))
    if not checked and not unchecked:
        show(f"no records in {folder}")
        return
    show(f"scores recomputed from predictions, all agree: {', '.join(checked) or 'none'}")
    if unchecked:
        reason = "--data has other images or labels" if files else "pass --data"
        show(f"without labels, not recomputed ({reason}): {', '.join(unchecked)}")


@results.command()
def table(
    folder: Folder = FOLDER,
    form: Annotated[str, Option("--format", help="markdown, latex or csv.")] = "markdown",
    columns: Annotated[str | None, Option(help="Columns; an unknown one lists them.")] = None,
    model: Model = None,
    size: Size = None,
    data: Data = None,
):
    """Print one table for each set of test images."""
    require_choice("format", form, ("markdown", "latex", "csv"))
    options = {} if columns is None else {"columns": tuple(split_names(columns))}
    store = _store()
    found = store.group_by_images(_select(folder, model, size, data))
    tables = [store.table(group, **options) for group in found or [[]]]
    echo(plain("\n\n".join(getattr(shown, f"to_{form}")() for shown in tables)))


@results.command()
def matrix(folder: Folder = FOLDER, model: Model = None, size: Size = None, data: Data = None):
    """Print the macro AUC by model, images and start, with the hours of missing runs."""
    echo(plain(_store().matrix(_select(folder, model, size, data)).to_markdown()))


def _store():
    """Import :mod:`xraylab.results`."""
    from xraylab import results as store

    return store


def _load_images(files, table, label_names):
    """Load the validation and test images of files of real images."""
    from xraylab import data

    names = None if label_names is None else split_names(label_names)
    return [
        data.load(path, split=split, table=table, label_names=names)
        for path in files or ()
        for split in ("val", "test")
    ]


def _select(folder, model, size, data):
    """Return the records with these properties."""
    wanted = {"model": model, "size": size, "data": data}
    return [
        result
        for result in _store().load_results(folder)
        if all(value is None or result.recipe[key] == value for key, value in wanted.items())
    ]


def _auc(result):
    """Format a record's macro AUC and its interval."""
    interval = result.intervals["macro_auc"]
    if isnan(interval.low):
        return "undefined"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
