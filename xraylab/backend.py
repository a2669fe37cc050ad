"""Start Keras quietly, and query its backend: devices, memory, compilation."""

import contextlib
import functools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

MEMORY_ON_DEMAND = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
"""Environment variables that make a backend allocate GPU memory on demand, not all at the start.

They take effect only if they are set before the backend starts."""


OPTIONAL = ("matplotlib", "pandas", "sklearn")
"""Packages that Keras imports, if installed, for figures, tables as inputs, and wrappers alone."""


def start_keras(lean: bool = False) -> ModuleType:
    """Import Keras, initialize its backend without start-up messages, and return the module.

    While TensorFlow starts, it writes messages about oneDNN, CUDA and processor flags to standard
    error. They are shown only if the start fails.

    Args:
        lean: import Keras without :data:`OPTIONAL` packages, which takes a third less time;
            ``keras.visualization``, ``keras.wrappers`` and pandas tables as inputs of ``fit`` then
            do not work in this process.

    Raises:
        ImportError: if the backend that Keras is configured for is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _captured_stderr(), _without(OPTIONAL if lean else ()):
        import keras

        # The first operation initializes the devices, which writes further messages. On a cluster
        # that must wait until JAX has connected its processes.
        if "KERAS_DISTRIBUTION_NUM_PROCESSES" not in os.environ:
            keras.ops.convert_to_numpy(keras.ops.ones(()) + 1)
    return keras


def describe_backend() -> str:
    """Return the name and version of the backend, for example ``"TensorFlow 2.21.0"``."""
    name = start_keras().backend.backend()
    titles = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
    return f"{titles.get(name, name)} {installed_version(name)}"


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def accelerators() -> tuple[str, ...]:
    """Return the names of the backend's accelerators, for example ``("gpu:0",)``."""
    devices = start_keras().distribution.list_devices()
    return tuple(str(device) for device in devices if not str(device).lower().startswith("cpu"))


def compiled(function: Callable, variables: Sequence = ()) -> Callable:
    """Compile a function of arrays with the backend, once for each set of shapes.

    Args:
        function: takes and returns arrays, or lists and dicts of arrays; no side effects. It may
            assign to ``variables`` before it reads them; on JAX that does not outlast the call.
        variables: the Keras variables that the function reads; the compiled function uses their
            values at the time of each call.
    """
    keras = start_keras()
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        return tensorflow.function(function, reduce_retracing=True)
    if keras.backend.backend() == "jax":
        import jax

        @jax.jit
        def stateless(values, *arrays):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return function(*arrays)

        return lambda *arrays: stateless([variable.value for variable in variables], *arrays)
    return function


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of Python or any backend reports that memory is exhausted."""
    text = f"{type(error).__name__} {error}".lower().replace("_", " ")
    signs = ("resourceexhausted", "resource exhausted", "out of memory", "oom when allocating")
    return isinstance(error, MemoryError) or any(sign in text for sign in signs)


def memory_peak() -> int | None:
    """Return the peak memory in bytes: of the accelerator if there is one, else of this process.

    None where the system does not report it.
    """
    name = start_keras().backend.backend()
    if accelerators() and name == "tensorflow":
        import tensorflow

        return int(tensorflow.config.experimental.get_memory_info("GPU:0")["peak"])
    if accelerators() and name == "jax":
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return process_memory(peak=True)


def reset_memory_peak() -> None:
    """Reset :func:`memory_peak` to the present use: on Linux, and for GPUs under TensorFlow."""
    if accelerators() and start_keras().backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.reset_memory_stats("GPU:0")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): sets VmHWM to VmRSS


def process_memory(peak: bool = False) -> int | None:
    """Return this process's present or peak resident memory in bytes; None if unknown.

    Some sandboxes of containers (gVisor) report the present use alone, other systems neither.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s*(\d+) kB", status)
    return int(found[1]) * 1024 if found else None


@contextlib.contextmanager
def _without(packages: Sequence[str]) -> Iterator[None]:
    """Let the import of packages that are not imported yet fail, as if they were not installed."""
    hidden: dict[str, Any] = {name: None for name in packages if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextlib.contextmanager
def _captured_stderr() -> Iterator[None]:
    """Capture what is written to file descriptor 2, C++ code included; print it on an error."""
    try:
        sys.stderr.flush()
        original = os.dup(2)
    except (OSError, AttributeError):  # some services have no standard error stream
        yield
        return
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException:
            captured.seek(0)
            os.write(original, captured.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
