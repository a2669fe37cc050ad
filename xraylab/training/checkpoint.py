"""Checkpoints: everything that a run needs to continue exactly where it stopped.

One ``.npz`` file holds every variable of the model (weights and seed generators), of the optimizer,
of the metrics and of the averaged weights, and a JSON text with the position in the data and the
history. Files are written atomically. The last two remain, so that a damaged one does not end the
run. Nothing is pickled.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from xraylab import io

NUM_CHECKPOINTS = 2
"""Number of checkpoints that a run keeps."""


class CheckpointError(RuntimeError):
    """None of a run's checkpoints can be read."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read from disk.

    Attributes:
        path: its file.
        state: the JSON values given to :func:`save_checkpoint`.
        arrays: the values of the variables by name.
    """

    path: Path
    state: dict[str, Any]
    arrays: dict[str, np.ndarray]


def save_checkpoint(folder: Path, arrays: Mapping[str, np.ndarray], state: dict[str, Any]) -> Path:
    """Write a checkpoint, remove those no longer needed, and return its path.

    Args:
        folder: the folder of the run's checkpoints.
        arrays: the values of the variables, by name.
        state: JSON values, with ``step``, the number of optimizer steps taken.

    Raises:
        OSError: if it cannot be written; earlier checkpoints are unchanged.
    """
    path = folder / f"step-{state['step']:09d}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    with io.atomic_write(path) as stream:
        text = json.dumps(io.to_plain(state | {"arrays": sorted(arrays)}))
        contents: dict[str, Any] = {"state": np.array(text), **arrays}
        np.savez(stream, **contents)
    # A checkpoint of a later step is one that could not be read.
    newest = [p for p in list_checkpoints(folder) if p <= path][:NUM_CHECKPOINTS]
    for other in set(list_checkpoints(folder)) - set(newest):
        other.unlink(missing_ok=True)
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoint files of a run, newest first."""
    return sorted(Path(folder).glob("step-*.npz"), reverse=True)


def read_newest_checkpoint(run: Any) -> Checkpoint | None:
    """Return a run's newest readable :class:`Checkpoint`; None if the run has none yet.

    A damaged checkpoint is named in a warning and skipped.

    Args:
        run: a :class:`xraylab.training.Run`.

    Raises:
        CheckpointError: if the run has a history, but no checkpoint can be read. Restarting from
            step 0 would overwrite its best weights.
    """
    found = list_checkpoints(run.checkpoints)
    for path in found:
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            state = json.loads(str(arrays.pop("state")))
            if sorted(arrays) != state.pop("arrays"):
                raise ValueError("arrays are missing")
            return Checkpoint(path, state, arrays)
        except Exception as error:  # a wrong byte may change a flag, a method, a shape …
            warnings.warn(
                f"{path} is damaged and was skipped. Expected: a complete checkpoint. "
                f"Received: {error}.",
                stacklevel=2,
            )
    if not found and not run.history:
        return None
    raise CheckpointError(
        f"{run.checkpoints} holds no checkpoint to continue from. Expected: a readable step-*.npz. "
        f"Received: {len(found)} damaged files. Restore one from a backup, or choose another "
        f"folder to train from the beginning; the history and weights in {run.path} are unchanged."
    )


def restore(checkpoint: Checkpoint, variables: Mapping[str, keras.Variable]) -> None:
    """Assign a checkpoint to variables: all of them, or none if one does not fit.

    Raises:
        ValueError: if the checkpoint was written by another model.
    """
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    found = {name: array.shape for name, array in checkpoint.arrays.items()}
    if expected != found:
        raise ValueError(
            f"{checkpoint.path} belongs to another model. Resume with the versions of xraylab and "
            "Keras that started the run."
        )
    for name, variable in variables.items():
        variable.assign(checkpoint.arrays[name])


def training_variables(model: keras.Model, average: Any = None) -> dict[str, keras.Variable]:
    """Return all variables that a training step changes, by name.

    Gradient accumulators are left out, because they are zero between two steps.

    Args:
        model: a compiled model whose optimizer is built.
        average: its :class:`xraylab.training.callbacks.WeightAverage`, if it has one.
    """
    groups = {
        "model": model.variables,
        "optimizer": [v for v in model.optimizer.variables if "gradient_accumulator" not in v.name],
        "metrics": model.metrics_variables,
        "average": average.variables if average else (),
    }
    return {
        f"{group}/{number:05d}": variable
        for group, variables in groups.items()
        for number, variable in enumerate(variables)
    }
