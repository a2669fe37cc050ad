"""Checkpoints: all that a run needs to go on as if nothing had happened.

One ``.npz`` file holds every variable of the model (weights, and the state of each dropout's
random numbers) and of the optimiser (its moments and its step count), and a JSON text with the
place in the data, the losses of the epoch so far and the history. Files appear whole or not at all;
the last two are kept, so that one that the disk has damaged does not end the run. Nothing is
pickled.
"""

import json
import warnings
import zipfile
from pathlib import Path

import numpy as np

from xraylab.data.files import make_folder, write_whole

KEPT = 2
"""Number of checkpoints kept."""


def save_checkpoint(folder, model, state):
    """Write a checkpoint and remove those that are no longer needed.

    Args:
        folder: where the checkpoints of the run lie.
        model: a compiled Keras model.
        state: JSON values with ``step``, the number of steps taken.
    """
    folder = make_folder(Path(folder))
    arrays = {"state": np.array(json.dumps(state))}
    for group, variables in _variables(model).items():
        for number, variable in enumerate(variables):
            arrays[f"{group}/{number:05d}"] = np.asarray(variable)
    with write_whole(folder / f"step-{state['step']:09d}.npz") as stream:
        np.savez(stream, **arrays)
    for old in list_checkpoints(folder)[KEPT:]:
        old.unlink()


def list_checkpoints(folder):
    """Return the checkpoint files of a run, the newest first."""
    return sorted(Path(folder).glob("step-*.npz"), reverse=True)


def load_newest_checkpoint(folder, model):
    """Put the newest readable checkpoint into a model and return its state; None if there is none.

    A checkpoint that cannot be read is named in a warning and left where it is.

    Raises:
        ValueError: if the checkpoint belongs to a model of another shape.
    """
    for path in list_checkpoints(folder):
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            state = json.loads(str(arrays.pop("state")))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            warnings.warn(
                f"{path}: expected a whole checkpoint, but it cannot be read ({error}); "
                "going on from the one before it",
                stacklevel=2,
            )
            continue
        _assign(path, arrays, model)
        return state
    return None


def _variables(model):
    """Return the variables of a compiled model in two groups."""
    return {"model": model.variables, "optimizer": model.optimizer.variables}


def _assign(path, arrays, model):
    """Set every variable of a model from a checkpoint's arrays, after checking that all fit."""
    pairs = [
        (variable, f"{group}/{number:05d}")
        for group, variables in _variables(model).items()
        for number, variable in enumerate(variables)
    ]
    expected = {name: tuple(variable.shape) for variable, name in pairs}
    found = {name: array.shape for name, array in arrays.items()}
    if expected != found:
        wrong = sorted(n for n in expected.keys() | found if expected.get(n) != found.get(n))
        raise ValueError(
            f"{path}: expected the checkpoint of a model like this one, with {len(expected)} "
            f"arrays; {len(found)} came and {len(wrong)} do not fit, the first {wrong[0]}: "
            f"{expected.get(wrong[0])} expected, {found.get(wrong[0])} found. "
            "Resume with the recipe and the xraylab version that began the run"
        )
    for variable, name in pairs:
        variable.assign(arrays[name])
