"""``xraylab doctor``, ``data``, ``models`` and ``recipes``: what there is."""

import csv
import json as json_text
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option, echo

from xraylab.arguments import parse_value, require, require_choice
from xraylab.backend import start_keras
from xraylab.cli.console import Table, show, split_names
from xraylab.io import read_json, to_plain

BOOK = Path("book")
"""Folder of the book in a checkout, with its measurements and records."""


def doctor():
    """Show platform, versions, disk and data, and test the accelerator with a convolution."""
    from xraylab.doctor import examine

    for topic, lines in examine().items():
        show(topic, bold=True)
        for line in lines:
            show(f"  {line}")


def data(
    action: Annotated[str | None, Argument(help="check, to examine PATH.")] = None,
    path: Annotated[Path | None, Argument(help="A folder of images, or an .npz file.")] = None,
    label_names: Annotated[str | None, Option(help="Labels, as a,b,c.")] = None,
    option: Annotated[list[str] | None, Option(help="As split_column=set; repeatable.")] = None,
    size: Annotated[int | None, Option(help="Side of the images in pixels.")] = None,
    json: Annotated[bool, Option("--json", help="Print the report as JSON.")] = False,
):
    """List the data sources, or check your own: xraylab data check PATH.

    phantom is simulated; chestmnist is downloaded; nih14 (ChestX-ray14), chexpert, mimic_cxr
    (MIMIC-CXR-JPG) and vindr_cxr are folders of image files from their publishers; folder is any
    other folder of images with a CSV table of labels. The path of an .npz file in MedMNIST's layout
    is a source, too.

    The check loads every split and prints counts, labels, and missing, unreadable, suspect,
    duplicate and near-duplicate images, also across splits.
    """
    if action is not None:
        require_choice("action", action, ("check",))
        require(path is not None, "PATH", "a folder or an .npz file", "nothing")
        for text in option or ():
            require("=" in text, "--option", "NAME=VALUE, as split_column=set", repr(text))
        named = (text.split("=", 1) for text in option or ())
        options: dict[str, Any] = {
            name: text if name.endswith("_column") else parse_value(text) for name, text in named
        }
        options |= {"size": size, "label_names": label_names and split_names(label_names)}
        return _check_data(path, options, json)
    from xraylab.data import data_root, sources

    table = Table("Source", "Size (px)", "State", "How", title="Data sources")
    for source in sources():
        state = source.state if source.path is None else f"{source.state}\n{source.path}"
        table.add_row(source.name, source.size, state, source.how)
    table.show()
    show(f"Downloads and caches: {data_root()} (set XRAYLAB_DATA to change it)")


def _check_data(path, options, json):
    """Print what is found in a folder or archive."""
    from xraylab.data.check import check_data

    found = check_data(path, **options)
    if json:
        show(json_text.dumps(to_plain(found), indent=2))
        return
    show(f"{path} as {found['source']}", bold=True)
    labels = Table("Label", *found["splits"], title="Present / absent / unknown")
    rows = {}
    for name, split in found["splits"].items():
        if "error" in split:
            show(f"{name}: {split['error']}")
            continue
        patients = f" of {split['patients']:,} patients" if split["patients"] else ""
        show(f"{name}: {split['images']:,} images{patients}")
        for kind, names in (split["report"] | {"near-duplicate": split["near_duplicates"]}).items():
            if names:
                show(f"  {len(names):,} {kind}: {', '.join(names[:5])}")
        for label, counts in split["labels"].items():
            rows.setdefault(label, {})[name] = " / ".join(map(str, counts.values()))
    for label, cells in rows.items():
        labels.add_row(label, *(cells.get(name) for name in found["splits"]))
    labels.show()
    across = found["near_duplicates_across"]
    show(
        f"{len(across):,} pairs of near-duplicates across splits{': ' if across else ''}"
        f"{', '.join(across[:5])}"
    )


def models(
    name: Annotated[str | None, Argument(help="A model, to list its layers.")] = None,
    size: Annotated[int, Option(help="Side of the images in pixels.")] = 64,
):
    """List the models with their cost, or the layers of one model."""
    if name is None:
        _list_models(size)
        return
    from xraylab.models import build, spec

    found = spec(name)
    start_keras()
    build(name, size).summary(print_fn=echo)
    show(f"{found.summary}; source {found.source}")
    if found.reconstructed:
        show(f"Not specified in the source: {found.reconstructed}")


def _list_models(size):
    """Print one row per model."""
    from xraylab.models.registry import SPECS

    headers = ("Model", "Source", "Parameters", "Multiply-\nadds", "Tokens")
    table = Table(*headers, right=2, title=f"Models at {size}×{size} px, 14 labels")
    for _, family in groupby(SPECS.values(), key=lambda spec: spec.builder):
        table.add_section()
        for spec in family:
            table.add_row(spec.name, spec.source, *_cost(spec.name, size))
    table.show()
    show(
        "A multiply-add is one multiplication and addition, for one image. Tokens: sequence length "
        "of the first attention. Layers, and what the source does not specify: "
        "xraylab models NAME --size 128. Build: models.build(NAME, image_size=64). "
        "Train: xraylab train NAME."
    )


def _cost(name, size):
    """Format parameters, multiply-adds and tokens; build the model if they are not tabulated."""
    from xraylab.models import build
    from xraylab.models.cost import cost, recorded_cost

    found = recorded_cost(name, size)
    if found is None:
        start_keras().backend.clear_session()
        try:
            model = build(name, size)
        except ValueError:
            return "not at", "this size", ""
        try:
            found = cost(model)
        except RuntimeError:  # multiply-adds are counted by TensorFlow only
            return f"{model.count_params():,}", "—", "—"
    billions = found.multiply_adds >= 1e9
    count = found.multiply_adds / (1e9 if billions else 1e6)
    tokens = "" if found.tokens is None else f"{found.tokens:,}"
    return f"{found.parameters:,}", f"{count:.3g} {'G' if billions else 'M'}", tokens


def recipes(name: Annotated[str | None, Argument(help="A recipe, to show it in full.")] = None):
    """List the recipes, or show one: command, cost, settings and changes against its parent."""
    start_keras()
    from xraylab.training.recipes import RECIPES, get

    if name is not None:
        _show_recipe(get(name))
        return
    table = Table("Recipe", "Data", "Objective")
    for named in RECIPES.values():
        table.add_row(named.name, named.recipe.data, named.recipe.objective)
    table.show()
    show(
        "One of them: xraylab recipes NAME. Train: xraylab train NAME --out FOLDER; try it on "
        "simulated images with --data phantom --num-images 512 --epochs 1."
    )


def _show_recipe(named):
    """Print a recipe's description, changes, and settings with their source."""
    from xraylab.training.statements import STATUSES

    show(named.describe())
    if named.parent is not None:
        table = Table("Setting", named.parent, named.name, title="Changes")
        for field, (parent, own) in named.changes.items():
            table.add_row(field, parent, own)
        table.show()
    reasons = {statement.field: statement for statement in named.statements}
    if reasons:
        table = Table("Setting", "Status", "Source", title="Settings and their source")
        for field, statement in reasons.items():
            setting, status = f"{field} = {statement.value}", STATUSES[statement.status]
            table.add_row(setting, status, statement.reason)
        table.show()
    table = Table("Setting", "Value", title="Other settings" if reasons else "All settings")
    for field, value in named.recipe.to_dict().items():
        if field not in {name.partition(".")[0] for name in reasons}:
            table.add_row(field, str(value))
    table.show()
    _show_evidence(named)


def _show_evidence(named):
    """Print what was searched for a recipe and what its runs scored, in a checkout of the book."""
    table = Table("Change", "Epochs", "Macro AUC", title="Tried on real validation images")
    searched = BOOK / "measured" / "search.csv"
    rows = csv.DictReader(searched.read_text("utf-8").splitlines()) if searched.exists() else ()
    for row in rows:
        if named.name == f"{row['model']}_64_tuned":
            table.add_row(row["change"], row["epochs"], row["val_macro_auc"])
    runs = Table("Record", "Epochs", "Minutes", "Macro AUC", title="Recorded runs, test images")
    for record in map(read_json, sorted((BOOK / "results").glob("*.json"))):
        if record.get("recipe_name") == named.name:
            training = record["training"]
            score = "{value:.3f} [{low:.3f}, {high:.3f}]".format(**record["intervals"]["macro_auc"])
            kind = " SIMULATED" if record["simulated"] else ""
            minutes = f"{training['seconds'] / 60:.0f}"
            runs.add_row(record["name"], training["epochs"], minutes, f"{score}{kind}")
    for found in (table, runs):
        if found.row_count:
            found.show()
