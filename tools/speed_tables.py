"""Sphinx extension: the tables of the appendix "Speed and cost" as MyST substitutions.

``{{ speed_64_batch_1 }}`` and the others are made from the files in ``book/measured`` that
``benchmarks/inference.py``, ``training_step.py``, ``naive_keras.py``, ``input.py``,
``attention_memory.py``, ``startup.py`` and ``phantom_speed.py`` write.
"""

from pathlib import Path

import pandas as pd
from export_table import FORMATS

from xraylab import io

OURS = {"graph": "graph", "xla": "XLA", "onnx": "ONNX", "litert": "LiteRT"}
THEIRS = {"eager": "PyTorch", "compiled": "compiled", "torch_onnx": "its ONNX"}
FILES = (
    *("inference", "training_step", "training_precision", "naive_keras", "input"),
    *("attention_memory", "startup", "phantom_speed"),
)
GOAL = 1.5
"""Ratio of their fastest to our fastest time per batch that the project aims at."""
PLAIN_GOAL = 1.3
"""Ratio of the time of a training step in plain Keras to ours that the project aims at."""
WAIT_LIMIT = 0.03
"""Largest fraction of the time for which training may wait for data."""


def setup(app):
    app.connect("config-inited", add_substitutions)
    return {"parallel_read_safe": True}


def add_substitutions(app, config):
    """Add the tables, and the sentences about the machine and the ratios, to the substitutions."""
    folder = Path(app.srcdir) / "measured"
    files = [io.read_json(folder / f"{name}.json") for name in FILES]
    inference, step, precision, plain, reading, memory, startup, simulation = files
    rows = grouped(inference["rows"])
    frames = {
        **{f"speed_{px}_batch_{n}": runtimes(rows, px, n) for px in (64, 224) for n in (1, 32)},
        "speed_int8": int8(rows),
        "speed_training": parts_of_a_step(step["rows"]),
        "speed_precision": precisions(precision["rows"]),
        "speed_plain": against_plain(plain["rows"]),
        "speed_input": ways_to_read(reading["rows"]),
        "speed_memory": peaks(memory["rows"]),
        "speed_memory_224": largest_peaks(memory["rows"]),
        "speed_startup": starts(startup["rows"]),
        "speed_simulation": simulations(simulation["rows"]),
    }
    found = {name: x.to_markdown(index=False, disable_numparse=True) for name, x in frames.items()}
    found |= {
        "speed_machine": f"{inference['processor']}, {inference['threads']} threads",
        "speed_rounds": inference["rounds"],
        "speed_versions": ", ".join(dict.fromkeys(", ".join(inference["versions"]).split(", "))),
        "speed_ratios": ratios(rows),
        "speed_xla": xla_ratios(rows),
        "speed_loads": loads(*files),
        "speed_wait": waits(step["rows"]),
        "speed_precision_facts": facts_of_precision(precision),
        "speed_plain_facts": facts_of_plain(plain["rows"]),
        "speed_plain_versions": ", ".join(plain["versions"]),
        "speed_input_images": f"{reading['images']:,}",
        "speed_input_size": str(reading["size"]),
        "speed_input_batch": str(reading["batch_size"]),
        "speed_input_facts": facts_of_reading(reading),
        "speed_input_versions": ", ".join(reading["versions"]),
        "speed_skipped": skipped(rows),
        "speed_latency": latency(rows),
        "speed_int8_ratios": int8_ratios(rows),
        "speed_startup_goals": missed(startup["rows"]),
        "speed_steps": memory["steps"],
        "speed_start": f"{min(row['start'] for row in memory['rows']):.1f}",
    }
    config.myst_substitutions = {**config.myst_substitutions, **found}


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


def parts_of_a_step(rows) -> pd.DataFrame:
    """Tabulate images per second, the fraction of each part of a step, waiting and peak rate."""
    return pd.DataFrame(
        {
            "model": row["model"],
            "images/s": f"{row['images_per_second']:.0f}",
            "forward": percent(row["forward"] / row["step"]),
            "backward": percent((row["gradient"] - row["forward"]) / row["step"]),
            "optimizer": percent((row["step"] - row["gradient"]) / row["step"]),
            "wait": f"{100 * row['wait']:.1f} %",
            "arithmetic": percent(row["operations_per_second"] / row["peak_operations_per_second"]),
        }
        for row in rows
    )


def waits(rows) -> str:
    """Compare the longest wait for data with the limit."""
    share, name = max((row["wait"], row["model"]) for row in rows)
    held = "within" if share < WAIT_LIMIT else "beyond"
    return (
        f"It is {100 * share:.1f} % at most ({name}), {held} the limit of {percent(WAIT_LIMIT)} "
        "that the project sets"
    )


def precisions(rows) -> pd.DataFrame:
    """Tabulate milliseconds of a training step in float32 and in mixed bfloat16."""
    found = {}
    for row in rows:
        found.setdefault(row["model"], {})[row["precision"]] = row["step"]
    return pd.DataFrame(
        {
            "model": name,
            "float32": milliseconds(cells["float32"]),
            "mixed_bfloat16": milliseconds(cells["mixed_bfloat16"]),
            "ratio": f"{cells['float32'] / cells['mixed_bfloat16']:.2f}",
        }
        for name, cells in found.items()
    )


def facts_of_precision(precision) -> str:
    """State the processor, and how many models bfloat16 makes faster there."""
    instructions = " and ".join(f"`{name}`" for name in precision["instructions"])
    ratios = precisions(precision["rows"])["ratio"].astype(float)
    return (
        f"The processor ({precision['processor']}) has {instructions or 'no instructions'} for "
        f"bfloat16, which is faster than float32 in {(ratios > 1).sum()} of {len(ratios)} models"
    )


def against_plain(rows) -> pd.DataFrame:
    """Tabulate milliseconds of a training step of ours and in plain Keras."""
    return pd.DataFrame(
        {
            "model": row["model"],
            "ours": milliseconds(row["own"]),
            "plain Keras": milliseconds(row["plain"]),
            "ratio": bold(f"{row['ratio']:.2f}", row["ratio"] >= PLAIN_GOAL),
        }
        for row in rows
    )


def facts_of_plain(rows) -> str:
    """State the range of the ratios, and how many reach the goal."""
    (low, slowest), *_, (high, fastest) = sorted((row["ratio"], row["model"]) for row in rows)
    met = sum(row["ratio"] >= PLAIN_GOAL for row in rows)
    return (
        f"The ratio lies between {low:.2f} ({slowest}) and {high:.2f} ({fastest}). The project "
        f"aims at {PLAIN_GOAL:g}, which {met} of {len(rows)} models reach"
    )


def ways_to_read(rows) -> pd.DataFrame:
    """Return images per second and memory of the ways to read images."""
    return pd.DataFrame(
        {
            "way": row["way"],
            "images/s": f"{row['images_per_second']:,.0f}",
            "first load, s": f"{row['first_load']:.1f}",
            "later loads, s": f"{row['load']:.1f}",
            "memory, MB": f"{row['growth_mb']:,.0f}",
        }
        for row in rows
    )


def facts_of_reading(reading) -> str:
    """Compare the memory map with the other ways, and its memory with the limit."""
    own, *others = reading["rows"]
    ratios = [
        f"{own['images_per_second'] / row['images_per_second']:.1f} times as many as {row['way']}"
        for row in others
    ]
    held = "within" if own["growth_mb"] < reading["limit_mb"] else "beyond"
    return (
        f"By memory map xraylab reads {', '.join(ratios[:-1])} and {ratios[-1]}; the growth of "
        f"{own['growth_mb']:.0f} MB is {held} the benchmark's limit of {reading['limit_mb']} MB"
    )


def peaks(rows) -> pd.DataFrame:
    """Tabulate memory and time of Hybrid RR-ViT's training, attention in blocks and whole maps."""
    found = {}
    for row in (row for row in trained(rows) if row["model"] == "hybrid_rr_vit"):
        cells = found.setdefault((row["size"], row["tokens"], row["batch"]), {})
        way = {"blocks": "in blocks", "whole": "whole maps"}[row["way"]]
        cells[f"GB, {way}"] = f"{row['peak']:.1f}"
        cells[f"s/image, {way}"] = f"{row['seconds'] / row['batch']:.2f}"
    frame = pd.DataFrame(found).T.rename_axis(["px", "tokens", "batch"]).reset_index()
    return frame.fillna("–")


def largest_peaks(rows) -> pd.DataFrame:
    """Tabulate the memory of training at 224 pixels by model, as the package computes attention."""
    found = {}
    for row in (row for row in trained(rows) if row["size"] == 224):
        cells = found.setdefault((row["model"], row["tokens"]), {})
        cells.setdefault(f"GB, batch {row['batch']}", f"{row['peak']:.1f}")  # blocks come first
    return pd.DataFrame(found).T.rename_axis(["model", "tokens"]).reset_index().fillna("–")


def trained(rows) -> list:
    """Return the rows of training steps that fit into memory."""
    return [row for row in rows if row["training"] and "peak" in row]


def starts(rows) -> pd.DataFrame:
    """Tabulate start-up times beside their goals."""
    return pd.DataFrame(
        {
            "command": f"`{row['case']}`",
            "seconds": f"{row['clock']:.2f}",
            "goal": goal(row),
        }
        for row in rows
    )


def missed(rows) -> str:
    """State which goals of start-up times are missed."""
    aimed = [row for row in rows if row["goal"] is not None]
    late = [f"`{row['case']}`" for row in aimed if row["clock"] > row["goal"]]
    return f"missed here: {' and '.join(late) or 'none'}"


def simulations(rows) -> pd.DataFrame:
    """Tabulate simulated images per second and core beside their goals."""
    return pd.DataFrame(
        {"px": row["size"], "images/s": f"{row['images_per_second']:,.0f}", "goal": goal(row)}
        for row in rows
    )


def goal(row) -> str:
    """Format the goal of a row, which not all rows have."""
    return "–" if row["goal"] is None else f"{row['goal']:g}"


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


def loads(*files) -> str:
    """State the load of the machine before each measurement."""
    return ", ".join(f"{file['load_before']:.2f}" for file in files)


def skipped(rows) -> str:
    """Name the runtimes that failed."""
    found = [message.split(": skipped")[0] for row in rows for message in row["skipped"]]
    return "; ".join(sorted(set(found))) or "none"


def case(row) -> str:
    """Name the model, size and batch of a row."""
    return f"{row['model']}, {row['size']} px, batch {row['batch']}"


def percent(fraction: float) -> str:
    """Format a fraction as a whole percentage."""
    return f"{100 * fraction:.0f} %"


def milliseconds(seconds: float) -> str:
    """Format with three significant digits, and no decimals above 100."""
    return f"{1e3 * seconds:.{0 if seconds >= 0.1 else 1 if seconds >= 0.01 else 2}f}"


def bold(text: str, condition: bool) -> str:
    """Mark up as bold where a condition holds."""
    return f"**{text}**" if condition else text
