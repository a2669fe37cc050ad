"""Bootstrap resamples of images, by patient and by stratum."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from xraylab.arguments import invalid_argument


def resamples(
    num_images: int,
    replicates: int,
    rng: np.random.Generator,
    *,
    patients: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    chunk: int = 64,
) -> Iterator[np.ndarray]:
    """Draw resamples with replacement, ``chunk`` at a time.

    Shapes:
        patients, strata: (num_images,), anything sortable.
        yields: (up to ``chunk``, num_images) int16, how often each image was drawn.

    Args:
        patients: the patient of each image; patients are drawn, each with all their images. None
            draws single images.
        strata: groups of images that keep their sizes in every resample. None draws from all
            images together.

    Raises:
        ValueError: for another length, an unknown patient (None, NaN or empty), or a patient with
            images in two strata.
    """
    num_units, unit_of_image = num_images, np.arange(num_images)
    if patients is not None:
        unknown = [i for i, p in enumerate(np.asarray(patients, dtype=object)) if is_unknown(p)]
        if unknown:
            received = f"{len(unknown)} images without one, the first at row {unknown[0]}"
            hint = "Leave these images out, or give each a patient of its own."
            raise invalid_argument("patients", "a patient for each image", received, hint)
        unit_of_image = _codes("patients", patients, num_images)
        num_units = unit_of_image.max() + 1
    groups = [np.arange(num_units)]
    if strata is not None:
        strata = _codes("strata", strata, num_images)
        stratum_of_unit = np.zeros(num_units, dtype=np.int64)
        stratum_of_unit[unit_of_image] = strata
        divided = np.flatnonzero(stratum_of_unit[unit_of_image] != strata)
        if len(divided):
            expected = "all images of a patient in one stratum, as patients are drawn whole"
            raise invalid_argument("strata", expected, f"another stratum at row {divided[0]}")
        groups = [np.flatnonzero(stratum_of_unit == k) for k in np.unique(stratum_of_unit)]
    for start in range(0, replicates, chunk):
        rows = min(chunk, replicates - start)
        counts = np.zeros((rows, num_units), dtype=np.int16)
        for group in groups:
            counts[:, group] = _draw_counts(rng, rows, len(group))
        yield counts if patients is None else counts[:, unit_of_image]


def is_unknown(value: object) -> bool:
    """Return whether a value stands for "unknown": None, NaN or the empty text."""
    return value is None or value == "" or value != value  # only NaN differs from itself


def _codes(name, values, num_images):
    """Encode values as integers from 0."""
    values = np.asarray(values)
    if values.shape != (num_images,):
        raise invalid_argument(name, f"shape ({num_images},)", f"shape {values.shape}")
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def _draw_counts(rng, rows, size):
    """Count ``size`` draws with replacement from ``size`` units: (rows, size), row sums size."""
    drawn = rng.integers(0, size, (rows, size))
    drawn += np.arange(rows)[:, np.newaxis] * size
    return np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
