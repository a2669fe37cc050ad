"""Checks of arguments that several architectures share."""

import numpy as np


def require_whole(least, **values):
    """Refuse what is not a whole number of at least ``least``.

    Args:
        least: the smallest number that will do.
        values: what came, by the name of the argument.

    Raises:
        ValueError: naming the argument, the least number and what came.
    """
    for name, value in values.items():
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}; {value!r} came")


def require_each(least, **sequences):
    """Refuse sequences that hold anything but whole numbers of at least ``least``.

    Raises:
        ValueError: naming the argument and the place in it.
    """
    for name, values in sequences.items():
        require_whole(least, **{f"{name}[{i}]": value for i, value in enumerate(values)})


def require_heads(embed_dim, num_heads):
    """Refuse a width that does not divide into heads.

    Raises:
        ValueError: if one is no whole number of at least 1, or the division leaves a rest.
    """
    require_whole(1, embed_dim=embed_dim, num_heads=num_heads)
    if embed_dim % num_heads:
        raise ValueError(f"num_heads={num_heads} does not divide embed_dim={embed_dim}")
