"""``xraylab predict``: the findings of image files."""

import json as json_text
import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from typer import Argument, Exit, Option

from xraylab.arguments import did_you_mean, invalid_argument, require, require_choice
from xraylab.backend import start_keras
from xraylab.cli.console import OF_FILES, Table, command, show
from xraylab.findings import FINDINGS, title

NOTICE = "For teaching and research, not for diagnosis."
STDOUT = Path("-")
NUM_OVERLAYS = 3
"""Number of findings, those of highest probability, whose map is drawn over an image."""

FILES = "Image files, MedMNIST-style .npz files, or folders of PNG, JPEG and DICOM files."
MODEL = "Folder of a run, or a model with shipped weights."
CSV = "File with one row per image and finding; - prints it instead of the tables."
JSON = "The same as JSON."
OVERLAYS = f"Folder for maps of the {NUM_OVERLAYS} highest findings of each image."


def predict(
    files: Annotated[list[Path], Argument(help=FILES)],
    model: Annotated[str, Option(help=MODEL)] = "rr_vit",
    rule: Annotated[str, Option(help="Operating point: f1, youden or sensitivity.")] = "f1",
    split: Annotated[str, Option(help="Split of an .npz file.")] = "test",
    csv: Annotated[Path | None, Option(dir_okay=False, allow_dash=True, help=CSV)] = None,
    json: Annotated[Path | None, Option(dir_okay=False, allow_dash=True, help=JSON)] = None,
    save_overlays: Annotated[Path | None, Option(file_okay=False, help=OVERLAYS)] = None,
):
    """Predict the findings of images: probability, operating point and decision.

    Images are converted to grey squares of the model's size. Files that cannot be read are named,
    the others predicted; the exit status is then 1. Images that are constant, narrow, negatives or
    sideways are predicted and named.
    """
    start_keras(lean=True)
    import pandas as pd

    from xraylab import io, models
    from xraylab.evaluation.thresholds import RULES

    require_choice("rule", rule, RULES)
    printed = [path for path in (csv, json) if path == STDOUT]
    require(len(printed) < 2, "--csv and --json", "one of them to -", "both")
    for folder in (csv and csv.parent, json and json.parent, save_overlays):
        if folder is not None:
            io.make_folder(folder)
    found = load_classifier(model)
    images, unreadable, suspect = read_images(files, found.model.image_size, split, found.square)
    if images:
        pixels = np.stack(list(images.values()))[..., np.newaxis] / np.float32(255)
        logits = models.predict_logits(found.model, pixels).astype(np.float64)
        probabilities, points, positive = decide(logits, found.calibration, rule)
        count, names = len(images), found.label_names
        columns = {"image": np.repeat([*images], len(names)), "finding": [*names] * count}
        columns |= {"probability": probabilities.ravel(), "operating_point": [*points] * count}
        frame = pd.DataFrame(columns | {"decision": positive.ravel()})
        for image, table in frame.groupby("image", sort=False) if not printed else ():
            _print_table(image, table)
        _print_notes(found, rule, stderr=bool(printed))
        if csv == STDOUT:
            show(io.csv_text(frame).rstrip())
        elif csv is not None:
            csv.write_text(io.csv_text(frame), encoding="utf-8")
        if json is not None:
            fitted = found.calibration is not None
            facts = {"model": found.description, "calibrated": fitted, "rule": rule}
            rows = frame.replace(np.nan, None).to_dict("records")
            facts |= {"notice": NOTICE, "predictions": rows}
            facts |= {"unreadable": unreadable, "suspect": suspect}
            if json == STDOUT:
                show(json_text.dumps(facts, indent=2))
            else:
                io.write_json(json, facts)
        if save_overlays is not None:
            _save_overlays(found, [*images], pixels, probabilities, save_overlays)
            show(f"Overlays: {save_overlays}", stderr=bool(printed))
    if suspect:
        show(f"Suspect: {suspect.text()}", stderr=True)
    for file, reason in unreadable.items():
        show(f"Cannot be read: {file}: {reason}", stderr=True)
    if unreadable:
        raise Exit(1)


class Classifier(NamedTuple):
    """A trained model and what its probabilities need.

    Args:
        model: the Keras model.
        label_names: its labels.
        calibration: a :class:`xraylab.evaluation.CalibrationResult`, or None.
        square: how its images became square.
        description: what it is, for the output.
        advice: what to do if there is no calibration.
    """

    model: Any
    label_names: tuple[str, ...]
    calibration: Any
    square: str
    description: str
    advice: str


def load_classifier(name: str) -> Classifier:
    """Load a run by its folder, or a model by the name of its shipped weights."""
    from xraylab.models.registry import build_shipped
    from xraylab.models.weights import largest_shipped
    from xraylab.training import Run

    if Path(name).is_dir():
        run = Run(name)
        run.require_classifier()
        square = run.recipe.data_options.get("square", "pad")
        simulated = " trained on SIMULATED images" if run.recipe.data == "phantom" else ""
        described = f"{run.recipe.model} of {name}{simulated}"
        advice = f"Fit them with: {command('calibrate', name)}"
        model, labels = run.load_model("best"), run.recipe.labels
        return Classifier(model, labels, _calibration(Path(name)), square, described, advice)
    shipped = largest_shipped()
    if name not in shipped:
        expected = f"the folder of a run, or a model with shipped weights: {', '.join(shipped)}"
        hint = OF_FILES if Path(name).is_file() else did_you_mean(name, shipped)
        raise invalid_argument("--model", expected, repr(name), hint)
    model, calibration = build_shipped(name), _calibration(shipped[name])
    described = f"{name}, {model.image_size} px, shipped weights"
    advice = "None come with these weights"
    return Classifier(model, FINDINGS, calibration, "pad", described, advice)


def _calibration(path):
    """Return the calibration of a run or of shipped weights, or None if there is none."""
    from xraylab import evaluation

    try:
        return evaluation.load_calibration(path)
    except FileNotFoundError:
        return None


def decide(logits: np.ndarray, calibration: Any, rule: str) -> tuple[np.ndarray, ...]:
    """Compute probabilities, operating points on the same scale, and decisions.

    A finding is positive if its uncalibrated probability is above the threshold of the rule. Platt
    scaling of both preserves their order; labels whose slope is negative stay uncalibrated.

    Shapes:
        logits: (num_images, num_labels).
        returns: probabilities, of the same shape; operating points, (num_labels,), NaN where there
        is none; and decisions, (num_images, num_labels) ``"positive"``, ``"negative"`` or ``""``.

    Args:
        calibration: a :class:`xraylab.evaluation.CalibrationResult`, or None.
        rule: name of the rule of the thresholds.
    """
    from scipy.special import expit, logit

    if calibration is None:
        points = np.full(logits.shape[1], np.nan)
        return expit(logits), points, np.full(logits.shape, "")
    slope, offset = np.array([calibration.platt.slope, calibration.platt.offset])
    slope, offset = np.where(slope > 0, [slope, offset], [[1.0], [0.0]])
    thresholds = np.array(calibration.thresholds[rule], dtype=float)  # None becomes NaN
    points = expit(slope * logit(np.clip(thresholds, 0, 1)) + offset)
    decisions = np.where(expit(logits) > thresholds, "positive", "negative")
    return expit(slope * logits + offset), points, np.where(np.isnan(thresholds), "", decisions)


def read_images(
    files: list[Path], size: int, split: str, square: str = "pad"
) -> tuple[dict[str, np.ndarray], dict[str, str], Any]:
    """Read image files, folders and ``.npz`` files as square grey images.

    Shapes:
        returns: (size, size) uint8 by name; the reason why by the name of each unreadable file; and
        a ``xraylab.data.report.Report`` of what is suspect.

    Args:
        files: the files and folders.
        size: side of the images in pixels.
        split: the split of ``.npz`` files.
        square: as for ``xraylab.data.image_io.read_image``.
    """
    from PIL import Image

    from xraylab.data.image_io import UnreadableImage, decode_image, examine_image
    from xraylab.data.listing import SUFFIXES
    from xraylab.data.npz import iterate_images
    from xraylab.data.report import Report

    images, unreadable, report = {}, {}, Report()
    for file in files:
        paths = [file]
        if file.is_dir():
            paths = [
                path for path in sorted(file.rglob("[!.]*")) if path.suffix.lower() in SUFFIXES
            ]
            if not paths:
                unreadable[str(file)] = f"a folder without {', '.join(SUFFIXES)} files"
        for path in paths:
            try:
                if path.suffix.lower() == ".npz":
                    arrays = map(Image.fromarray, iterate_images(path, split))
                    found = (examine_image(image, size, square) for image in arrays)
                    decoded = {f"{path}[{i}]": image for i, image in enumerate(found)}
                else:
                    decoded = {str(path): decode_image(path, size, square)}
                images |= {name: image.pixels for name, image in decoded.items()}
                suspect = np.array([image.suspect for image in decoded.values()])
                report.add_suspect(suspect, [*decoded])
            except (UnreadableImage, ValueError, OSError) as error:
                unreadable[str(path)] = getattr(error, "strerror", None) or str(error)
    return images, unreadable, report


def _print_table(image, frame):
    """Print the predictions of one image."""
    table = Table("Finding", "Probability", "Operating point", "Decision", right=1, title=image)
    for row in frame.itertuples():
        point = "none" if np.isnan(row.operating_point) else f"{row.operating_point:.3f}"
        table.add_row(title(row.finding), f"{row.probability:.3f}", point, row.decision)
    table.show()


def _print_notes(found, rule, stderr):
    """Print what the numbers of the tables are."""
    if found.calibration is None:
        notes = [f"Uncalibrated probabilities, no operating points. {found.advice}"]
    else:
        notes = [f"Probabilities after Platt scaling; operating points of rule {rule}."]
        if reversed_labels := found.calibration.platt.negative_slopes:
            names = ", ".join(title(found.label_names[k]) for k in reversed_labels)
            notes.append(
                f"Uncalibrated, because on validation images ranked below chance: {names}."
            )
    for note in notes:
        show(note, stderr=stderr)
    show(f"{found.description}. {NOTICE}", bold=True, stderr=stderr)


def _save_overlays(found, names, images, probabilities, folder):
    """Draw maps of the highest findings of each image over it."""
    from xraylab import explain, plotting

    if found.model.transforms_attention:
        method, label = explain.gradient_attention, "gradient-weighted attention"
    else:
        method, label = explain.grad_cam, "Grad-CAM (units of the logit)"
    for number, (name, image, row) in enumerate(zip(names, images, probabilities, strict=True), 1):
        highest = np.argsort(-row)[:NUM_OVERLAYS]
        for k, values in zip(highest, method(found.model, image[None], highest)[0], strict=True):
            text = f"{title(found.label_names[k])}, probability {row[k]:.3f}"
            figure = plotting.image_with_heatmap(image, values, colorbar_label=label, title=text)
            short = re.sub(r"[^\w.-]", "_", Path(name).stem)[:80]
            stem = f"{number:04d}_{short}_{found.label_names[k]}"
            figure.savefig(folder / f"{stem}.png", dpi=150, facecolor="white")
