"""Commands for runs that are there already: ``runs``, ``resume`` and ``delete``."""

import json
import shutil
import uuid
from pathlib import Path
from typing import Annotated

import typer

from xraylab.cli.train import MaxHours, Settings, tell


def runs(
    folder: Annotated[Path, typer.Argument(help="Where the runs lie.")] = Path("runs"),
):
    """List the runs in a folder and in those below it: what each trains, and how far it is."""
    from rich.console import Console
    from rich.table import Table

    from xraylab.backend import start_keras

    start_keras()
    from xraylab.training import Run

    console = Console()
    found = sorted(path.parent for path in folder.rglob("run.json"))
    if not found:
        console.print(f"no runs in {folder}; train one with: xraylab train rr_vit --out runs/first")
        return
    table = Table("Run", "Model", "Data", "Size", "Epochs", "Best", "State")
    for path in found:
        try:
            run = Run(path)
            history, report = run.history, run.report
        except ValueError as error:
            table.add_row(str(path), "", "", "", "", "", f"cannot be read: {error}")
            continue
        recipe = run.recipe
        table.add_row(
            str(path),
            recipe.model,
            Path(recipe.data).name,
            str(recipe.size),
            f"{len(history)}/{recipe.epochs}",
            _best(history),
            "finished" if report else f"resume with: xraylab resume {path}",
        )
    console.print(table)


def resume(
    run: Annotated[Path, typer.Argument(help="Folder of a run of 'xraylab train'.")],
    data: Annotated[
        str | None, typer.Option(help="Where its images lie now, if they have moved.")
    ] = None,
    settings: Settings = None,
    max_hours: MaxHours = None,
):
    """Continue a run by the recipe in its folder, wherever that folder is now.

    With --set, say where other things lie now: data_options.root, teacher or start_from.
    """
    from dataclasses import replace

    from xraylab.backend import start_keras

    start_keras()
    from xraylab import training
    from xraylab.training import recipes

    recipe = recipes.override(training.Run(run).recipe, settings or ())
    if data is not None:
        recipe = replace(recipe, data=data)
    tell(training.fit(recipe, run, resume=True, max_hours=max_hours))


def delete(
    run: Annotated[Path, typer.Argument(help="Folder of a run of 'xraylab train'.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
):
    """Delete a run: its weights, checkpoints, history and report."""
    facts = run / "run.json"
    if not facts.exists():
        raise FileNotFoundError(
            f"{run}: expected the folder of a run (with run.json); nothing was deleted"
        )
    files = [path for path in run.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    try:
        begun = json.loads(facts.read_text(encoding="utf-8"))["begun"]
    except (ValueError, KeyError, TypeError):  # damaged, and all the more to be deleted
        begun = "at an unknown time"
    if not yes:
        typer.confirm(
            f"Delete {run}, begun {begun}: {len(files)} files, {size / 1e6:.1f} MB?", abort=True
        )
    # Renamed first: half a run must not lie where a run is looked for.
    run = run.resolve()
    doomed = run.with_name(f".{run.name}.{uuid.uuid4().hex[:8]}.deleted")
    run.rename(doomed)
    shutil.rmtree(doomed)
    typer.echo(f"deleted {run}")


def _best(history):
    """Return the best validation score of a history as text."""
    aucs = [row["val_macro_auc"] for row in history if row.get("val_macro_auc") is not None]
    errors = [row["val_masked_error"] for row in history if "val_masked_error" in row]
    if aucs:
        return f"AUC {max(aucs):.4f}"
    return f"error {min(errors):.4f}" if errors else "—"
