"""Suggestions for misspelt names."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: object, names: Iterable[str], most: int = 1) -> str | None:
    """Suggest the names closest to a misspelt one: ``"Did you mean 'a' or 'b'?"``, or None.

    Upper and lower case do not matter.

    Args:
        name: the misspelt name; anything.
        names: the known names.
        most: how many to suggest at most.
    """
    by_lower = {known.lower(): known for known in names}
    close = difflib.get_close_matches(str(name).lower(), by_lower, n=most, cutoff=0.45)
    return (
        f"Did you mean {' or '.join(repr(by_lower[lower]) for lower in close)}?" if close else None
    )
