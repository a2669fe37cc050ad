"""ChestPhantom as a source of images: simulated once, then memory-mapped from the disk."""

import hashlib
import json
import os
from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from xraylab import phantom
from xraylab.data.split import Split
from xraylab.findings import FINDINGS
from xraylab.io import cached_arrays
from xraylab.phantom import PhantomConfig, sample_labels
from xraylab.workers import in_order

FIRST_INDEX = {"train": 0, "val": 10**9, "test": 2 * 10**9}
"""Index of the first image of each split; the splits share no image whatever their sizes."""

DEFAULT_IMAGES = {"train": 4096, "val": 1024, "test": 2048}
"""Number of images in each split by default."""

_BATCH, _BATCH_PIXELS = 128, 1 << 23


def load_phantom(
    size: int,
    split: str,
    *,
    num_images: int | None = None,
    seed: int = 0,
    parameters: PhantomConfig | Mapping[str, Any] | None = None,
    cache_dir: Path,
    progress: bool = True,
) -> Split:
    """Simulate images, or load them from the cache.

    The first images of a larger split are those of a smaller one. An interrupted simulation
    resumes. The fingerprint is that of the simulator's version and arguments, not of the pixels,
    of which a rare one differs by one grey level between processors.

    Args:
        size: side of the images in pixels.
        split: ``"train"``, ``"val"`` or ``"test"``.
        num_images: number of images; None means :data:`DEFAULT_IMAGES`.
        seed: seed of the population, from 0 to 2**63 - 1.
        parameters: :class:`xraylab.phantom.PhantomConfig`, a mapping of its fields, or None.
        cache_dir: folder of the cache.
        progress: whether to show the progress of the simulation.

    Raises:
        ValueError: if the simulator does not take an argument.
        OSError: if the cache cannot be written, or the disk is too full.
    """
    count = DEFAULT_IMAGES[split] if num_images is None else num_images
    if not isinstance(parameters, PhantomConfig):
        parameters = PhantomConfig(**(parameters or {}))
    facts = {
        "simulator": "ChestPhantom",
        "version": phantom.VERSION,
        "seed": seed,
        "size": size,
        "split": split,
        "num_images": count,
        "parameters": parameters.as_dict(),
    }
    root = cache_dir / "phantom"
    name = f"v{phantom.VERSION}-seed{seed}-{size}px"
    if facts["parameters"]:
        name += f"-parameters-{_digest(facts['parameters'])[:10]}"
    folder = root / name / f"{split}-{count}"
    if not folder.exists():
        _images(facts, [0])  # the simulator checks its arguments before anything is written
    layout = {
        "images.npy": np.dtype((np.uint8, (size, size))),
        "labels.npy": np.dtype((np.uint8, (len(FINDINGS),))),
        "boxes.npy": phantom.BOX_DTYPE,
        "facts.npy": phantom.FACT_DTYPE,
    }
    what, batches = f"simulating {split} images", partial(_batches, facts)
    options = {"count": count, "description": what, "progress": progress}
    arrays, _ = cached_arrays(folder, facts, layout, batches, **options)
    images, labels, boxes, table = arrays.values()
    return Split(
        images,
        labels,
        source="phantom",
        split=split,
        label_names=FINDINGS,
        boxes=np.array(boxes),
        table=np.array(table),
        masks=PhantomMasks(facts),
        simulated=True,
        fingerprint=_digest(facts),
        path=folder,
    )


class PhantomMasks:
    """The pixels of each finding; images are simulated again when their masks are indexed.

    Shapes:
        masks[i]: (14, size, size) bool, for one image.
        masks[rows]: (k, 14, size, size) bool, for a slice, a list of images or booleans.

    Args:
        facts: what determines the images, as in their manifest.
    """

    def __init__(self, facts: Mapping[str, Any]):
        self._facts = facts
        self.shape = (facts["num_images"], len(FINDINGS), facts["size"], facts["size"])
        self.dtype = np.dtype(bool)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice | np.ndarray | list[int]) -> np.ndarray:
        rows = np.arange(len(self))[index]
        if rows.ndim > 1:
            expected = "Expected: one image, a slice or a list of images"
            raise IndexError(f"Invalid index of masks. {expected}. Received: {index!r}.")
        masks = np.empty((rows.size, *self.shape[1:]), bool)
        step = _batch_size(self._facts)
        for start in range(0, rows.size, step):
            some = rows.reshape(-1)[start : start + step]
            masks[start : start + step] = _images(self._facts, some, masks=True).masks
        return masks if rows.ndim else masks[0]


def _images(facts: Mapping[str, Any], rows, **options) -> phantom.SimulatedImages:
    """Simulate the images in some rows of a split."""
    parameters = dict(facts["parameters"])
    indices = FIRST_INDEX[facts["split"]] + np.asarray(rows)
    labels = sample_labels(
        indices, facts["seed"], split=facts["split"], prevalence=parameters.pop("prevalence", None)
    )
    return phantom.simulate(
        indices, size=facts["size"], seed=facts["seed"], labels=labels, **parameters, **options
    )


def _batch_size(facts: Mapping[str, Any]) -> int:
    """Return the number of images simulated at once: fewer where they are large."""
    return max(1, min(_BATCH, _BATCH_PIXELS // facts["size"] ** 2))


def _batches(facts: Mapping[str, Any], start: int) -> Generator[dict[str, np.ndarray]]:
    """Simulate the images from row ``start`` on, on all cores, in batches."""
    count, step = facts["num_images"], _batch_size(facts)

    def simulate(first: int) -> dict[str, np.ndarray]:
        made = _images(facts, np.arange(first, min(first + step, count)))
        made.boxes["image"] += first
        names = ("images", "labels", "boxes", "facts")
        return {f"{name}.npy": getattr(made, name) for name in names}

    return in_order(simulate, range(start, count, step), os.cpu_count() or 1)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
