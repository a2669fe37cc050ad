"""What becomes of a batch that does not fit into memory: it goes through in equal parts."""

import contextlib

from xraylab.backend import is_out_of_memory


class OutOfMemory(RuntimeError):
    """Not even one image at a time fits into memory, or the validation images do not."""


def whole_parts(batch_size, least):
    """Return the smallest number of equal parts of a batch that is at least ``least``."""
    return next(n for n in range(min(least, batch_size), batch_size + 1) if batch_size % n == 0)


def fewer_images(recipe, batch_size, parts, cluster, error):
    """Return into how many parts to cut a batch that ran out of memory in ``parts``.

    Args:
        recipe: a :class:`xraylab.training.Recipe`, for the message.
        batch_size: images a step.
        parts: into how many it was cut.
        cluster: the :class:`xraylab.training.distribute.Cluster` that each part is divided among.
        error: what the back end said.

    Raises:
        OutOfMemory: if each device had one image only, or there are several processes.
    """
    share = batch_size // cluster.num_devices
    if cluster.num_processes > 1 and parts < share:
        # The others may have had memory enough, and are waiting in the middle of the step.
        raise OutOfMemory(
            f"{recipe.model} at {recipe.size} px does not fit into the memory of process "
            f"{cluster.rank} with {share // parts} images a device. Begin another run with "
            f"accumulation={whole_parts(share, 2 * parts)}"
        ) from error
    if parts >= share:
        raise OutOfMemory(
            f"{recipe.model} at {recipe.size} px does not fit into memory even one image at a time. "
            "Choose a smaller size or model, or precision=mixed_float16 where the accelerator has "
            "it"
        ) from error
    return whole_parts(share, 2 * parts)


@contextlib.contextmanager
def told_if_judging_does_not_fit(run):
    """Say so if memory runs out over the validation images, which smaller parts do not mend.

    Raises:
        OutOfMemory: in that case.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"{run.path}: training fits into memory, but judging the validation images does not. "
            "Free some memory; the same command with --resume goes on"
        ) from error
