"""``xraylab runs`` and ``xraylab delete``: the runs in a folder."""

import contextlib
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Annotated

import typer

from xraylab.backend import start_keras
from xraylab.cli.console import RunFolder, Table, command, plain, say


def runs(folder: Annotated[Path, typer.Argument(help="Folder to search.")] = Path("runs")):
    """List the runs in a folder and its subfolders with their progress."""
    start_keras()
    from xraylab.training import Run

    paths = sorted(path.parent for path in folder.rglob("run.json"))
    if not paths:
        say(f"no runs in {folder}; train one with: xraylab train rr_vit --out runs/first")
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
        say(f"continue with: {command('resume', path)}")


def _best(history: list[dict]) -> str:
    """Format the best validation score of a history."""
    aucs = [row["val_macro_auc"] for row in history if row.get("val_macro_auc") is not None]
    errors = [row["val_masked_error"] for row in history if "val_masked_error" in row]
    if aucs:
        return f"AUC {max(aucs):.4f}"
    return f"error {min(errors):.4f}" if errors else "—"


def delete(
    run: RunFolder,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without confirmation.")] = False,
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
    run.rename(deleted)
    shutil.rmtree(deleted)
    say(f"deleted {run}")


def _recipe_of(path: Path) -> dict:
    """Return the recipe in a run's folder; raise a ValueError unless it is one."""
    facts = path / "run.json"
    received = "a folder without a valid run.json"
    here = Path(os.path.normpath(path.absolute()))
    if here != path.resolve() or facts.is_symlink():
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
