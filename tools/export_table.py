"""Sphinx extension: cost and scores of exported files, as MyST substitutions.

``{{ export_table }}`` and the others are of ``book/measured/export.json``, which
``tools/measure_export.py`` writes.
"""

from pathlib import Path

import pandas as pd

from xraylab import io

FORMATS = {"onnx": "ONNX", "litert": "LiteRT"}


def setup(app):
    app.connect("config-inited", add_substitutions)
    return {"parallel_read_safe": True}


def add_substitutions(app, config):
    """Add the tables, sentences on the losses and the times, and the number of images."""
    path = Path(app.srcdir) / "measured" / "export.json"
    measured = io.read_json(path)
    scored = [row for row in measured["rows"] if "macro_auc_int8" in row]
    plain = {"index": False, "disable_numparse": True}
    found = {
        "export_table": frame(scored).to_markdown(**plain),
        "export_losses": losses(scored),
        "export_costs": costs(measured["rows"]).to_markdown(**plain),
        "export_seconds": seconds(measured["rows"]),
        "export_images": f"{measured['num_images']:,}",
    }
    config.myst_substitutions = {**config.myst_substitutions, **found}


def costs(rows) -> pd.DataFrame:
    """Return the processor time of the export of each model, and the size of its file."""
    found = {}
    for row in sorted(rows, key=lambda row: row["model"]):
        name, cells = FORMATS[row["format"]], found.setdefault(row["model"], {})
        cells[f"{name}, s"] = f"{row['seconds_float32']:.1f}"
        cells[f"{name}, size"] = io.format_bytes(row["bytes_float32"])
    frame = pd.DataFrame(found).T.rename_axis("model").reset_index().fillna("–")
    return frame[["model", *sorted(frame.columns[1:], reverse=True)]]


def seconds(rows) -> str:
    """State the shortest and the longest time of an export."""
    found = sorted(
        (row["seconds_float32"], f"{row['model']}, {FORMATS[row['format']]}") for row in rows
    )
    (low, fastest), (high, slowest) = found[0], found[-1]
    return f"from {low:.1f} ({fastest}) to {high:.1f} ({slowest}) seconds"


def losses(rows, limit: float = 0.005) -> str:
    """Name the files whose macro AUC 8 bits lower by more than a limit."""
    found = [(row["macro_auc_float32"] - row["macro_auc_int8"], row) for row in rows]
    lossy = [f"{FORMATS[r['format']]} of {r['model']} ({x:.3f})" for x, r in found if x > limit]
    few = f"{len(lossy)} of {len(found)} files lose more than {limit:g} of macro AUC"
    return f"{few}: {', '.join(lossy)}" if lossy else few


def frame(rows) -> pd.DataFrame:
    """Return the macro AUC of each model, and by format the size of its files and the change."""
    found = {}
    for row in rows:
        name, cells = FORMATS[row["format"]], found.setdefault(row["model"], {})
        cells["macro AUC"] = f"{row['macro_auc_float32']:.3f}"
        sizes = (io.format_bytes(row[f"bytes_{kind}"]) for kind in ("float32", "int8"))
        cells[f"{name}, 32 and 8 bits"] = " → ".join(sizes)
        cells[f"change, {name}"] = f"{row['macro_auc_int8'] - row['macro_auc_float32']:+.4f}"
    return pd.DataFrame(found).T.rename_axis("model").reset_index()
