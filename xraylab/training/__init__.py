"""Training: recipes, a loop that loses nothing, and the folder a run leaves behind."""

from xraylab.training.fit import fit
from xraylab.training.interrupt import TrainingInterrupted
from xraylab.training.loop import TrainingDiverged
from xraylab.training.recipe import Recipe
from xraylab.training.report import environment
from xraylab.training.run import Run

__all__ = ["Recipe", "Run", "TrainingDiverged", "TrainingInterrupted", "environment", "fit"]
