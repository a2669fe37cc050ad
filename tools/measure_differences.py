"""Compare recorded runs on real images by paired bootstrap, for the book.

::

    python tools/measure_differences.py --real FOLDER

The records do not hold the labels of real images, so chapters cannot pair the scores themselves.
Images are resampled by patient. Only numbers are written.
"""

from pathlib import Path

import real_images

from xraylab import io, results

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "book" / "measured" / "differences.json"
PAIRS = (
    ("efficientvit_m0_64_nih_scratch", "efficientvit_m0_mxa_64_nih_scratch"),
    ("rr_vit_64_nih_scratch", "rr_vit_64_nih_scratch_seed1"),
)


def main():
    options = real_images.parser(__doc__, OUT).parse_args()
    splits = tuple(real_images.load(options.real, "val", "test"))
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
