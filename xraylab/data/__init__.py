"""Sources of images (ChestPhantom, ChestMNIST, public data sets, your own files) and datasets.

::

    from xraylab import data

    train = data.load("phantom", size=64, split="train")
    model.fit(train.to_dataset(64, shuffle=True, seed=0))
    x, y = train.arrays()
"""

from xraylab.data.errors import DataError
from xraylab.data.registry import DEFAULT_SIZE, NAMED_SOURCES, Source, labels_of, load, sources
from xraylab.data.rows import epoch_order, read_rows, take
from xraylab.data.split import SPLITS, Split
from xraylab.io import data_root

__all__ = [
    "DEFAULT_SIZE",
    "NAMED_SOURCES",
    "SPLITS",
    "DataError",
    "Source",
    "Split",
    "data_root",
    "epoch_order",
    "labels_of",
    "load",
    "read_rows",
    "sources",
    "take",
]
