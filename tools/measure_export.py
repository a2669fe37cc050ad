"""Measure the time and size of exported models, and how 8 bits change the shipped weights' scores.

::

    python tools/measure_export.py --real ../shared/data                 # an hour
    python tools/measure_export.py --real ../shared/data medvit_large

Each model but the toys is exported at 64 px, as it is and with ``int8``. Written are the size of
the file, and the seconds that the export takes of the processor, the comparison with Keras
included. Both files of models whose weights are shipped score the test images of the NIH subset:
macro AUC, and the largest difference of a label's AUC. Others have random weights. A file that has
some rows already is continued.
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
    """Export one model in one format, and score it if its weights are shipped."""
    shipped = (name, SIZE) in shipped_weights()
    model = models.build(name, SIZE, weights="pretrained" if shipped else None)
    row, scores = {"model": name, "format": format}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for kind in ("float32", "int8"):
            path = Path(scratch) / f"{kind}{SUFFIXES[format]}"
            start = time.process_time()
            exported = models.export_model(model, path, format, int8=kind == "int8")
            row[f"seconds_{kind}"] = round(time.process_time() - start, 1)
            row[f"bytes_{kind}"] = exported.num_bytes
            if shipped:
                scores[kind] = auc_by_label(path, images, labels)
                row[f"macro_auc_{kind}"] = round(scores[kind].macro_auc, 5)
    if not shipped:
        return row
    pairs = zip(*(score.per_finding for score in scores.values()), strict=True)
    changes = [abs(first.roc_auc - second.roc_auc) for first, second in pairs]
    return row | {"largest_change_of_a_label": round(float(np.nanmax(changes)), 5)}


def main():
    parser = real_images.parser(__doc__, "export.json")
    names = [name for name in models.list_models() if not name.endswith("_toy")]
    parser.add_argument("models", nargs="*", default=names, metavar="model", help="default: all")
    parser.add_argument("--formats", nargs="+", default=["onnx", "litert"])
    options = parser.parse_args()
    (split,) = real_images.load(options.real, "test")
    images, labels = split.arrays()
    rows = io.read_json(options.out)["rows"] if options.out.exists() else []
    measured = {(row["model"], row["format"]) for row in rows}
    for format in options.formats:
        for name in options.models:
            if (name, format) not in measured:
                rows.append(measure(name, format, images, labels))
                io.write_json(options.out, {"num_images": len(images), "rows": rows})
                print(rows[-1], flush=True)


if __name__ == "__main__":
    main()
