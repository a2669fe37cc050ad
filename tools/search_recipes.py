"""Search settings of the tuned recipes on validation images; takes hours, resumable.

::

    python tools/search_recipes.py --data nih_64.npz --runs FOLDER
    python tools/search_recipes.py --data nih_64.npz --runs FOLDER --only 'rr_vit*'

Each variant changes one setting of a model's tuned recipe and trains in a separate process. Its
validation score is added to book/measured/search.csv; test images are never read. The same command
continues: variants in the table are not trained again.
"""

import argparse
import fnmatch
from pathlib import Path

import pandas as pd
from record_runs import train_recipe

from xraylab.io import atomic_write, read_json

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "book" / "measured" / "search.csv"

EPOCHS = {"rr_vit": 12, "efficientvit_m0": 8, "dbct": 12}
"""Epochs of each searched model: 4 to 25 minutes per run on one or two cores."""

CHANGES = {
    "none": ("rr_vit", "efficientvit_m0", "dbct"),
    "epochs=30": ("rr_vit",),
    "epochs=12": ("efficientvit_m0",),
    "epochs=20": ("dbct",),
    "loss=binary_crossentropy": ("rr_vit", "efficientvit_m0", "dbct"),
    "ema=0.99": ("rr_vit", "efficientvit_m0", "dbct"),
    "learning_rate=0.002": ("rr_vit", "efficientvit_m0"),
    "learning_rate=0.0005": ("rr_vit", "efficientvit_m0"),
    "learning_rate=0.001": ("dbct",),
    "augmentation.presets=none": ("rr_vit", "efficientvit_m0"),
    "augmentation.presets=cxr+mixup": ("rr_vit", "efficientvit_m0", "dbct"),
    "augmentation.presets=randaugment": ("rr_vit",),
    "reconstruction_weight=0": ("rr_vit",),
    "reconstruction_weight=0.1": ("rr_vit",),
    "reconstruction_weight=10": ("rr_vit",),
}
"""Each change of a tuned recipe, and the models that try it, the most informative first."""


def train(model: str, change: str, data: Path, run: Path) -> dict:
    """Train one variant to its end; return its row of the table."""
    settings = [f"data={data}", f"epochs={EPOCHS[model]}", *([change] if change != "none" else [])]
    train_recipe(f"{model}_64_tuned", run, settings)
    report = read_json(run / "report.json")
    return {
        "model": model,
        "change": change,
        "epochs": report["recipe"]["epochs"],
        "best_epoch": report["best_epoch"],
        "val_macro_auc": round(report["scores"]["val"]["macro_auc"], 4),
        "seconds": round(report["seconds"]),
        "seed": report["recipe"]["seed"],
        "commit": read_json(run / "run.json")["commit"],
    }


def known() -> list[dict]:
    """Read the rows of the table, which another process may have added to."""
    return pd.read_csv(TABLE).to_dict("records") if TABLE.exists() else []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="images as an .npz file")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--only", default="*", help="names of runs, as a shell-style pattern")
    options = parser.parse_args()
    variants = {
        f"{model}_{change}".replace("=", "_").replace("+", "_"): (model, change)
        for change, models in CHANGES.items()
        for model in models
    }
    names = fnmatch.filter(variants, options.only)
    if not names:
        parser.error(
            f"--only. Expected: a pattern of {', '.join(variants)}. Received: {options.only}"
        )
    for name in names:
        model, change = variants[name]
        if any((row["model"], row["change"]) == (model, change) for row in known()):
            continue
        print(f"== {name}", flush=True)
        row = train(model, change, options.data.resolve(), options.runs / name)
        with atomic_write(TABLE) as stream:
            stream.write(pd.DataFrame([*known(), row]).to_csv(index=False).encode())


if __name__ == "__main__":
    main()
