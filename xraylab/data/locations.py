"""Where data lie on this machine: one folder of our own, and the places others use."""

import os
import sys
from pathlib import Path


def data_root() -> Path:
    """Return the folder in which xraylab keeps downloads and unpacked arrays; it need not exist.

    The environment variable ``XRAYLAB_DATA`` names it; without one it is the platform's folder for
    files that can be made again (``~/.cache/xraylab`` on Linux, or under ``XDG_CACHE_HOME``).
    """
    if named := os.environ.get("XRAYLAB_DATA"):
        return Path(named).expanduser()
    if cache_home := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache_home).expanduser() / "xraylab"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "xraylab"
    if sys.platform == "win32" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "xraylab"
    return Path.home() / ".cache" / "xraylab"


def arrays_folder(root: Path) -> Path:
    """Return the folder of unpacked arrays under a data root."""
    return root / "arrays"


def search_roots(root: Path) -> tuple[Path, ...]:
    """Return the folders in which a ChestMNIST file may already lie, the first to look in first.

    They are xraylab's own, the one that the ``medmnist`` package writes to, and the one under which
    Kaggle mounts the data sets that a notebook was given.
    """
    return (root / "chestmnist", Path.home() / ".medmnist", Path("/kaggle/input"))
