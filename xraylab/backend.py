"""Keras and its back end, started without the messages meant for those who build TensorFlow."""

import contextlib
import functools
import os
import sys
import tempfile
from importlib import metadata
from pathlib import Path

MEMORY_AS_NEEDED = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
"""Environment in which a back end takes a card's memory bit by bit, and leaves the rest to others;
it must be set before the back end starts."""


def start_keras():
    """Import Keras, start its back end, and return the ``keras`` module.

    TensorFlow writes a page about oneDNN, CUDA and processor flags to the standard error stream
    while it starts. It is held back here, and shown only if the start fails.

    Raises:
        ImportError: if the back end that Keras is set to is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _held_back_stderr():
        import keras

        # The first operation starts the devices, which has messages of its own. JAX must have
        # joined its cluster before.
        if "KERAS_DISTRIBUTION_NUM_PROCESSES" not in os.environ:
            keras.ops.convert_to_numpy(keras.ops.ones(()) + 1)
    return keras


def describe_backend():
    """Return the name and version of the back end, as in ``"TensorFlow 2.21.0"``."""
    name = start_keras().backend.backend()
    titles = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
    return f"{titles.get(name, name)} {installed_version(name)}"


def installed_version(package):
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def accelerators():
    """Return the names of the accelerators the back end sees, as in ``("gpu:0",)``.

    They do not change while a process runs, so the back end is asked once.
    """
    devices = start_keras().distribution.list_devices()
    return tuple(str(device) for device in devices if not str(device).lower().startswith("cpu"))


def compiled(function):
    """Return a function of arrays compiled by the back end, once for every set of shapes.

    Args:
        function: takes and returns arrays, in lists if there are several, and does nothing else.
    """
    name = start_keras().backend.backend()
    if name == "tensorflow":
        import tensorflow

        return tensorflow.function(function)
    if name == "jax":
        import jax

        return jax.jit(function)
    return function


def is_out_of_memory(error):
    """Return whether an error says that memory ran out, in the words of any back end."""
    words = f"{type(error).__name__} {error}".lower().replace("_", " ")
    told = ("resourceexhausted", "resource exhausted", "out of memory", "oom when allocating")
    return isinstance(error, MemoryError) or any(word in words for word in told)


def memory_peak():
    """Return the most bytes taken so far, of the accelerator if there is one, else of this process.

    None where nobody tells.
    """
    name = start_keras().backend.backend()
    if accelerators() and name == "tensorflow":
        import tensorflow

        return int(tensorflow.config.experimental.get_memory_info("GPU:0")["peak"])
    if accelerators() and name == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return process_memory(peak=True)


def forget_memory_peak():
    """Let :func:`memory_peak` speak of what comes, not of what was, where the system can do that.

    It can for the process's memory on Linux and for TensorFlow's of a GPU.
    """
    if accelerators() and start_keras().backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.reset_memory_stats("GPU:0")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): VmHWM becomes VmRSS


def process_memory(peak=False):
    """Return the bytes that this process holds, or the most it has held.

    None where the system does not tell: not Linux.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    return int(status.split("VmHWM:" if peak else "VmRSS:")[1].split()[0]) * 1024


@contextlib.contextmanager
def _held_back_stderr():
    """Hold back what is written to file descriptor 2, C++ code included; show it on an error."""
    try:
        sys.stderr.flush()
        former = os.dup(2)
    except OSError:  # no standard error stream to hold back, as in some services
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(former, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(former, 2)
            os.close(former)
