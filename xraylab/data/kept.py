"""Images made once at some expense and kept in a folder that is whole or not there."""

import json
import shutil
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path

from xraylab.data.errors import as_data_error
from xraylab.data.growing import JOURNAL, lock_of, only_one, sweep_parts
from xraylab.io import make_folder, remove_stale


def make_once(
    folder: Path,
    *,
    is_whole: Callable[[Path], bool],
    fill: Callable[[Path], None],
    made: str,
    progress: bool,
) -> None:
    """Make the images of a folder beside its place, and move them there when they are whole.

    One process makes them, the others wait for it. If it dies, the next goes on where it was. What
    lies in the place and is not whole is set aside with a warning.

    Args:
        folder: the place.
        is_whole: tells whether a folder holds the images it should; there may be none.
        fill: makes in a folder the images it lacks.
        made: how the images are made, as ``"simulated"``.
        progress: whether to say that one waits.

    Raises:
        DataError: if the disk refuses something.
    """
    parent = make_folder(folder.parent)
    remove_stale(parent)
    sweep_parts(parent, ".*.part")
    part = parent / f".{folder.name}.part"
    try:
        with only_one(lock_of(part), progress=progress) as alone:
            if is_whole(folder):  # another process was faster
                return
            _set_aside(folder, made)
            if not alone:  # no locks here: out of the way of others, and nothing to go on with
                part = parent / f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp"
            try:
                if not is_whole(part):  # else killed just before it got its name
                    fill(part)
                _move(part, folder, is_whole)
            finally:
                if not alone:
                    shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise as_data_error(error, folder, f"keeping {made} images") from error


def read_manifest(folder: Path) -> dict | None:
    """Return what ``manifest.json`` of a folder says, or None if there is none to be read."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def _move(part: Path, folder: Path, is_whole: Callable[[Path], bool]) -> None:
    """Give a whole part folder its final name."""
    (part / JOURNAL).unlink(missing_ok=True)
    try:
        part.rename(folder)
    except OSError:
        if not is_whole(folder):  # else another process was faster
            raise
        shutil.rmtree(part, ignore_errors=True)


def _set_aside(folder: Path, made: str) -> None:
    """Move a folder that is not what it should be out of the way, and say so."""
    if not folder.exists():
        return
    aside = folder.with_name(f"{folder.name}.set-aside-{uuid.uuid4().hex[:8]}")
    try:
        folder.rename(aside)
    except FileNotFoundError:  # another process has just done it
        return
    warnings.warn(
        f"{folder}: the {made} images kept there do not agree with their manifest; they were moved "
        f"to {aside}, which may be removed, and are {made} again",
        stacklevel=6,  # whoever called load
    )
