"""The training batches of a recipe, in an order determined by its seed and the epoch."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np

from xraylab.data import Split, epoch_order, take
from xraylab.training.augmentation import step_seed
from xraylab.training.distribution import Cluster
from xraylab.training.recipe import Recipe


class TrainingBatches(keras.utils.PyDataset):
    """Micro-batches for ``Model.fit``: a function of the epoch and the index alone.

    Every optimizer step has a full batch; images that do not fill one are left out of the epoch.
    Each batch is prepared as a whole, while the step before it runs, and then divided into
    micro-batches and among the processes of a cluster.

    Args:
        objective: an objective of ``xraylab.training.objectives``.
        split: the training images.
        recipe: the recipe.
        cluster: the processes among which each micro-batch is divided.
        micro_batches: micro-batches per step.

    Attributes:
        epoch: the current epoch, set by :class:`xraylab.training.callbacks.Checkpointer`.
        start: number of steps to skip, in the first epoch after a resumption.
    """

    def __init__(
        self, objective: Any, split: Split, recipe: Recipe, cluster: Cluster, micro_batches: int = 1
    ):
        super().__init__()
        self.objective, self.split, self.recipe = objective, split, recipe
        self.cluster, self.micro_batches = cluster, micro_batches
        self.batch_size = min(recipe.batch_size, len(split))
        self.steps_per_epoch = len(split) // self.batch_size
        self.epoch = self.start = 0
        self._prepared: dict[tuple[int, int], Future] = {}
        self._executor = ThreadPoolExecutor(max_workers=1)

    @property
    def num_batches(self) -> int:
        """Number of micro-batches in the rest of the epoch."""
        return (self.steps_per_epoch - self.start) * self.micro_batches

    def __getitem__(self, index: int) -> tuple:
        step, part = divmod(index, self.micro_batches)
        batch = self._batch(self.start + step)
        size = self.batch_size // self.micro_batches
        share = size // self.cluster.num_processes
        first = part * size + self.cluster.rank * share
        rows = slice(first, first + share)
        images, targets, weights = keras.tree.map_structure(lambda array: array[rows], batch)
        # Keras takes the mean over micro-batches, but their losses are shares of a sum.
        scale = np.float32(self.micro_batches)
        return images, targets, keras.tree.map_structure(lambda array: array * scale, weights)

    def _batch(self, step: int) -> tuple:
        """Return the batch of a step, and start to prepare the next one."""
        key = (self.epoch, step)
        wanted = [key] if step + 1 == self.steps_per_epoch else [key, (self.epoch, step + 1)]
        self._prepared = {
            k: self._prepared.get(k) or self._executor.submit(self.prepare, *k) for k in wanted
        }
        return self._prepared[key].result()

    def prepare(self, epoch: int, step: int) -> tuple:
        """Compute inputs, targets and sample weights of one step."""
        order = epoch_order(len(self.split), self.recipe.seed, epoch)
        rows = order[step * self.batch_size : (step + 1) * self.batch_size]
        images, labels = take(self.split, rows)
        seed = step_seed(self.recipe.seed, epoch * self.steps_per_epoch + step)
        return self.objective.batch(images, labels, rows, seed)
