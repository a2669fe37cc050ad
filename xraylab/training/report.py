"""The report of a finished run: what was trained, on what, with what, and what came of it."""

import platform
from datetime import UTC, datetime

import numpy as np

from xraylab import __version__, metrics
from xraylab.backend import installed_version
from xraylab.models import card, predict_logits, sigmoid
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


def write_report(run, films, state):
    """Score the best weights on the validation films and write ``report.json``.

    Args:
        run: the :class:`xraylab.training.Run`.
        films: its splits, by name.
        state: the state of the training loop at its end.
    """
    model = run.load_model("best")
    validation = metrics.score(
        np.asarray(films["val"].labels),
        sigmoid(predict_logits(model, films["val"])),
        label_names=run.recipe.label_names,
        prevalence=run.facts["train_prevalence"],
    )
    write_json(
        run.path / "report.json",
        {
            "recipe": run.recipe.to_dict(),
            "source": card(run.recipe.model).source,
            "simulated_films": films["train"].simulated,
            "data": {
                name: {
                    "source": split.source,
                    "films": len(split),
                    "size": split.size,
                    "fingerprint": split.fingerprint,
                }
                for name, split in films.items()
            },
            "train_prevalence": run.facts["train_prevalence"],
            "parameters": model.count_params(),
            "steps": state["step"],
            "seconds": state["seconds"],
            "best_epoch": state["best"]["epoch"],
            "scores": {"val": validation.to_dict()},
            "environment": environment(),
            "begun": run.facts["begun"],
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    )
