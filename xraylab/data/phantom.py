"""ChestPhantom as a source of films: simulated once, then memory-mapped from the disk."""

import hashlib
import json
import os
import shutil
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from xraylab import phantom
from xraylab.data.files import (
    CHUNK,
    as_data_error,
    make_folder,
    progress_bar,
    require_free_disk,
    sweep,
)
from xraylab.data.split import Split
from xraylab.findings import FINDINGS

FIRST_INDEX = {"train": 0, "val": 10**9, "test": 2 * 10**9}
"""Where the films of each split begin; the splits share no film whatever their sizes."""

DEFAULT_FILMS = {"train": 4096, "val": 1024, "test": 2048}
"""How many films a split has unless another number is asked for."""

_BATCH = 128
_FILES = ("images.npy", "labels.npy", "boxes.npy")


def load_phantom(size, split, *, num_films=None, seed=0, cache_dir, progress=True):
    """Return simulated films, from the cache where they are in it.

    The first films of a larger split are those of a smaller one.

    Args:
        size: side of the films in pixels.
        split: ``"train"``, ``"val"`` or ``"test"``.
        num_films: number of films; None stands for :data:`DEFAULT_FILMS`.
        seed: seed of the population.
        cache_dir: folder in which the films are kept.
        progress: whether to show the progress of the simulation.

    Raises:
        ValueError: for a size or seed that the phantom cannot take.
        DataError: if the folder cannot be written, or the disk is too full.
    """
    count = DEFAULT_FILMS[split] if num_films is None else num_films
    facts = {
        "simulator": "ChestPhantom",
        "version": phantom.VERSION,
        "seed": int(seed),
        "size": int(size),
        "split": split,
        "num_films": int(count),
    }
    place = f"v{phantom.VERSION}-seed{seed}-{size}px"
    folder = Path(cache_dir) / "phantom" / place / f"{split}-{count}"
    if not _is_whole(folder, facts):
        _set_aside(folder)
        _simulate(folder, facts, progress)
    manifest = _read_manifest(folder)
    images, labels, boxes = (np.load(folder / name, mmap_mode="r") for name in _FILES)
    return Split(
        images,
        np.array(labels),
        source="phantom",
        split=split,
        size=size,
        label_names=FINDINGS,
        boxes=np.array(boxes),
        simulated=True,
        fingerprint=_fingerprint(manifest),
        path=folder,
    )


def _simulate(folder, facts, progress):
    """Simulate a split beside its final place, and move it there when it is whole."""
    count, size, split = facts["num_films"], facts["size"], facts["split"]
    # Before anything is written: the simulator knows best what sizes and seeds it takes.
    phantom.films([FIRST_INDEX[split]], size=size, seed=facts["seed"])
    parent = make_folder(folder.parent)
    sweep(parent)
    require_free_disk(parent, count * size**2, f"{count:,} simulated films")
    temporary = parent / f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        temporary.mkdir()
        labels = np.zeros((count, len(FINDINGS)), np.uint8)
        boxes = []
        images = np.lib.format.open_memmap(
            temporary / "images.npy", mode="w+", dtype=np.uint8, shape=(count, size, size)
        )
        with progress_bar(
            progress, total=count, desc=f"simulating {split} films", unit="film"
        ) as bar:
            for start, made in _batches(facts):
                stop = start + len(made.images)
                images[start:stop], labels[start:stop] = made.images, made.labels
                made.boxes["film"] += start
                boxes.append(made.boxes)
                bar.update(stop - start)
        images.flush()
        np.save(temporary / "labels.npy", labels)
        np.save(temporary / "boxes.npy", np.concatenate(boxes))
        manifest = {**facts, "sha256": {name: _sha256(temporary / name) for name in _FILES}}
        (temporary / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        try:
            temporary.rename(folder)
        except OSError:
            if not _is_whole(folder, facts):  # else another process was faster
                raise
    except OSError as error:
        raise as_data_error(error, folder, "keeping simulated films") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _batches(facts):
    """Simulate the films of a split on all cores; yield each batch's first place and its films.

    Threads are enough: NumPy lets go of the interpreter while it works on a picture.
    """
    first, count = FIRST_INDEX[facts["split"]], facts["num_films"]

    def make(start):
        indices = first + np.arange(start, min(start + _BATCH, count))
        return start, phantom.films(indices, size=facts["size"], seed=facts["seed"])

    workers = os.cpu_count() or 1
    starts = range(0, count, _BATCH)
    with ThreadPoolExecutor(workers) as pool:
        # A few batches at a time, so that memory does not grow with the number of films.
        for place in range(0, len(starts), 2 * workers):
            yield from pool.map(make, starts[place : place + 2 * workers])


def _is_whole(folder, facts):
    """Whether a folder holds the films that its name promises, every byte of them."""
    manifest = _read_manifest(folder)
    if manifest is None or any(manifest.get(name) != value for name, value in facts.items()):
        return False
    sums = manifest.get("sha256")
    if not isinstance(sums, dict) or sums.keys() != set(_FILES):
        return False
    return all((folder / n).is_file() and _sha256(folder / n) == sums[n] for n in _FILES)


def _read_manifest(folder):
    """Return the manifest of a folder, or None if there is none that can be read."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return manifest if isinstance(manifest, dict) else None


def _set_aside(folder):
    """Move a folder that is not what it should be out of the way, and say so."""
    if not folder.exists():
        return
    aside = folder.with_name(f"{folder.name}.set-aside-{uuid.uuid4().hex[:8]}")
    try:
        folder.rename(aside)
    except FileNotFoundError:  # another process has just done it
        return
    warnings.warn(
        f"{folder}: the simulated films kept there do not agree with their manifest; they were "
        f"moved to {aside} and are simulated again",
        stacklevel=4,
    )


def _fingerprint(manifest):
    """Return the hex digest of what decides and what makes up the films."""
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _sha256(path):
    """Return the SHA-256 sum of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
