"""Sphinx extension: the tables of the appendix "Speed and cost" as MyST substitutions.

``{{ speed_64_batch_1 }}`` and the others are made from the files in ``book/measured`` that
``benchmarks/inference.py``, ``training_step.py``, ``naive_keras.py``, ``input.py``,
``attention_memory.py``, ``startup.py`` and ``phantom_speed.py`` write.
"""

from pathlib import Path

import inference_tables
import pandas as pd
from inference_tables import bold, milliseconds

from xraylab import io

FILES = (
    *("inference", "training_step", "training_precision", "naive_keras", "input"),
    *("attention_memory", "startup", "phantom_speed"),
)
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
    rows = inference_tables.grouped(inference["rows"])
    frames = {
        **{
            f"speed_{px}_batch_{n}": inference_tables.runtimes(rows, px, n)
            for px in (64, 224)
            for n in (1, 32)
        },
        "speed_int8": inference_tables.int8(rows),
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
        "speed_ratios": inference_tables.ratios(rows),
        "speed_xla": inference_tables.xla_ratios(rows),
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
        "speed_skipped": inference_tables.skipped(rows),
        "speed_latency": inference_tables.latency(rows),
        "speed_int8_ratios": inference_tables.int8_ratios(rows),
        "speed_startup_goals": missed(startup["rows"]),
        "speed_steps": memory["steps"],
        "speed_start": f"{min(row['start'] for row in memory['rows']):.1f}",
    }
    config.myst_substitutions = {**config.myst_substitutions, **found}


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


def loads(*files) -> str:
    """State the load of the machine before each measurement."""
    return ", ".join(f"{file['load_before']:.2f}" for file in files)


def percent(fraction: float) -> str:
    """Format a fraction as a whole percentage."""
    return f"{100 * fraction:.0f} %"
