"""ChestPhantom as a source of images: simulated once, then memory-mapped from the disk."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

import numpy as np

from xraylab import phantom
from xraylab.arguments import require_int
from xraylab.data.growing import GrowingArrays, sweep_parts
from xraylab.data.kept import make_once, read_manifest
from xraylab.data.split import Split
from xraylab.findings import FINDINGS
from xraylab.io import progress_bar, require_free_disk, sha256
from xraylab.phantom import PhantomConfig, sample_labels
from xraylab.phantom.labels import MAX_SEED
from xraylab.workers import in_order

FIRST_INDEX = {"train": 0, "val": 10**9, "test": 2 * 10**9}
"""Where the images of each split begin; the splits share no image whatever their sizes."""

DEFAULT_IMAGES = {"train": 4096, "val": 1024, "test": 2048}
"""How many images a split has unless another number is asked for."""

MOST_IMAGES = 10**9
"""The largest split that the phantom takes."""

_BATCH, _BATCH_PIXELS = 128, 1 << 23
_FILES = ("images.npy", "labels.npy", "boxes.npy", "facts.npy")


def load_phantom(
    size, split, *, num_images=None, seed=0, parameters=None, cache_dir, progress=True
):
    """Return simulated images, from the cache where they are in it.

    The first images of a larger split are those of a smaller one. A simulation that was stopped,
    or killed, goes on where it was.

    Args:
        size: side of the images in pixels.
        split: ``"train"``, ``"val"`` or ``"test"``.
        num_images: number of images; None stands for :data:`DEFAULT_IMAGES`.
        seed: seed of the population, from 0 to 2**63 - 1.
        parameters: :class:`xraylab.phantom.PhantomConfig`, or a mapping of its fields.
        cache_dir: folder in which the images are kept.
        progress: whether to show the progress of the simulation.

    Raises:
        ValueError: for a size or parameter that the simulator does not accept.
        DataError: for a number of images or seed that it cannot take, if the folder cannot be
            written, or if the disk is too full.
    """
    count = DEFAULT_IMAGES[split] if num_images is None else num_images
    require_int("num_images", count, 1, MOST_IMAGES)
    require_int("seed", seed, 0, MAX_SEED)
    if not isinstance(parameters, PhantomConfig):
        parameters = PhantomConfig(**(parameters or {}))
    facts = {
        "simulator": "ChestPhantom",
        "version": phantom.VERSION,
        "seed": int(seed),
        "size": int(size),
        "split": split,
        "num_images": int(count),
        "parameters": parameters.as_dict(),
    }
    folder = Path(cache_dir) / "phantom" / _place(facts) / f"{split}-{count}"
    if not _is_whole(folder, facts):
        _simulate(folder, facts, progress)
    manifest = read_manifest(folder)
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
    """The pixels of each finding; images are simulated again for those that are asked for.

    Shapes:
        masks[i]: (14, size, size) bool, for one image.
        masks[rows]: (k, 14, size, size) bool, for a slice, a list of images or truths.

    Args:
        facts: what decides the images, as in their manifest.
    """

    def __init__(self, facts):
        self._facts = facts
        self.shape = (facts["num_images"], len(FINDINGS), facts["size"], facts["size"])
        self.dtype = np.dtype(bool)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, images):
        rows = np.arange(len(self))[images]
        if rows.ndim > 1:
            raise IndexError(
                "masks take one image, a slice or a list of images in brackets; "
                f"{type(images).__name__} of shape {np.shape(images)} came"
            )
        wanted = np.atleast_1d(rows)
        masks = np.empty((len(wanted), *self.shape[1:]), bool)
        step = _batch_size(self._facts)
        for start in range(0, len(wanted), step):
            some = wanted[start : start + step]
            masks[start : start + step] = _images(self._facts, some, masks=True).masks
        return masks if rows.ndim else masks[0]


def _images(facts, rows, **options):
    """Simulate the images in some rows of a split."""
    parameters = dict(facts["parameters"])
    indices = FIRST_INDEX[facts["split"]] + np.asarray(rows)
    labels = sample_labels(
        indices, facts["seed"], split=facts["split"], prevalence=parameters.pop("prevalence", None)
    )
    return phantom.simulate(
        indices, size=facts["size"], seed=facts["seed"], labels=labels, **parameters, **options
    )


def _batch_size(facts):
    """Return how many images are simulated at once: fewer where they are large."""
    return max(1, min(_BATCH, _BATCH_PIXELS // facts["size"] ** 2))


def _simulate(folder, facts, progress):
    """Simulate a split into its folder."""
    # The simulator checks its arguments before anything is written.
    trial = _arrays(_images(facts, [0]), 0)
    layout = {name: (array.dtype, array.shape[1:]) for name, array in trial.items()}

    def is_whole(folder):
        return _is_whole(folder, facts)

    def fill(part):
        _fill(part, facts, layout, progress)

    sweep_parts(folder.parent.parent)  # of other versions, seeds, sizes and parameters
    make_once(folder, is_whole=is_whole, fill=fill, made="simulated", progress=progress)


def _fill(part, facts, layout, progress):
    """Simulate the images that a part folder lacks, and give it its manifest."""
    count, images = facts["num_images"], part / "images.npy"
    there = images.stat().st_size if images.exists() else 0
    needed = max(0, count * facts["size"] ** 2 - there)
    require_free_disk(part.parent, needed, f"{count:,} simulated images")
    with GrowingArrays(part, facts, layout) as arrays:
        done = arrays.rows("images.npy")
        title = f"simulating {facts['split']} images"
        with (
            progress_bar(progress, total=count, initial=done, desc=title, unit="image") as bar,
            contextlib.closing(_batches(facts, done)) as batches,
        ):
            for start, made in batches:
                arrays.append(_arrays(made, start))
                bar.update(len(made.images))
        arrays.finish()
    manifest = {**facts, "sha256": {name: sha256(part / name) for name in _FILES}}
    (part / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def _arrays(made, start):
    """Return the arrays of a batch, by the names of their files."""
    made.boxes["image"] += start
    return dict(zip(_FILES, (made.images, made.labels, made.boxes, made.facts), strict=True))


def _batches(facts, done):
    """Simulate the images after the first ``done`` on all cores; yield their places in batches."""
    count, step = facts["num_images"], _batch_size(facts)

    def make(start):
        return start, _images(facts, np.arange(start, min(start + step, count)))

    return in_order(make, range(done, count, step), os.cpu_count() or 1)


def _place(facts):
    """Return the name of the folder for a version, seed, size and set of parameters."""
    place = f"v{facts['version']}-seed{facts['seed']}-{facts['size']}px"
    if not facts["parameters"]:
        return place
    parameters = json.dumps(facts["parameters"], sort_keys=True).encode()
    return f"{place}-parameters-{hashlib.sha256(parameters).hexdigest()[:10]}"


def _is_whole(folder, facts):
    """Whether a folder holds the images that its name promises, every byte of them."""
    manifest = read_manifest(folder)
    if manifest is None or any(manifest.get(name) != value for name, value in facts.items()):
        return False
    sums = manifest.get("sha256")
    if not isinstance(sums, dict) or sums.keys() != set(_FILES):
        return False
    return all((folder / n).is_file() and sha256(folder / n) == sums[n] for n in _FILES)


def _fingerprint(manifest):
    """Return a SHA-256 digest of the parameters and the bytes of the images."""
    # The records of runs hold digests in which the parameters have their former name.
    former = {"knobs" if name == "parameters" else name: v for name, v in manifest.items()}
    return hashlib.sha256(json.dumps(former, sort_keys=True).encode()).hexdigest()
