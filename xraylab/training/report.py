"""The report of a finished run, and the environment it was trained in."""

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from xraylab import __version__, metrics
from xraylab.backend import installed_version, memory_peak
from xraylab.data import Split
from xraylab.io import write_json
from xraylab.models import predict_logits
from xraylab.training.run import Run

REPORTED_PACKAGES = ("keras", "tensorflow", "jax", "numpy")


def environment() -> dict[str, Any]:
    """Return platform, package versions and devices as plain values, ready for JSON."""
    import keras

    versions = {"python": platform.python_version(), "xraylab": __version__}
    found = {package: installed_version(package) for package in REPORTED_PACKAGES}
    return {
        "platform": platform.platform(),
        "backend": keras.backend.backend(),
        "devices": [str(device) for device in keras.distribution.list_devices()],
        "versions": versions | {name: version for name, version in found.items() if version},
    }


def commit() -> str | None:
    """Return the Git commit of this package, with ``-dirty`` if its files differ from it.

    None if Git does not track the package's files, as in an installed package.
    """
    folder = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def write_report(
    path: Path, run: Run, objective: Any, splits: dict[str, Split], state: dict[str, Any]
) -> None:
    """Score the best weights on the validation images and write the report of a run.

    Args:
        path: the file.
        run: the run.
        objective: its objective, of ``xraylab.training.objectives``.
        splits: its images by split.
        state: the position and history of the run at its end.
    """
    model = run.load_model("best")
    if not run.recipe.predicts_labels:
        validation, _ = objective.validate(model, splits["val"])
    else:
        validation = metrics.score(
            splits["val"].labels,
            expit(predict_logits(model, splits["val"]).astype(np.float64)),
            label_names=run.recipe.labels,
            prevalence=run.facts["train_prevalence"],
        ).to_dict()
    facts = ("source", "size", "fingerprint")
    images = {
        name: {"images": len(split)} | {fact: getattr(split, fact) for fact in facts}
        for name, split in splits.items()
    }
    write_json(
        path,
        {
            "recipe": run.recipe.to_dict(),
            "simulated_images": splits["train"].simulated,
            "data": images,
            "train_prevalence": run.facts["train_prevalence"],
            "epochs": len(state["history"]),
            "steps": state["step"],
            "seconds": state["seconds"],
            "peak_bytes": memory_peak(),
            "best_epoch": state["best"]["epoch"],
            "scores": {"val": validation},
            "environment": environment(),
            "begun": run.facts["begun"],
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
