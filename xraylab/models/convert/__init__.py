"""Converters of public weights into the models of this package."""
