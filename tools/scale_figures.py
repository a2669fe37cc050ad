"""Sphinx extension: figures and facts of the appendix "Cost at scale" as MyST substitutions.

``{{ scale_tokens }}`` and so on are of the files in ``book/measured`` that
``benchmarks/attention_memory.py``, ``training_step.py``, ``two_processes.py``, ``full_size.py`` and
``tools/measure_labels.py`` write, and of the records in ``book/results``.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from xraylab import io, plotting
from xraylab.models import list_models
from xraylab.models.cost import recorded_cost
from xraylab.phantom import SPLIT_SIZES

FILES = ("attention_memory", "training_step", "labels", "two_processes", "full_size")
MODEL = "hybrid_rr_vit"
"""The model whose cost grows with the square of the tokens."""
TRAINING_IMAGES = SPLIT_SIZES["train"]
"""Training images of ChestMNIST."""
EPOCHS = 30
"""Epochs of the tuned recipes."""
NETWORK = 10
"""Gbit/s of the network that is assumed between machines."""


def setup(app):
    app.connect("config-inited", add_substitutions)
    return {"parallel_read_safe": True}


def add_substitutions(app, config):
    """Add the figures and the facts."""
    source = Path(app.srcdir)
    files = [io.read_json(source / "measured" / f"{name}.json") for name in FILES]
    memory, step, labels, processes, full_size = files
    growth, plain = by_tokens(memory), {"index": False, "disable_numparse": True}
    runs = recorded_runs(source / "results", rates(step), step["size"])
    found = {
        "scale_tokens": html(tokens_figure(growth)),
        "scale_token_facts": token_facts(growth),
        "scale_training": html(training_figure(runs)),
        "scale_training_facts": training_facts(runs),
        "scale_epochs": epochs(rates(step)).to_markdown(**plain),
        "scale_full_size": full_size_facts(full_size),
        "scale_full_size_recipe": full_size["recipe"],
        "scale_full_size_load": f"{full_size['load_before']:.2f}",
        "scale_labels": html(labels_figure(labels)),
        "scale_label_facts": label_facts(labels),
        "scale_processes": two_processes(processes["rows"]).to_markdown(**plain),
        "scale_process_facts": process_facts(processes["rows"]),
        "scale_process_batch": str(processes["batch_size"]),
        "scale_process_versions": ", ".join(processes["versions"]),
        "scale_hosts": hosts(step["rows"]).to_markdown(**plain),
        "scale_network": f"{NETWORK:g}",
        "scale_gigabytes": f"{TRAINING_IMAGES * 224**2 / 1e9:.1f}",
        "scale_largest": f"{largest() / 1e6:.0f}",
    }
    config.myst_substitutions = {**config.myst_substitutions, **found}


def html(figure: plotting.Figure) -> str:
    """Return a figure as a block of HTML in Markdown."""
    return f"<div>\n{figure.to_svg()}\n</div>"


def by_tokens(memory) -> pd.DataFrame:
    """Return the cost of an image in a step of Hybrid RR-ViT, in multiples of the fewest tokens'.

    The columns are tokens, multiply-adds, and seconds and memory, both of attention in blocks and
    of whole maps.
    """
    rows = [row for row in memory["rows"] if row["training"] and row["batch"] == 1]
    rows = [row for row in rows if row["model"] == MODEL]
    frame = pd.DataFrame(rows).dropna(subset="peak")
    frame["memory"] = frame["peak"] - frame["start"]
    found = frame.pivot(index="tokens", columns="way", values=["seconds", "memory"])
    names = {"blocks": "in blocks", "whole": "whole maps"}
    found.columns = [f"{what}, {names[way]}" for what, way in found]
    # At the smallest size the package takes whole maps.
    found = found / [found[f"{name.split(',')[0]}, whole maps"].iloc[0] for name in found]
    sizes = frame.groupby("tokens")["size"].first()
    costs = [recorded_cost(MODEL, size) for size in sizes]
    found["multiply-adds"] = [cost.multiply_adds / costs[0].multiply_adds for cost in costs]
    found["tokens"] = found.index / found.index[0]
    return found.fillna({name: 1 for name in found if name.endswith("blocks")}, limit=1)


def tokens_figure(growth: pd.DataFrame) -> plotting.Figure:
    """Draw the cost of a training step by the number of tokens."""
    return plotting.curves(
        growth.index,
        {name: growth[name] for name in growth},
        xlabel="tokens",
        ylabel="multiple of the cost",
        value_format="{:.3g}",
        ticks=growth.index,
        log=True,
    )


def token_facts(growth: pd.DataFrame) -> str:
    """State the growth from the fewest to the most tokens."""
    last = growth.iloc[-1]
    return (
        f"From {growth.index[0]:,} to {growth.index[-1]:,} tokens, {last['tokens']:.0f} times as "
        f"many, the multiply-adds grow {last['multiply-adds']:.0f}-fold; the time "
        f"{last['seconds, in blocks']:.0f}-fold with attention in blocks and "
        f"{last['seconds, whole maps']:.0f}-fold with whole maps; the memory "
        f"{last['memory, in blocks']:.1f}-fold and {last['memory, whole maps']:.1f}-fold"
    )


def rates(step) -> dict[str, float]:
    """Return the images per second of training by model, the slowest first."""
    found = {row["model"]: row["images_per_second"] for row in step["rows"]}
    return dict(sorted(found.items(), key=lambda item: item[1]))


def recorded_runs(folder: Path, known: dict[str, float], size: int) -> pd.DataFrame:
    """Return model, images and seconds of the recorded runs whose rate at this size is known.

    The rates are those of a model alone: a distillation takes the predictions of its teachers, too.
    """
    found = []
    for record in map(io.read_json, sorted(folder.glob("*.json"))):
        training, recipe = record["training"], record["recipe"]
        images, name = training["steps"] * recipe["batch_size"], recipe["model"]
        alone = recipe["objective"] != "distillation"
        if alone and name in known and recipe["size"] == size:
            ratio = training["seconds"] * known[name] / images
            found.append((name, images, training["seconds"], ratio))
    return pd.DataFrame(found, columns=["model", "images", "seconds", "ratio"])


def training_figure(runs: pd.DataFrame) -> plotting.Figure:
    """Draw the recorded hours by those of the steps alone."""
    recorded = runs["seconds"] / 3600
    alone = recorded / runs["ratio"]
    x = np.array([0.9 * alone.min(), 1.1 * alone.max()])
    figure = plotting.curves(
        x,
        {"equal": x, "twice": 2 * x},
        xlabel="hours of the steps alone: images × epochs / images per second",
        ylabel="recorded hours",
        log=True,
    )
    figure.axes[0].plot(alone, recorded, "o", color=plotting.FOREGROUND, markersize=4, alpha=0.6)
    low, high = runs["ratio"].min(), runs["ratio"].max()
    figure.alt += f" {len(runs)} points of recorded runs, at {low:.1f} to {high:.1f} times equal."
    return figure


def training_facts(runs: pd.DataFrame) -> str:
    """State how the recorded times compare with those of the steps alone."""
    low, middle, high = runs["ratio"].quantile([0.25, 0.5, 0.75])
    return (
        f"Half of the {len(runs)} recorded runs without a teacher, of models whose rate was "
        f"measured, took {low:.1f} to {high:.1f} times as long as their steps alone take "
        f"(median {middle:.1f}, at most {runs['ratio'].max():.1f})"
    )


def epochs(known: dict[str, float]) -> pd.DataFrame:
    """Return the time of one epoch of ChestMNIST, and of as many as the tuned recipes have."""
    return pd.DataFrame(
        {
            "model": name,
            "images/s": f"{rate:.0f}",
            "minutes per epoch": f"{TRAINING_IMAGES / rate / 60:.0f}",
            f"hours for {EPOCHS} epochs": f"{EPOCHS * TRAINING_IMAGES / rate / 3600:.1f}",
        }
        for name, rate in known.items()
    )


def full_size_facts(measured) -> str:
    """State time and memory of the epoch on as many images as ChestMNIST has."""
    images = measured["images"]
    peak, before = (measured[f"{name}_bytes"] / 1e9 for name in ("peak", "before"))
    return (
        f"Unpacking and checking the file and building the model took "
        f"{measured['preparation']:.0f} s, the steps on {images['train']:,} images "
        f"{measured['steps'] / 60:.1f} minutes ({measured['images_per_second']:.0f} images/s), and "
        f"the validation on {images['val']:,} images {measured['validation']:.0f} s. The process "
        f"needed {peak:.2f} GB of memory at most, {before:.2f} GB of it Python and TensorFlow"
    )


def labels_figure(labels) -> plotting.Figure:
    """Draw the multiply-adds of an image by the number of labels."""
    counts = labels["multiply_adds"]
    return plotting.curves(
        labels["labels"],
        {name: np.divide(counts[name], 1e6) for name in sorted(counts, key=lambda n: counts[n][0])},
        xlabel="labels",
        ylabel="million multiply-adds per image",
        value_format="{:.4g}",
        ticks=labels["labels"],
        log=True,
    )


def label_facts(labels) -> str:
    """State the growth of LT-ViT, and the largest one of the other models."""
    growth = {name: counts[-1] / counts[0] for name, counts in labels["multiply_adds"].items()}
    own = growth.pop("lt_vit_tiny")
    most = max(growth, key=growth.get)
    return (
        f"From {labels['labels'][0]} to {labels['labels'][-1]:,} labels they grow {own:.1f}-fold "
        f"in LT-ViT, and {growth[most]:.3f}-fold at most in the others ({most})"
    )


def two_processes(rows) -> pd.DataFrame:
    """Return milliseconds of a step in one and in two processes, and the speed-ups."""
    titles = {
        "one": "one core",
        "half": "half of the batch",
        "two": "two processes",
        "cores": "one process, two cores",
    }
    return pd.DataFrame(
        {"model": row["model"]}
        | {title: f"{1e3 * row[case]:.0f}" for case, title in titles.items()}
        | {
            "against one core": f"{row['one'] / row['two']:.2f}",
            "against two": f"{row['cores'] / row['two']:.2f}",
            "gradient, MB": f"{row['gradient'] / 1e6:.1f}",
        }
        for row in rows
    )


def process_facts(rows) -> str:
    """State the speed-ups, and what communication and waiting add to a step."""
    speed_ups = ", ".join(f"{row['one'] / row['two']:.2f} ({row['model']})" for row in rows)
    added = ", ".join(f"{1e3 * (row['two'] - row['half']):.0f} ms ({row['model']})" for row in rows)
    return (
        f"The speed of two processes in multiples of one process on one core: {speed_ups}. Beyond "
        f"its half of the batch alone, a step takes {added} more"
    )


def hosts(rows) -> pd.DataFrame:
    """Return what bounds the speed-up by several machines, by model.

    Each machine prepares the whole batch during the step before, and sends and receives about two
    gradients per step.
    """
    found = []
    for row in rows:
        megabytes = 4 * recorded_cost(row["model"], 64).trainable / 1e6
        found.append(
            {
                "model": row["model"],
                "step, ms": f"{1e3 * row['step']:.0f}",
                "batch, ms": f"{1e3 * row['batch']:.0f}",
                "largest speed-up": f"{row['step'] / row['batch']:.1f}",
                "gradient, MB": f"{megabytes:.0f}",
                "transfer, ms": f"{2 * megabytes * 8 / NETWORK:.0f}",
            }
        )
    return pd.DataFrame(found)


def largest() -> int:
    """Return the number of trainable weights of the largest model."""
    costs = (recorded_cost(name, 64) for name in list_models())
    return max(cost.trainable for cost in costs if cost)
