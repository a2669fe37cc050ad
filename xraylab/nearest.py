"""What somebody may have meant by a name that is none."""

import difflib


def did_you_mean(name, names, most=1):
    """Return ``"did you mean 'a' or 'b'?"`` with the names nearest to one, or None.

    Upper and lower case do not matter.

    Args:
        name: what came; anything.
        names: those there are.
        most: how many to name at most.
    """
    by_lower = {known.lower(): known for known in names}
    near = difflib.get_close_matches(str(name).lower(), by_lower, n=most, cutoff=0.45)
    return f"did you mean {' or '.join(repr(by_lower[lower]) for lower in near)}?" if near else None
