"""Training: recipes, resumable runs around ``keras.Model.fit``, distillation and pre-training."""

from xraylab.training.callbacks import TrainingDiverged
from xraylab.training.checkpoint import CheckpointError
from xraylab.training.corruption import corrupt
from xraylab.training.fit import OutOfMemory, fit
from xraylab.training.interrupts import TrainingInterrupted
from xraylab.training.recipe import Recipe
from xraylab.training.recipes import get_recipe, list_recipes
from xraylab.training.report import environment
from xraylab.training.run import Run, RunLocked

__all__ = [
    "CheckpointError",
    "OutOfMemory",
    "Recipe",
    "Run",
    "RunLocked",
    "TrainingDiverged",
    "TrainingInterrupted",
    "corrupt",
    "environment",
    "fit",
    "get_recipe",
    "list_recipes",
]
