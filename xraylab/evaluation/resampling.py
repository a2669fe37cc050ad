"""Resamples of films: how often each was drawn, patients kept together and strata full."""

import numpy as np


def resamples(num_films, replicates, rng, *, patients=None, strata=None, chunk=64):
    """Yield resamples with replacement, some at a time.

    Shapes:
        patients: (num_films,), whose film each is; a drawn patient brings all of them. None draws
            films one by one.
        strata: (num_films,), labels of parts from each of which as many are drawn as it has; None
            draws from all together.
        yields: (up to ``chunk``, num_films) int16, how often each film was drawn.

    Raises:
        ValueError: if these have another length, a film's patient is unknown (None, nan or an empty
            text), or a patient lies in two strata.
    """
    units, members = _units(num_films, patients)
    parts = [np.arange(units)]
    if strata is not None:
        strata = _labels("strata", strata, num_films)
        of_unit = np.zeros(units, dtype=np.int64)
        of_unit[members] = strata
        split = np.flatnonzero(of_unit[members] != strata)
        if len(split):
            raise ValueError(
                f"strata: film {split[0]} lies in another stratum than other films of its patient; "
                "patients are drawn whole, so each must lie in one stratum"
            )
        parts = [np.flatnonzero(of_unit == stratum) for stratum in np.unique(of_unit)]
    for start in range(0, replicates, chunk):
        count = min(chunk, replicates - start)
        drawn = np.zeros((count, units), dtype=np.int16)
        for part in parts:
            drawn[:, part] = _counts(rng, count, len(part))
        yield drawn if patients is None else drawn[:, members]


def _units(num_films, patients):
    """Return the number of units that are drawn, and which of them each film belongs to."""
    if patients is None:
        return num_films, np.arange(num_films)
    unknown = [i for i, who in enumerate(np.asarray(patients, dtype=object)) if is_unknown(who)]
    if unknown:
        raise ValueError(
            f"patients: {len(unknown)} films have none, the first is film {unknown[0]}; they would "
            "pass for one patient. Leave these films out, or give each a name of its own"
        )
    members = _labels("patients", patients, num_films)
    return members.max() + 1, members


def is_unknown(value):
    """Whether a value names nothing: None, nan or the empty text."""
    return value is None or value == "" or value != value  # only nan differs from itself


def _labels(name, values, num_films):
    """Return labels as whole numbers from 0."""
    values = np.asarray(values)
    if values.shape != (num_films,):
        raise ValueError(f"{name}: expected {num_films}, one a film; got shape {values.shape}")
    return np.unique(values, return_inverse=True)[1].reshape(-1)


def _counts(rng, count, size):
    """Return how often each of ``size`` things was drawn: (count, size), rows summing to size."""
    drawn = rng.integers(0, size, (count, size))
    drawn += np.arange(count)[:, np.newaxis] * size
    return np.bincount(drawn.ravel(), minlength=count * size).reshape(count, size)
