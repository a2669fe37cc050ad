"""The architectures, one a file, and the registry that builds them by name."""

from xraylab.models.cards import ModelCard
from xraylab.models.predict import predict_logits, sigmoid
from xraylab.models.registry import build, build_gmml, card, list_models

__all__ = [
    "ModelCard",
    "build",
    "build_gmml",
    "card",
    "list_models",
    "predict_logits",
    "sigmoid",
]
