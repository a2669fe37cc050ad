"""Checkpoints: all that a run needs to go on as if nothing had happened.

One ``.npz`` file holds every variable of the model (weights, and the state of each dropout's
random numbers), of the optimiser (its moments and its step count) and of the averaged weights, and
a JSON text with the place in the data, the losses of the epoch so far and the history. Files appear
whole or not at all; the last two are kept, so that one that the disk has damaged does not end the
run. Nothing is pickled.
"""

import contextlib
import json
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from keras import ops

from xraylab.io import atomic_write

KEPT = 2
"""Number of checkpoints kept."""


class CheckpointError(RuntimeError):
    """A file of the run could not be written, or none of its checkpoints can be read."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read.

    Attributes:
        path: its file.
        state: what was given to :func:`save_checkpoint`.
        arrays: what :func:`snapshot` returned.
    """

    path: Path
    state: dict
    arrays: dict


def snapshot(model, average=None):
    """Return all that a step changes, as NumPy arrays by name.

    Args:
        model: a compiled Keras model, between two steps.
        average: its :class:`xraylab.training.optimizer.WeightAverage`, if it has one.
    """
    return {
        name: ops.convert_to_numpy(variable)
        for name, variable in _variables(model, average).items()
    }


def save_checkpoint(folder, arrays, state):
    """Write a checkpoint, remove those that are no longer needed, and return its path.

    Args:
        folder: where the checkpoints of the run lie.
        arrays: what :func:`snapshot` returned.
        state: JSON values with ``step``, the number of steps taken.

    Raises:
        CheckpointError: if the disk is full or refuses; what was there before stays.
    """
    folder = Path(folder)
    path = folder / f"step-{state['step']:09d}.npz"
    with told_in_words(path, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as stream:
            text = json.dumps(state | {"arrays": sorted(arrays)})
            np.savez(stream, state=np.array(text), **arrays)
        # One of a later step can only be one that could not be read.
        kept = [p for p in list_checkpoints(folder) if p <= path][:KEPT]
        for other in set(list_checkpoints(folder)) - set(kept):
            other.unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def told_in_words(path, checkpoints):
    """Turn what the disk says against writing a file of a run into a :class:`CheckpointError`.

    Args:
        path: the file.
        checkpoints: folder of the run's checkpoints, of which the newest is named.
    """
    try:
        yield
    except OSError as error:
        kept = list_checkpoints(checkpoints)
        raise CheckpointError(
            f"{path}: expected to be able to write this file, but: {error.strerror or error}. "
            + (f"The run stands as it was in {kept[0].name}. " if kept else "")
            + "Free some space, or mend the folder; the same command with --resume goes on"
        ) from error


def list_checkpoints(folder):
    """Return the checkpoint files of a run, the newest first."""
    return sorted(Path(folder).glob("step-*.npz"), reverse=True)


def read_newest_checkpoint(run):
    """Return a run's newest readable :class:`Checkpoint`; None if it has not got anywhere.

    A checkpoint that cannot be read is named in a warning and left where it is, until the run has
    written a new one.

    Raises:
        CheckpointError: if the run has got somewhere, but no checkpoint can be read. To begin anew
            of one's own accord would overwrite the best weights, all that is left of such a run.
    """
    found = list_checkpoints(run.checkpoints)
    for path in found:
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            state = json.loads(str(arrays.pop("state")))
            if sorted(arrays) != state.pop("arrays"):
                raise ValueError("it holds other arrays than were written")
            return Checkpoint(path, state, arrays)
        except _UNREADABLE as error:
            warnings.warn(
                f"{path}: expected a whole checkpoint, but it cannot be read ({error}); "
                "going on from the one before it",
                stacklevel=2,
            )
    if not found and not run.history:
        return None
    raise CheckpointError(
        f"{run.checkpoints}: expected a checkpoint to go on from, but "
        + (f"none of the {len(found)} there can be read. " if found else "there is none. ")
        + "Put one back from a copy. To train from the beginning, choose another folder; the "
        f"history and the weights in {run.path} stay as they are"
    )


_UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, TypeError, MemoryError, RuntimeError, SyntaxError,
    zipfile.BadZipFile,
)  # fmt: skip
"""What NumPy, zipfile and json raise on bytes that nobody wrote, as tests found by damaging files:
a wrong byte may stand for another compression, for encryption, or for an array of any shape."""


def restore(checkpoint, model, average=None):
    """Put a checkpoint into a model, its optimiser and its average, all of it or nothing.

    Args:
        checkpoint: a :class:`Checkpoint`.
        model: a compiled Keras model, of which the optimiser is built.
        average: as for :func:`snapshot`.

    Raises:
        ValueError: if the checkpoint belongs to a model of another shape.
    """
    variables = _variables(model, average)
    expected = {name: tuple(variable.shape) for name, variable in variables.items()}
    found = {name: array.shape for name, array in checkpoint.arrays.items()}
    if expected != found:
        wrong = sorted(n for n in expected.keys() | found if expected.get(n) != found.get(n))
        raise ValueError(
            f"{checkpoint.path}: expected the checkpoint of a model like this one, with "
            f"{len(expected)} arrays; {len(found)} came and {len(wrong)} do not fit, the first "
            f"{wrong[0]}: {expected.get(wrong[0])} expected, {found.get(wrong[0])} found. "
            "Resume with the recipe and the xraylab version that began the run"
        )
    for name, variable in variables.items():
        variable.assign(checkpoint.arrays[name])


def _variables(model, average):
    """Return all variables that a step changes, by name.

    What an optimiser has gathered of a batch is zero between two steps, and left out.
    """
    groups = {
        "model": model.variables,
        "optimizer": [v for v in model.optimizer.variables if "gradient_accumulator" not in v.name],
        "average": [] if average is None else average.variables,
    }
    return {
        f"{group}/{number:05d}": variable
        for group, variables in groups.items()
        for number, variable in enumerate(variables)
    }
