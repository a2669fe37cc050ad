"""What this machine offers, tried rather than believed."""

import os
import platform
import shutil
import sys
import time

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
    "keras-cv",
    "medmnist",
    "jupyter-book",
)
"""Packages whose versions a bug report needs."""


def examine():
    """Return what there is to know, a dict from topic to lines of text.

    The accelerator is tried by one real convolution: a card can be listed and still be too old for
    the libraries that came with the back end.
    """
    return {
        "Platform": [
            f"{where_am_i()}: {platform.platform()}",
            f"Python {platform.python_version()}, {os.cpu_count()} CPU cores, {memory()} of memory",
        ],
        "Versions": [f"xraylab {__version__}"]
        + [f"{name} {installed_version(name) or '- not installed'}" for name in PACKAGES],
        "Back end": try_backend(),
        "Disk": [disk(data_root())],
        "Data": [f"{source.name}: {source.state}" for source in sources()],
    }


def banner():
    """Return one line on versions and accelerator, for the first cell of a chapter."""
    cards = accelerators()
    computes = ", ".join(cards) if cards else f"no accelerator, {os.cpu_count()} CPU cores"
    return (
        f"xraylab {__version__} on {where_am_i()}: Keras {installed_version('keras')} with "
        f"{describe_backend()}, {computes}"
    )


def where_am_i():
    """Return ``"Kaggle"``, ``"Colab"`` or ``"this machine"``."""
    if "KAGGLE_KERNEL_RUN_TYPE" in os.environ:
        return "Kaggle"
    if "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ:
        return "Colab"
    return "this machine"


def try_backend():
    """Start the back end and its devices, or say why it does not start."""
    try:
        return [describe_backend(), *try_devices()]
    except Exception as error:
        return [f"does not start: {type(error).__name__}: {_first_line(error)}"]


def try_devices():
    """Run one real convolution on every accelerator, or on the CPU where there is none."""
    keras = start_keras()
    lines = []
    for name in accelerators() or ("cpu:0",):
        try:
            with keras.device(name):
                seconds, value = _convolve(keras)
        except Exception as error:
            lines.append(f"{name}: listed, but a convolution fails ({_first_line(error)})")
            lines.append(
                "  On a Tesla P100 this means a cuDNN newer than 9.10, which no longer serves it. "
                "On Kaggle choose 'GPU T4 x2' instead"
            )
        else:
            right = abs(value - 9.0) < 1e-3
            verdict = "works" if right else f"answers {value} where 9 is right"
            lines.append(f"{name}: a convolution {verdict} ({seconds * 1e3:.0f} ms)")
    return lines


def _convolve(keras):
    """Return the time of a 3x3 convolution of ones, the second time, and its value inside: 9."""
    images = keras.ops.ones((4, 64, 64, 8)) / 8
    kernel = keras.ops.ones((3, 3, 8, 8))
    for _ in range(2):
        start = time.perf_counter()
        answer = keras.ops.convert_to_numpy(keras.ops.conv(images, kernel, padding="same"))
        seconds = time.perf_counter() - start
    return seconds, float(answer[0, 32, 32, 0])


def memory():
    """Return the machine's memory as text."""
    try:
        return format_bytes(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return "an unknown amount"


def disk(folder):
    """Return how much room there is where data are kept."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    writable = "" if os.access(existing, os.W_OK) else ", NOT writable; set XRAYLAB_DATA"
    return f"{folder}: {format_bytes(free)} free{writable}"


def _first_line(error):
    """Return the first line of an error, cut to what fits a terminal."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:120]
