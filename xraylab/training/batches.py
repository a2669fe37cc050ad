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

    Attributes:
        micro_batches: number of micro-batches per step: the smallest, from the ``accumulation`` of
            the recipe on, that are of equal size.
        epoch: the current epoch, set by :class:`xraylab.training.callbacks.Checkpointer`.
        start: number of steps to skip, in the first epoch after a resumption.
    """

    def __init__(self, objective: Any, split: Split, recipe: Recipe, cluster: Cluster):
        super().__init__()
        self.objective, self.split, self.recipe = objective, split, recipe
        self.cluster, self.batch_size = cluster, min(recipe.batch_size, len(split))
        cluster.require_batch(self.batch_size)
        images = self.batch_size // cluster.num_devices
        candidates = range(min(recipe.accumulation, images), images + 1)
        self.micro_batches = next(number for number in candidates if images % number == 0)
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
        own = size // self.cluster.num_processes
        first = part * size + self.cluster.rank * own
        rows = slice(first, first + own)
        images, targets, weights = keras.tree.map_structure(lambda array: array[rows], batch)
        # Keras takes the mean over micro-batches, but their losses add up to that of the batch.
        scale = np.float32(self.micro_batches)
        return images, targets, keras.tree.map_structure(lambda array: array * scale, weights)

    def _batch(self, step: int) -> tuple:
        """Return the batch of a step, and start to prepare the next one."""
        former, keys = self._prepared, [(self.epoch, step), (self.epoch, step + 1)]
        if step + 1 == self.steps_per_epoch:
            keys.pop()
        self._prepared = prepared = {
            key: former.get(key) or self._executor.submit(self.prepare, *key) for key in keys
        }
        return prepared[keys[0]].result()

    def prepare(self, epoch: int, step: int) -> tuple:
        """Compute inputs, targets and sample weights of one step."""
        order = epoch_order(len(self.split), self.recipe.seed, epoch)
        rows = order[step * self.batch_size : (step + 1) * self.batch_size]
        images, labels = take(self.split, rows)
        seed = step_seed(self.recipe.seed, epoch * self.steps_per_epoch + step)
        return self.objective.batch(images, labels, rows, seed)
