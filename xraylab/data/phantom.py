"""ChestPhantom as a source of films: simulated once, then memory-mapped from the disk."""

import contextlib
import hashlib
import json
import os
import shutil
import uuid
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from xraylab import phantom
from xraylab.data.errors import require_whole
from xraylab.data.files import (
    CHUNK,
    as_data_error,
    make_folder,
    progress_bar,
    require_free_disk,
    sweep,
)
from xraylab.data.growing import JOURNAL, GrowingArrays, lock_of, only_one, sweep_parts
from xraylab.data.split import Split
from xraylab.findings import FINDINGS
from xraylab.phantom.knobs import Knobs
from xraylab.phantom.labels import MOST_SEED, draw_labels

FIRST_INDEX = {"train": 0, "val": 10**9, "test": 2 * 10**9}
"""Where the films of each split begin; the splits share no film whatever their sizes."""

DEFAULT_FILMS = {"train": 4096, "val": 1024, "test": 2048}
"""How many films a split has unless another number is asked for."""

MOST_FILMS = 10**9
"""The largest split that the phantom takes."""

_BATCH, _BATCH_PIXELS = 128, 1 << 23
_FILES = ("images.npy", "labels.npy", "boxes.npy", "facts.npy")


def load_phantom(size, split, *, num_films=None, seed=0, knobs=None, cache_dir, progress=True):
    """Return simulated films, from the cache where they are in it.

    The first films of a larger split are those of a smaller one. A simulation that was stopped,
    or killed, goes on where it was.

    Args:
        size: side of the films in pixels.
        split: ``"train"``, ``"val"`` or ``"test"``.
        num_films: number of films; None stands for :data:`DEFAULT_FILMS`.
        seed: seed of the population, from 0 to 2**63 - 1.
        knobs: :class:`xraylab.phantom.Knobs`, a mapping of them, or None for none.
        cache_dir: folder in which the films are kept.
        progress: whether to show the progress of the simulation.

    Raises:
        ValueError: for a size or knob that the phantom cannot take.
        DataError: for a number of films or seed that it cannot take, if the folder cannot be
            written, or if the disk is too full.
    """
    count = DEFAULT_FILMS[split] if num_films is None else num_films
    require_whole("num_films", count, 1, MOST_FILMS)
    require_whole("seed", seed, 0, MOST_SEED)
    knobs = Knobs.of(knobs)
    facts = {
        "simulator": "ChestPhantom",
        "version": phantom.VERSION,
        "seed": int(seed),
        "size": int(size),
        "split": split,
        "num_films": int(count),
        "knobs": knobs.as_dict(),
    }
    folder = Path(cache_dir) / "phantom" / _place(facts) / f"{split}-{count}"
    if not _is_whole(folder, facts):
        _simulate(folder, facts, progress)
    manifest = _read_manifest(folder)
    images, *rest = (np.load(folder / name, mmap_mode="r") for name in _FILES)
    labels, boxes, table = (np.array(array) for array in rest)
    return Split(
        images,
        labels,
        source="phantom",
        split=split,
        size=size,
        label_names=FINDINGS,
        boxes=boxes,
        table=table,
        masks=PhantomMasks(facts),
        simulated=True,
        fingerprint=_fingerprint(manifest),
        path=folder,
    )


class PhantomMasks:
    """The pixels of each finding; films are simulated again for those that are asked for.

    Shapes:
        masks[i]: (14, size, size) bool, for one film.
        masks[rows]: (k, 14, size, size) bool, for a slice, a list of films or truths.

    Args:
        facts: what decides the films, as in their manifest.
    """

    def __init__(self, facts):
        self._facts = facts
        self.shape = (facts["num_films"], len(FINDINGS), facts["size"], facts["size"])
        self.dtype = np.dtype(bool)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, films):
        rows = np.arange(len(self))[films]
        if rows.ndim > 1:
            raise IndexError(
                "masks take one film, a slice or a list of films in brackets; "
                f"{type(films).__name__} of shape {np.shape(films)} came"
            )
        wanted = np.atleast_1d(rows)
        masks = np.empty((len(wanted), *self.shape[1:]), bool)
        step = _batch_size(self._facts)
        for start in range(0, len(wanted), step):
            some = wanted[start : start + step]
            masks[start : start + step] = _films(self._facts, some, masks=True).masks
        return masks if rows.ndim else masks[0]


def _films(facts, rows, **options):
    """Simulate the films in some rows of a split."""
    knobs = dict(facts["knobs"])
    indices = FIRST_INDEX[facts["split"]] + np.asarray(rows)
    labels = draw_labels(
        indices, facts["seed"], split=facts["split"], prevalence=knobs.pop("prevalence", None)
    )
    return phantom.films(
        indices, size=facts["size"], seed=facts["seed"], labels=labels, **knobs, **options
    )


def _batch_size(facts):
    """Return how many films are simulated at once: fewer where they are large."""
    return max(1, min(_BATCH, _BATCH_PIXELS // facts["size"] ** 2))


def _simulate(folder, facts, progress):
    """Simulate a split beside its final place, and move it there when it is whole."""
    # Before anything is written: the simulator knows best what sizes and knobs it takes.
    trial = _arrays(_films(facts, [0]), 0)
    layout = {name: (array.dtype, array.shape[1:]) for name, array in trial.items()}
    parent = make_folder(folder.parent)
    sweep(parent)
    sweep_parts(parent.parent)
    part = parent / f".{folder.name}.part"
    try:
        with only_one(lock_of(part), progress=progress) as alone:
            if _is_whole(folder, facts):  # another process was faster
                return
            _set_aside(folder)
            if not alone:  # no locks here: out of the way of others, and nothing to go on with
                part = parent / f".{folder.name}.{uuid.uuid4().hex[:12]}.tmp"
            try:
                _fill(part, facts, layout, progress)
                _move(part, folder, facts)
            finally:
                if not alone:
                    shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise as_data_error(error, folder, "keeping simulated films") from error


def _fill(part, facts, layout, progress):
    """Simulate the films that a part folder lacks, and give it its manifest."""
    if _is_whole(part, facts):
        return
    count, images = facts["num_films"], part / "images.npy"
    there = images.stat().st_size if images.exists() else 0
    needed = max(0, count * facts["size"] ** 2 - there)
    require_free_disk(part.parent, needed, f"{count:,} simulated films")
    with GrowingArrays(part, facts, layout) as arrays:
        done = arrays.rows("images.npy")
        title = f"simulating {facts['split']} films"
        with (
            progress_bar(progress, total=count, initial=done, desc=title, unit="film") as bar,
            contextlib.closing(_batches(facts, done)) as batches,
        ):
            for start, made in batches:
                arrays.append(_arrays(made, start))
                bar.update(len(made.images))
        arrays.finish()
    manifest = {**facts, "sha256": {name: _sha256(part / name) for name in _FILES}}
    (part / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def _move(part, folder, facts):
    """Give a whole part folder its final name."""
    (part / JOURNAL).unlink(missing_ok=True)
    try:
        part.rename(folder)
    except OSError:
        if not _is_whole(folder, facts):  # else another process was faster
            raise
        shutil.rmtree(part, ignore_errors=True)


def _arrays(made, start):
    """Return the arrays of a batch, by the names of their files."""
    made.boxes["film"] += start
    return dict(zip(_FILES, (made.images, made.labels, made.boxes, made.facts), strict=True))


def _batches(facts, done):
    """Simulate the films after the first ``done`` on all cores; yield their places in batches.

    Threads are enough: NumPy lets go of the interpreter while it works on a picture.
    """
    count, step, workers = facts["num_films"], _batch_size(facts), os.cpu_count() or 1

    def make(start):
        return start, _films(facts, np.arange(start, min(start + step, count)))

    pool = ThreadPoolExecutor(workers)
    try:
        # A few batches ahead, so that memory does not grow with the number of films.
        ahead = deque()
        for start in range(done, count, step):
            ahead.append(pool.submit(make, start))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _place(facts):
    """Return the name of the folder for all films of a version, seed, size and set of knobs."""
    place = f"v{facts['version']}-seed{facts['seed']}-{facts['size']}px"
    if not facts["knobs"]:
        return place
    turned = json.dumps(facts["knobs"], sort_keys=True).encode()
    return f"{place}-knobs-{hashlib.sha256(turned).hexdigest()[:10]}"


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
        stacklevel=5,  # whoever called load
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
