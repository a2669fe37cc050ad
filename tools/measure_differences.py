"""Compare recorded runs on real images by paired bootstrap, for the book.

::

    python tools/measure_differences.py --real FOLDER

The records do not hold the labels of real images, so chapters cannot pair the scores themselves.
Images are resampled by patient. Only numbers are written.
"""

import argparse
from pathlib import Path

from xraylab import data, io, results

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "book" / "measured" / "differences.json"
PAIRS = (
    ("efficientvit_m0_64_nih_scratch", "efficientvit_m0_mxa_64_nih_scratch"),
    ("rr_vit_64_nih_scratch", "rr_vit_64_nih_scratch_seed1"),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, required=True, help="folder of the real images")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    table = options.real / "nih_images.csv"
    splits = tuple(
        data.load(options.real / "nih_64.npz", split=split, table=table)
        for split in ("val", "test")
    )
    rows = []
    for names in PAIRS:
        paths = [ROOT / "book" / "results" / f"{name}.json" for name in names]
        found = results.compare(*(results.load_result(path, splits) for path in paths))
        scores = {name: found.scores[name] for name in ("macro_auc", "micro_auc")}
        rows.append({"first": names[0], "second": names[1], "unit": found.unit, "scores": scores})
    io.write_json(options.out, {"num_test": len(splits[1]), "differences": rows})
    print(options.out.read_text())


if __name__ == "__main__":
    main()
