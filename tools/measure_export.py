"""Measure how quantisation to 8 bits changes the scores of the shipped weights.

::

    python tools/measure_export.py --real ../shared/data

Each model is exported as it is and with ``int8``, and both files score the test images of the NIH
subset at 64 px. Written are macro AUC, the largest difference of a label's AUC, the size of the
file, and the seconds that the export takes of the processor. A file that has some rows already is
continued.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import real_images
from scipy.special import expit

from xraylab import io, metrics, models
from xraylab.models.export import SUFFIXES
from xraylab.models.weights import shipped_weights

SIZE, BATCH = 64, 64


def auc_by_label(path, images, labels):
    """Score an exported file."""
    run = models.load_exported(path)
    starts = range(0, len(images), BATCH)
    logits = [run(images[start : start + BATCH])["logits"] for start in starts]
    return metrics.score(labels, expit(np.concatenate(logits, dtype=np.float64)))


def measure(name, format, images, labels):
    """Export and score one model in one format."""
    model = models.build(name, SIZE, weights="pretrained")
    row, scores = {"model": name, "format": format}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind in ("float32", "int8"):
            path = Path(scratch) / f"{kind}{SUFFIXES[format]}"
            start = time.process_time()
            exported = models.export_model(model, path, format, int8=kind == "int8")
            row[f"seconds_{kind}"] = round(time.process_time() - start, 1)
            row[f"bytes_{kind}"] = exported.num_bytes
            scores[kind] = auc_by_label(path, images, labels)
            row[f"macro_auc_{kind}"] = round(scores[kind].macro_auc, 5)
    pairs = zip(*(score.per_finding for score in scores.values()), strict=True)
    changes = [abs(first.roc_auc - second.roc_auc) for first, second in pairs]
    return row | {"largest_change_of_a_label": round(float(np.nanmax(changes)), 5)}


def main():
    parser = real_images.parser(__doc__, "export.json")
    parser.add_argument("--formats", nargs="+", default=["onnx", "litert"])
    options = parser.parse_args()
    (split,) = real_images.load(options.real, "test")
    images, labels = split.arrays()
    rows = io.read_json(options.out)["rows"] if options.out.exists() else []
    measured = {(row["model"], row["format"]) for row in rows}
    for format in options.formats:
        for name, size in sorted(shipped_weights()):
            if size == SIZE and (name, format) not in measured:
                rows.append(measure(name, format, images, labels))
                io.write_json(options.out, {"num_images": len(images), "rows": rows})
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
