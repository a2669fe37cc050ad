"""Training: recipes, a loop that loses nothing, and the folder a run leaves behind."""

from xraylab.training.checkpoint import CheckpointError
from xraylab.training.corruption import corrupt
from xraylab.training.distribute import ProcessLost
from xraylab.training.fit import fit
from xraylab.training.interrupt import TrainingInterrupted
from xraylab.training.loop import TrainingDiverged
from xraylab.training.memory import OutOfMemory
from xraylab.training.objectives import require_logits
from xraylab.training.recipe import Recipe
from xraylab.training.recipes import list_recipes
from xraylab.training.report import environment
from xraylab.training.run import Run

__all__ = [
    "CheckpointError",
    "OutOfMemory",
    "ProcessLost",
    "Recipe",
    "Run",
    "TrainingDiverged",
    "TrainingInterrupted",
    "corrupt",
    "environment",
    "fit",
    "list_recipes",
    "require_logits",
]
