"""The report of a finished run: what was trained, on what, with what, and what came of it."""

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from xraylab import __version__, metrics
from xraylab.backend import installed_version, memory_peak
from xraylab.models import predict_logits, sigmoid, spec
from xraylab.training.run import write_json

REPORTED_PACKAGES = ("keras", "tensorflow", "jax", "numpy")


def environment():
    """Return platform, versions and accelerators as plain values, ready for JSON."""
    import keras

    versions = {"python": platform.python_version(), "xraylab": __version__}
    found = {package: installed_version(package) for package in REPORTED_PACKAGES}
    return {
        "platform": platform.platform(),
        "backend": keras.backend.backend(),
        "devices": [str(device) for device in keras.distribution.list_devices()],
        "versions": versions | {name: version for name, version in found.items() if version},
    }


def commit():
    """Return the commit of this package, with ``-dirty`` if its files differ from it.

    None where git does not look after the package's files, as where it was installed.
    """
    folder = Path(__file__).resolve().parents[1]

    def git(*words):
        command = ["git", "-C", str(folder), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def describe_epoch(epoch, epochs, losses, scores):
    """Return what a reader is told of an epoch, in one line.

    Args:
        epoch: its number, from 0.
        epochs: how many there are.
        losses: its mean losses by name.
        scores: its validation scores by name, None where undefined.
    """
    shown = "  ".join(
        f"{name.removeprefix('val_').replace('_', ' ')} "
        f"{'undefined' if value is None else format(value, '.4f')}"
        for name, value in scores.items()
    )
    return f"epoch {epoch + 1}/{epochs}  loss {losses['loss']:.4f}  validation: {shown}"


def write_report(run, objective, images, state):
    """Score the best weights on the validation images and write ``report.json``.

    Args:
        run: the :class:`xraylab.training.Run`.
        objective: what it was trained for, of :mod:`xraylab.training.objectives`.
        images: its splits, by name.
        state: the state of the training loop at its end.
    """
    model = run.load_model("best")
    if run.recipe.objective == "masked_reconstruction":
        validation, _ = objective.judge(model, images["val"])
    else:
        validation = metrics.score(
            images["val"].labels,
            sigmoid(predict_logits(model, images["val"])),
            label_names=run.recipe.label_names,
            prevalence=run.facts["train_prevalence"],
        ).to_dict()
    write_json(
        run.path / "report.json",
        {
            "recipe": run.recipe.to_dict(),
            "source": spec(run.recipe.model).source,
            "simulated_images": images["train"].simulated,
            "data": {
                name: {
                    "source": split.source,
                    "images": len(split),
                    "size": split.size,
                    "fingerprint": split.fingerprint,
                }
                for name, split in images.items()
            },
            "train_prevalence": run.facts["train_prevalence"],
            "parameters": model.count_params(),
            "steps": state["step"],
            "seconds": state["seconds"],
            "peak_bytes": memory_peak(),
            "parts_of_a_batch": state["parts"],
            "best_epoch": state["best"]["epoch"],
            "scores": {"val": validation},
            "environment": environment(),
            "begun": run.facts["begun"],
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
