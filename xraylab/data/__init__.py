"""Sources of images (ChestPhantom, ChestMNIST, ChestX-ray14, CheXpert, any file) and their batches.

::

    from xraylab import data

    split = data.load("phantom", size=64, split="train")
    for images, labels in data.batches(split, 128, seed=0):
        ...
"""

from xraylab.data.batches import batches, epoch_order, num_batches, read_rows, take
from xraylab.data.catalogue import (
    DEFAULT_SIZE,
    NAMED_SOURCES,
    Source,
    labels_of,
    load,
    sources,
)
from xraylab.data.errors import DataError
from xraylab.data.locations import data_root
from xraylab.data.split import SPLITS, Split

__all__ = [
    "DEFAULT_SIZE",
    "NAMED_SOURCES",
    "SPLITS",
    "DataError",
    "Source",
    "Split",
    "batches",
    "data_root",
    "epoch_order",
    "labels_of",
    "load",
    "num_batches",
    "read_rows",
    "sources",
    "take",
]
