"""Folders of data on this machine."""

import os
from pathlib import Path

import platformdirs


def data_root() -> Path:
    """Return the folder in which xraylab keeps downloads and unpacked arrays; it need not exist.

    The environment variable ``XRAYLAB_DATA`` names it; without one it is the platform's folder for
    caches, such as ``~/.cache/xraylab`` on Linux.
    """
    if named := os.environ.get("XRAYLAB_DATA"):
        return Path(named).expanduser()
    return platformdirs.user_cache_path("xraylab", appauthor=False)


def search_roots(root: Path) -> tuple[Path, ...]:
    """Return the folders that may have a ChestMNIST file, in the order of the search.

    They are xraylab's own, that of the ``medmnist`` package, and that in which Kaggle mounts the
    data sets of a notebook.
    """
    return (root / "chestmnist", Path.home() / ".medmnist", Path("/kaggle/input"))
