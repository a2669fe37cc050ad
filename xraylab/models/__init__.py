"""The architectures, one per file, and the registry that builds them by name."""

from xraylab.models.export import Exported, export_model
from xraylab.models.formats import load_exported
from xraylab.models.predict import predict_logits
from xraylab.models.registry import ModelSpec, build, build_gmml, list_models, spec

__all__ = [
    "Exported",
    "ModelSpec",
    "build",
    "build_gmml",
    "export_model",
    "list_models",
    "load_exported",
    "predict_logits",
    "spec",
]
