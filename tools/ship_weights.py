"""Write the weights of recorded runs, halved in size, with a model card each, to weights/.

::

    python tools/ship_weights.py --runs FOLDER --real FOLDER rr_vit_64_nih_scratch

FOLDER holds the runs of ``tools/record_runs.py``. Weights are stored in float16 and compressed; the
tool predicts the test images again with them and states on the card how far the macro AUC moved.
RR-ViT's file goes into the package, so that it predicts without a network. Beside each file is one
with the calibration and the thresholds of its record, which ``xraylab predict`` uses.
``manifest.json`` lists size and SHA-256 checksum of each file.
"""

import argparse
from pathlib import Path

import h5py
import numpy as np

from xraylab import data, evaluation, io, metrics, models, results
from xraylab.backend import start_keras
from xraylab.evaluation.calibration import FILE
from xraylab.findings import title
from xraylab.models.weights import SUFFIX
from xraylab.training import Run

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "weights"
IN_PACKAGE = ROOT / "xraylab" / "models" / "pretrained"
PACKAGED = ("rr_vit",)
"""Models whose weights are part of the wheel."""


def halve(source: Path, target: Path) -> None:
    """Copy a weight file; arrays of floats become float16, compressed."""

    def copy(name, item):
        if isinstance(item, h5py.Group):
            copied.require_group(name)
        elif item.ndim and np.issubdtype(item.dtype, np.floating):
            options = {"compression": "gzip", "shuffle": True}
            copied.create_dataset(name, data=item[()].astype("f2"), **options)
        else:
            copied.create_dataset(name, data=item[()])

    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        io.atomic_write(target) as stream,
        h5py.File(source, "r") as original,
        h5py.File(stream, "w") as copied,
    ):
        original.visititems(copy)


def card(record: results.Result, shipped: metrics.Score) -> str:
    """Return the model card of a record, in Markdown."""
    recipe, images = record.recipe, record.data
    change = shipped.macro_auc - record.score("macro_auc")
    lines = [
        f"# {recipe['model']}, {recipe['size']} px",
        "",
        "For teaching and research, not for diagnosis.",
        "",
        f"* **Data**: NIH subset, n = {images['train'].num_images:,} training images of NIH "
        "ChestX-ray14 with ChestMNIST's labels and split; labels were extracted from reports by a "
        "program and are noisy.",
        f"* **Recipe**: `{record.recipe_name}` with {_changes(record)}; "
        f"{record.training.epochs} epochs, the weights of epoch {record.training.best_epoch} have "
        "the best validation macro AUC.",
        f"* **Score**: macro AUC {_interval(record, 'macro_auc')} on "
        f"{images['test'].num_images:,} test images; 95 % interval by {record.protocol.unit}; one "
        "seed. The prevalence baseline has 0.5.",
        f"* **Micro AUC**: {_interval(record, 'micro_auc')}; the prevalence baseline has "
        f"{record.scores['test'].baselines[1].micro_auc:.3f}.",
        f"* **Storage**: float16, which changes the test macro AUC by {change:+.5f}.",
        f"* **Calibration**: calibration error "
        f"{record.calibration['uncalibrated'].calibration_error.value:.3f} before and "
        f"{record.calibration['platt'].calibration_error.value:.3f} after Platt scaling on the "
        "validation images.",
        "",
        "| finding | AUC [95 %] | average precision | threshold (F1) | sensitivity | specificity |",
        "|---|---|---|---|---|---|",
    ]
    points = record.operating_points["f1"]
    for name, point in zip(record.label_names, points, strict=True):
        cells = (
            title(name),
            _interval(record, name),
            f"{_per_finding(record, name).average_precision:.3f}",
            *(f"{x:.3f}" for x in (point.threshold, point.sensitivity, point.specificity)),
        )
        lines.append(f"| {' | '.join(cells)} |")
    weak = [n for n in record.label_names if not record.intervals[n].low > 0.5]
    lines += [
        "",
        f"**Known failures**: the interval of the AUC includes chance level for "
        f"{', '.join(map(title, weak)) or 'no finding'}. Lateral, rotated and inverted images, "
        "images of children and images of other hospitals were not examined.",
        "",
        "**Licence and attribution**: weights under Apache-2.0. Trained on NIH ChestX-ray14 (Wang "
        "et al. 2017, NIH Clinical Center) with the labels of ChestMNIST (Yang et al. 2023).",
        "",
        f"Record: `book/results/{record.name}.json`, weights SHA-256 {record.weights_sha256}.",
    ]
    return "\n".join(lines) + "\n"


def _changes(record):
    changes = {k: v for k, v in (record.recipe_changes or {}).items() if k != "data_options"}
    return ", ".join(f"`{field}={used}`" for field, (_, used) in changes.items()) or "no change"


def _interval(record, name):
    interval = record.intervals[name]
    if np.isnan(interval.low):
        return f"{interval.value:.3f} (no interval)"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _per_finding(record, name):
    return record.scores["test"].per_finding[record.label_names.index(name)]


def write_calibration(record: results.Result, weights: Path) -> None:
    """Write the calibration and the thresholds of a record beside its shipped weights."""
    fitted = {name: record.calibration[name] for name in ("temperature", "platt")}
    content = {
        "label_names": record.label_names,
        "record": record.name,
        "weights_sha256": io.sha256(weights),
        **{name: scores and scores.calibration for name, scores in fitted.items()},
        "thresholds": {
            rule: [None if np.isnan(point.threshold) else point.threshold for point in points]
            for rule, points in record.operating_points.items()
        },
    }
    io.write_json(weights.with_name(f"{weights.name.removesuffix(SUFFIX)}.{FILE}"), content)


def ship(run: Run, record: results.Result, real: Path) -> dict:
    """Write the weights and card of a run; return its entry of the manifest."""
    weights = run.weights_file("best")
    if io.sha256(weights) != record.weights_sha256:
        raise SystemExit(f"{weights} are not the weights of {record.path}. Record the run again.")
    model, size = run.recipe.model, run.recipe.size
    folder = IN_PACKAGE if model in PACKAGED else FOLDER
    target = folder / f"{model}_{size}{SUFFIX}"
    halve(weights, target)
    write_calibration(record, target)
    test = data.load(real / Path(run.recipe.data).name, split="test")
    options = {"image_size": size, "weights": target, **run.recipe.model_options}
    probabilities = evaluation.predict(models.build(model, **options), test)
    shipped = metrics.score(test.labels, probabilities, label_names=test.label_names)
    text = card(record, shipped)
    (FOLDER / f"{model}_{size}.md").write_text(text, encoding="utf-8")
    print(text)
    return {
        "file": target.relative_to(ROOT).as_posix(),
        "bytes": target.stat().st_size,
        "sha256": io.sha256(target),
        "record": record.name,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="names of records")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--real", type=Path, required=True, help="folder of the real images")
    options = parser.parse_args()
    start_keras()
    FOLDER.mkdir(exist_ok=True)
    manifest = FOLDER / "manifest.json"
    entries = io.read_json(manifest) if manifest.exists() else {}
    for name in options.names:
        run = Run(options.runs / name)
        record = results.load_result(ROOT / "book" / "results" / f"{name}.json")
        entries[f"{run.recipe.model}_{run.recipe.size}"] = ship(run, record, options.real)
        io.write_json(manifest, dict(sorted(entries.items())))


if __name__ == "__main__":
    main()
