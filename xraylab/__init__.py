"""Models, losses and metrics for multi-label chest X-ray classification.

Teaching and research software, not a medical device. Importing ``xraylab`` accesses no network and
does not import Keras: subpackages load on first use. Once Keras is imported, saved models of
xraylab can be loaded.
"""

import importlib
from types import ModuleType

from xraylab import _registration

__version__ = "0.1.0"

_SUBMODULES = (
    "book",
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
    "results",
    "training",
    "widgets",
)

__all__ = ["__version__", *_SUBMODULES]

_registration.install()


def __getattr__(name: str) -> ModuleType:
    """Import a subpackage on first access (PEP 562)."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the subpackages before they are imported, for tab completion."""
    return sorted(__all__)
