"""Sphinx extension: what 8 bits do to exported files, as MyST substitutions.

``{{ export_table }}``, ``{{ export_losses }}`` and ``{{ export_images }}`` are of
``book/measured/export.json``, which ``tools/measure_export.py`` writes.
"""

from pathlib import Path

import pandas as pd

from xraylab import io

FORMATS = {"onnx": "ONNX", "litert": "LiteRT"}


def setup(app):
    app.connect("config-inited", add_substitutions)
    return {"parallel_read_safe": True}


def add_substitutions(app, config):
    """Add the table, a sentence on the losses, and the number of images."""
    path = Path(app.srcdir) / "measured" / "export.json"
    measured = io.read_json(path)
    found = {
        "export_table": frame(measured["rows"]).to_markdown(index=False, disable_numparse=True),
        "export_losses": losses(measured["rows"]),
        "export_images": f"{measured['num_images']:,}",
    }
    config.myst_substitutions = {**config.myst_substitutions, **found}


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
