"""Describe this machine: platform, versions, accelerator, disk and data."""

import os
import platform
import shutil
import sys
import time
from pathlib import Path

from xraylab import __version__
from xraylab.backend import accelerators, describe_backend, installed_version, start_keras
from xraylab.data import data_root, sources
from xraylab.io import format_bytes

PACKAGES = (
    "keras",
    "tensorflow",
    "jax",
    "numpy",
    "matplotlib",
    "ipywidgets",
    "medmnist",
    "jupyter-book",
)
"""Packages whose versions belong in a bug report."""


def examine() -> dict[str, list[str]]:
    """Describe the machine as lines of text by topic.

    The accelerator is tested with a convolution: a GPU may be listed although the installed
    libraries do not support it.
    """
    python = f"Python {platform.python_version()}, {os.cpu_count()} CPU cores"
    versions = [f"{name} {installed_version(name) or '- not installed'}" for name in PACKAGES]
    return {
        "Platform": [f"{host()}: {platform.platform()}", python],
        "Versions": [f"xraylab {__version__}", *versions],
        "Backend": _test_backend(),
        "Disk": [disk(data_root())],
        "Data": [f"{source.name}: {source.state}" for source in sources()],
    }


def banner() -> str:
    """Describe versions and accelerator in one line, for the first cell of a chapter."""
    devices = ", ".join(accelerators()) or f"no accelerator, {os.cpu_count()} CPU cores"
    return (
        f"xraylab {__version__} on {host()}: Keras {installed_version('keras')} with "
        f"{describe_backend()}, {devices}"
    )


def host() -> str:
    """Return ``"Kaggle"``, ``"Colab"`` or ``"this machine"``."""
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        return "Kaggle"
    if "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ:
        return "Colab"
    return "this machine"


def disk(folder: Path) -> str:
    """Return the free space for data as text."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    writable = "" if os.access(existing, os.W_OK) else ", NOT writable; set XRAYLAB_DATA"
    return f"{folder}: {format_bytes(free)} free{writable}"


def _test_backend() -> list[str]:
    """Start the backend and test each accelerator, or the CPU if there is none."""
    try:
        start_keras(lean=True)
        return [describe_backend(), *map(_test_device, accelerators() or ("cpu:0",))]
    except Exception as error:
        return [f"does not start: {type(error).__name__}: {_first_line(error)}"]


def _test_device(name: str) -> str:
    """Run a 3×3 convolution of ones twice; report the time of the second one."""
    keras = start_keras()
    try:
        with keras.device(name):
            images, kernel = keras.ops.ones((4, 64, 64, 8)) / 8, keras.ops.ones((3, 3, 8, 8))
            for _ in range(2):
                start = time.perf_counter()
                result = keras.ops.conv(images, kernel, padding="same")
                value = float(keras.ops.convert_to_numpy(result)[0, 32, 32, 0])
                milliseconds = 1e3 * (time.perf_counter() - start)
    except Exception as error:
        return (
            f"{name}: listed, but a convolution fails ({_first_line(error)}). On a Tesla P100: "
            "cuDNN newer than 9.10 does not support it; on Kaggle choose 'GPU T4 x2' instead"
        )
    outcome = "works" if abs(value - 9) < 1e-3 else f"returns {value} instead of 9"
    return f"{name}: a convolution {outcome} ({milliseconds:.0f} ms)"


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:120]
