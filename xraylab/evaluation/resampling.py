"""Resamples of images: how often each was drawn, patients kept together and strata full."""

import numpy as np


def resamples(num_images, replicates, rng, *, patients=None, strata=None, chunk=64):
    """Yield resamples with replacement, some at a time.

    Shapes:
        patients: (num_images,), whose image each is; a drawn patient brings all of them. None draws
            images one by one.
        strata: (num_images,), labels of parts from each of which as many are drawn as it has; None
            draws from all together.
        yields: (up to ``chunk``, num_images) int16, how often each image was drawn.

    Raises:
        ValueError: if these have another length, an image's patient is unknown (None, nan or an empty
            text), or a patient lies in two strata.
    """
    units, members = _units(num_images, patients)
    parts = [np.arange(units)]
    if strata is not None:
        strata = _labels("strata", strata, num_images)
        of_unit = np.zeros(units, dtype=np.int64)
        of_unit[members] = strata
        split = np.flatnonzero(of_unit[members] != strata)
        if len(split):
            raise ValueError(
                f"strata: image {split[0]} lies in another stratum than other images of its patient; "
                "patients are drawn whole, so each must lie in one stratum"
            )
        parts = [np.flatnonzero(of_unit == stratum) for stratum in np.unique(of_unit)]
    for start in range(0, replicates, chunk):
        count = min(chunk, replicates - start)
        drawn = np.zeros((count, units), dtype=np.int16)
        for part in parts:
            drawn[:, part] = _counts(rng, count, len(part))
        yield drawn if patients is None else drawn[:, members]


def _units(num_images, patients):
    """Return the number of units that are drawn, and which of them each image belongs to."""
    if patients is None:
        return num_images, np.arange(num_images)
    unknown = [i for i, who in enumerate(np.asarray(patients, dtype=object)) if is_unknown(who)]
    if unknown:
        raise ValueError(
            f"patients: {len(unknown)} images have none, the first is image {unknown[0]}; they would "
            "pass for one patient. Leave these images out, or give each a name of its own"
        )
    members = _labels("patients", patients, num_images)
    return members.max() + 1, members


def is_unknown(value):
    """Whether a value names nothing: None, nan or the empty text."""
    return value is None or value == "" or value != value  # only nan differs from itself


def _labels(name, values, num_images):
    """Return labels as whole numbers from 0."""
    values = np.asarray(values)
    if values.shape != (num_images,):
        raise ValueError(f"{name}: expected {num_images}, one an image; got shape {values.shape}")
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def _counts(rng, count, size):
    """Return how often each of ``size`` things was drawn: (count, size), rows summing to size."""
    drawn = rng.integers(0, size, (count, size))
    drawn += np.arange(count)[:, np.newaxis] * size
    return np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size)
