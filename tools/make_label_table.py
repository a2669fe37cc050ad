"""Count the distinct label vectors of ChestMNIST and write the table that the simulator uses.

python tools/make_label_table.py LABELS.npz

LABELS.npz contains ``train_labels``, ``val_labels`` and ``test_labels``, like ``chestmnist.npz``.
"""

import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np

TABLE = Path(__file__).resolve().parents[1] / "xraylab" / "phantom" / "label_vectors.csv"
SPLITS = ("train", "val", "test")


def count_vectors(path):
    """Return rows (label vector as text, number of train, val, test images), sorted by vector."""
    with np.load(path, allow_pickle=False) as file:
        counters = [
            Counter("".join(map(str, row)) for row in file[f"{split}_labels"].astype(int))
            for split in SPLITS
        ]
    vectors = sorted(set().union(*counters))
    return [(vector, *(counter[vector] for counter in counters)) for vector in vectors]


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rows = count_vectors(sys.argv[1])
    with TABLE.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("labels", *SPLITS))
        writer.writerows(rows)
    print(f"{TABLE}: {len(rows)} label vectors")


if __name__ == "__main__":
    main()
