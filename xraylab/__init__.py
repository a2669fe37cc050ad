"""xraylab: models, losses and metrics for multi-label chest X-ray classification.

Teaching and research software, not a medical device. Importing ``xraylab`` touches no network,
draws nothing and does not import TensorFlow: submodules load when they are first used.
"""

import importlib

__version__ = "0.1.0"

_SUBMODULES = (
    "check",
    "data",
    "doctor",
    "evaluation",
    "explain",
    "findings",
    "layers",
    "losses",
    "metrics",
    "models",
    "phantom",
    "plotting",
    "training",
    "widgets",
)

__all__ = ["__version__", *_SUBMODULES]


def __getattr__(name):
    """Import a submodule the first time it is asked for (PEP 562)."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """List the submodules too, so that tab completion finds them before they are loaded."""
    return sorted(__all__)
