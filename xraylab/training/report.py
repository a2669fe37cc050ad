"""The report of a finished run, and the environment it was trained in."""

import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from xraylab import __version__
from xraylab.backend import installed_version, memory_peak
from xraylab.data import Split
from xraylab.io import write_json
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


def write_report(path: Path, run: Run, splits: dict[str, Split], state: dict[str, Any]) -> None:
    """Write the report of a run, with the validation scores of its best epoch.

    Args:
        path: the file.
        run: the run.
        splits: its images by split.
        state: the position and history of the run at its end.
    """
    best = state["history"][state["best"]["epoch"] - 1]
    scores = {k.removeprefix("val_"): v for k, v in best.items() if k.startswith("val_")}
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
            "scores": {"val": scores},
            "environment": environment(),
            "begun": run.facts["begun"],
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
