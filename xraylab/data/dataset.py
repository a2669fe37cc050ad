"""A split as a Keras dataset."""

import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from xraylab.arguments import MAX_SEED, invalid_argument, require_choice, require_int
from xraylab.data.rows import epoch_order, take
from xraylab.data.split import Split


class SplitDataset(keras.utils.PyDataset):
    """Batches of a split for ``Model.fit``, ``evaluate`` and ``predict``, on every backend.

    The images of a batch and their augmentation depend on ``(seed, epoch, index)`` alone.
    ``Model.fit`` and ``evaluate`` raise ``epoch`` by one at the end of an epoch.
    ``Model.fit`` also shuffles the order of the batches of any ``PyDataset``, unless it is called
    with ``shuffle=False``.

    Shapes:
        dataset[index]: images (batch, size, size, 1) float32 in [0, 1], labels (batch, num_labels)
        float32, 0 or 1, NaN where unknown.

    Args:
        split: the images and labels.
        batch_size: images per batch; the last batch has what is left.
        shuffle: whether to shuffle the images, in another order each epoch.
        seed: seed of the order and of the augmentation.
        drop_remainder: whether to leave out a last batch that is not full.
        augment: function ``augment(images, labels, seed) -> (images, labels)`` of each batch, such
            as ``xraylab.training.augmentation.make("cxr")``; its ``seed`` is an integer from 0 to
            2**32 - 1.
        epoch: number of the first epoch, from 0.
        options: ``workers``, ``use_multiprocessing`` and ``max_queue_size`` of
            ``keras.utils.PyDataset``.

    Raises:
        ValueError: if an argument is invalid or unknown.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int = 32,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_remainder: bool = False,
        augment: Callable[[np.ndarray, np.ndarray, int], tuple] | None = None,
        epoch: int = 0,
        **options: Any,
    ):
        for name in options:
            _split, _batch_size, *own, _options = inspect.signature(SplitDataset).parameters
            of_keras = inspect.signature(keras.utils.PyDataset).parameters
            require_choice("option of a dataset", name, (*own, *of_keras))
        _require_augment(augment)
        super().__init__(**options)
        self.split, self.shuffle, self.augment = split, shuffle, augment
        self.batch_size = require_int("batch_size", batch_size, 1)
        self.seed = require_int("seed", seed, 0, MAX_SEED)
        self.epoch = require_int("epoch", epoch, 0, MAX_SEED)
        full, remainder = divmod(len(split), batch_size)
        self.batches_per_epoch = full + bool(remainder and not drop_remainder)
        self._begun = False
        self._order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return self.batches_per_epoch

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} does not exist. Expected: 0 to {len(self) - 1}.")
        epoch, rows = self.epoch, slice(index * self.batch_size, (index + 1) * self.batch_size)
        images, labels = take(self.split, self._order_of(epoch)[rows] if self.shuffle else rows)
        if self.augment is None:
            return images, labels
        words = np.random.SeedSequence((self.seed, epoch, index)).generate_state(1)
        return self.augment(images, labels, int(words[0]))

    def _order_of(self, epoch: int) -> np.ndarray:
        order = self._order  # one read: worker threads share it
        if order is None or order[0] != epoch:
            order = self._order = (epoch, epoch_order(len(self.split), self.seed, epoch))
        return order[1]

    def on_epoch_begin(self) -> None:
        """Note that an epoch has begun."""
        self._begun = True

    def on_epoch_end(self) -> None:
        """Count the epoch, if it has begun: Keras calls this before the first one, too."""
        self.epoch += self._begun
        self._begun = False


def _require_augment(augment: Any) -> None:
    """Raise a ValueError for what cannot be called with images, labels and a seed."""
    if augment is None:
        return
    try:
        inspect.signature(augment).bind("images", "labels", "seed")
    except (TypeError, ValueError):
        expected = "a function (images, labels, seed) that returns images and labels"
        hint = 'Pass xraylab.training.augmentation.make("cxr"), or Augmentation([layer]) of the '
        hint += "same module for layers of Keras."
        raise invalid_argument("augment", expected, repr(augment), hint) from None
