"""The error of a record that must not be believed."""


class ResultError(ValueError):
    """A record, or the run that one would be made of, must not be believed."""
