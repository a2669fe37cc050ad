"""The architectures, one per file, and the registry that builds them by name."""

from xraylab.models.predict import predict_logits
from xraylab.models.registry import ModelSpec, build, build_gmml, list_models, spec

__all__ = ["ModelSpec", "build", "build_gmml", "list_models", "predict_logits", "spec"]
