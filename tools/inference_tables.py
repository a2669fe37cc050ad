"""Tables and sentences of the appendix "Speed and cost" on inference, from ``inference.json``."""

import pandas as pd
from export_table import FORMATS

OURS = {"graph": "graph", "xla": "XLA", "onnx": "ONNX", "litert": "LiteRT"}
THEIRS = {"eager": "PyTorch", "compiled": "compiled", "torch_onnx": "its ONNX"}
GOAL = 1.5
"""Ratio of their fastest to our fastest time per batch that the project aims at."""


def grouped(rows) -> list:
    """Sort rows by model, in the order of their first rows, and by size."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    return sorted(rows, key=lambda row: (models.index(row["model"]), row["size"], row["batch"]))


def runtimes(rows, size: int, batch: int) -> pd.DataFrame:
    """Tabulate milliseconds per batch; the fastest of ours and of theirs are in bold."""
    shown = []
    for row in (row for row in rows if (row["size"], row["batch"]) == (size, batch)):
        best = {
            min((name for name in names if name in row), key=row.get, default=None)
            for names in (OURS, THEIRS)
        }
        cells = {
            title: "–" if name not in row else bold(milliseconds(row[name]), name in best)
            for name, title in {**OURS, **THEIRS}.items()
        }
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else "–"
        shown.append({"model": row["model"], **cells, "ratio": ratio})
    return pd.DataFrame(shown)


def int8(rows) -> pd.DataFrame:
    """Tabulate how many times as fast files with weights of 8 bits are as those of 32 bits."""
    found = {}
    for row in rows:
        cells = found.setdefault((row["model"], row["size"]), {})
        for name, title in FORMATS.items():
            known = name in row and f"{name}_int8" in row
            cells[f"{title}, batch {row['batch']}"] = (
                f"{row[name] / row[f'{name}_int8']:.2f}" if known else "–"
            )
    frame = pd.DataFrame(found).T.rename_axis(["model", "px"]).reset_index()
    return frame[["model", "px", *sorted(frame.columns[2:])]].fillna("–")


def ratios(rows) -> str:
    """State the ratios of their to our time, each of the fastest unquantised runtime."""
    found = sorted((row["ratio"], case(row)) for row in rows if "ratio" in row)
    (low, slowest), (high, fastest) = found[0], found[-1]
    met, faster = (sum(ratio >= limit for ratio, _ in found) for limit in (GOAL, 1))
    return (
        f"The ratio lies between {low:.2f} ({slowest}) and {high:.2f} ({fastest}); ours is faster "
        f"in {faster} of {len(found)} cases, and at least {GOAL:g} times as fast in {met}"
    )


def int8_ratios(rows) -> str:
    """State in how many cases our fastest file of 8 bits reaches the goal; theirs has 32 bits."""
    found = [
        min(row[name] for name in THEIRS if name in row) / min(row[name] for name in known)
        for row in rows
        if "ratio" in row and (known := [n for n in ("onnx_int8", "litert_int8") if n in row])
    ]
    met = sum(ratio >= GOAL for ratio in found)
    return (
        f"Against their fastest runtime, which has 32 bits, the faster file of 8 bits is at least "
        f"{GOAL:g} times as fast in {met} of {len(found)} cases"
    )


def xla_ratios(rows) -> str:
    """State the lowest and the highest ratio of the time of XLA to that of the plain graph."""
    found = sorted((row["xla"] / row["graph"], case(row)) for row in rows if "xla" in row)
    (low, fastest), (high, slowest) = found[0], found[-1]
    return f"from {low:.2f} ({fastest}) to {high:.2f} ({slowest}) times as long as the plain graph"


def latency(rows) -> str:
    """State how many times as long Hybrid RR-ViT takes at 128 as at 64 pixels, in the graph."""
    times = {
        (row["batch"], row["size"]): row["graph"] for row in rows if row["model"] == "hybrid_rr_vit"
    }
    one, many = (times[batch, 128] / times[batch, 64] for batch in (1, 32))
    return f"{one:.1f} times as long for one image, and {many:.1f} times for 32"


def skipped(rows) -> str:
    """Name the runtimes that failed."""
    found = [message.split(": skipped")[0] for row in rows for message in row["skipped"]]
    return "; ".join(sorted(set(found))) or "none"


def case(row) -> str:
    """Name the model, size and batch of a row."""
    return f"{row['model']}, {row['size']} px, batch {row['batch']}"


def milliseconds(seconds: float) -> str:
    """Format with three significant digits, and no decimals above 100."""
    return f"{1e3 * seconds:.{0 if seconds >= 0.1 else 1 if seconds >= 0.01 else 2}f}"


def bold(text: str, condition: bool) -> str:
    """Mark up as bold where a condition holds."""
    return f"**{text}**" if condition else text
