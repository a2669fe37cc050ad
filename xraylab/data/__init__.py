"""Sources of images (ChestPhantom, ChestMNIST, ChestX-ray14, CheXpert, any file) and datasets.

::

    from xraylab import data

    train = data.load("phantom", size=64, split="train")
    model.fit(train.to_dataset(64, shuffle=True, seed=0))
    x, y = train.arrays()
"""

from typing import TYPE_CHECKING, Any

from xraylab.data.errors import DataError
from xraylab.data.registry import DEFAULT_SIZE, NAMED_SOURCES, Source, labels_of, load, sources
from xraylab.data.split import SPLITS, Split, epoch_order, read_rows, take
from xraylab.io import data_root

if TYPE_CHECKING:
    from xraylab.data.dataset import SplitDataset

__all__ = [
    "DEFAULT_SIZE",
    "NAMED_SOURCES",
    "SPLITS",
    "DataError",
    "Source",
    "Split",
    "SplitDataset",
    "data_root",
    "epoch_order",
    "labels_of",
    "load",
    "read_rows",
    "sources",
    "take",
]


def __getattr__(name: str) -> Any:
    """Import :class:`SplitDataset` on first use: it needs Keras, the rest does not (PEP 562)."""
    if name == "SplitDataset":
        from xraylab.data.dataset import SplitDataset

        return SplitDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
