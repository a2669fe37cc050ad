"""Diagrams of architectures, drawn from built models: stages, output shapes, parameters."""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.patches import FancyBboxPatch

from xraylab.arguments import require
from xraylab.plotting import style

_BESIDE: dict[str, dict[tuple[str, ...], tuple[str, ...]]] = {
    "DBCT": {("convolution", "local_projection"): ("patch_embedding", "positions", "block")},
    "RRViT": {("class_token",): ("patch_embedding", "stem"), ("decoder",): ("head",)},
    "LTViT": {("label_tokens",): ("patch_embedding", "positions", "block")},
    "EfficientViT": {("distillation_head",): ("head",)},
    "MXABlock": {("mxa",): ("attention",)},
}
"""By class, what the order of the layers does not show: branches, and the layers that they run
beside, by the names of the layers without their numbers."""

WIDTH, ROW, BOX = 4.8, 0.56, 0.4
"""Width of a diagram, height of a row and of its box, in inches."""


@dataclass(frozen=True)
class Stage:
    """Consecutive layers of one kind of name on maps of one size.

    Attributes:
        name: name of the layers without their numbers.
        title: their name with the first and the last number.
        kind: their classes and how many there are of each.
        shape: shape of the output of the last, without the batch.
        parameters: number of their weights.
    """

    name: str
    title: str
    kind: str
    shape: tuple[int | None, ...]
    parameters: int

    @property
    def size(self) -> str:
        """Shape and number of parameters as text."""
        count = f" · {self.parameters:,} parameters" if self.parameters else ""
        return " × ".join(map(str, self.shape)) + count


def stages(model: Any) -> list[Stage]:
    """Return the stages of a model, or of one of its blocks, in the order of its layers.

    Args:
        model: a model of :func:`xraylab.models.build`, or one of its layers that has layers.

    Raises:
        ValueError: if it is not built, or has no layers.
    """
    # Imported here: other figures do not need Keras, which takes seconds to import.
    import keras

    from xraylab.layers.base import sublayers

    layers = [x for x in sublayers(model) if not isinstance(x, keras.layers.Dropout)]
    valid = layers and all(layer.built for layer in layers)
    require(valid, "model", "a built model, or one of its blocks", model)
    shapes = {}
    for layer in layers:
        entered = (layer.get_build_config() or {})["input_shape"]
        shapes[layer.name] = entered[1:], layer.compute_output_shape(entered)[1:]
    first = getattr(model, "first_label_block", None)
    with_labels = [] if first is None else model.blocks[first : first + model.num_label_blocks]

    def key(layer):
        name = re.sub(r"_?(\d+|(?<=\d)[a-z])$", "", layer.name)
        name = "label_block" if any(layer is block for block in with_labels) else name
        return name, shapes[layer.name][1][:-1]

    found, before = [], ()
    for (name, _), group in groupby(layers, key):
        group = list(group)
        kinds = Counter(type(layer).__name__ for layer in group).items()
        kind = ", ".join(k if n == 1 else f"{n} {k}" for k, n in kinds)
        entered, shape = shapes[group[0].name][0], shapes[group[-1].name][1]
        if len(entered) == 1 < len(before):
            if hasattr(model, "classify"):
                found.append(Stage("mean", "mean over positions", "", entered, 0))
            else:
                kind += " of [CLS]"
        start = re.sub(r"_?(\d+|(?<=\d)[a-z])$", r" \1", group[0].name)
        end = re.search(r"(\d+|[a-z])$", group[-1].name)
        title = (f"{start}–{end[0]}" if end and len(group) > 1 else group[0].name).replace("_", " ")
        title += " with label tokens" if name == "label_block" else ""
        count = sum(layer.count_params() for layer in group)
        found.append(Stage(name, title, kind, shape, count))
        before = shape
    return found


@style.context()
def architecture(model: Any, *, title: str = "") -> style.Figure:
    """Draw the stages of a built model with their output shapes and parameters.

    Shapes, parameters and order are those of the model's layers; branches run side by side. The
    more of the parameters a stage has, the darker it is.

    Args:
        model: a model of :func:`xraylab.models.build`, or one of its blocks, such as an MXA block.
        title: short text above the diagram; by default the name of the model.

    Raises:
        ValueError: if it is not built, has no layers, or is a block of MXA in the arrangement of
            the authors' code, which runs its attention twice.
    """
    authors = getattr(getattr(model, "mxa", None), "arrangement", "paper") == "authors"
    require(not authors, "model", 'a block with arrangement="paper"', 'arrangement="authors"')
    found, total = stages(model), model.count_params()
    name = "image" if hasattr(model, "image_size") else "input"
    shape = model.get_build_config()["input_shape"][1:]
    found = [Stage(name, name, "", shape, 0), *found]
    texts = (f"{s.title}{s.kind and f' ({s.kind})'}, {s.size}" for s in found)
    title = title or f"{model.name}: {total:,} parameters"
    sections = _sections(model, found)
    rows = sum(max(map(len, section)) for section in sections)
    fig, axes = style.figure(WIDTH, rows * ROW + 0.3, alt=f"{title}. {'; '.join(texts)}.")
    axes.set(xlim=(0, WIDTH), ylim=(rows * ROW, 0))
    axes.set_axis_off()
    axes.set_title(title, loc="left")
    top, ends = 0.0, []  # ends: x and y of the lower ends of the section before
    for left, right in sections:
        height = max(len(left), len(right)) * ROW
        columns = [(left, 0.0, WIDTH / 2), (right, WIDTH / 2, WIDTH / 2)]
        new_ends = []
        for column, x, width in columns if right else [(left, 0.0, WIDTH)]:
            learned = column is right and column[0].kind == "LearnedTokens"
            y = top + (height - len(column) * ROW if learned else 0)
            # Two columns lead to one box, or one box to two columns.
            for start, bottom in () if learned else ends:
                at = x + width / 2 if right else start
                _arrow(axes, (at, bottom), (at, y + ROW - BOX))
            for stage in column:
                _box(axes, stage, x, y + ROW - BOX, width, stage.parameters / total)
                if stage is not column[-1]:
                    _arrow(axes, (x + width / 2, y + ROW), (x + width / 2, y + 2 * ROW - BOX))
                y += ROW
            new_ends.append((x + width / 2, y))
        top, ends = top + height, new_ends
    return fig


def _sections(model, found):
    """Return pairs of columns: stages in order, and the stages of a branch beside them or none."""
    names = [base.__name__ for base in type(model).__mro__]
    beside = {k: v for name in names for k, v in _BESIDE.get(name, {}).items()}
    branch = {name: sides for sides in beside for name in sides}
    main = [stage for stage in found if stage.name not in branch]
    sections = []
    for sides, group in groupby(
        main, lambda s: next((k for k in beside if s.name in beside[k]), ())
    ):
        left, right = list(group), [stage for stage in found if stage.name in sides]
        sections += [(left, right)] if right else [([stage], []) for stage in left]
    return sections


def _box(axes, stage, x, y, width, share):
    """Draw a stage; the depth of its color is its share of the parameters."""
    frame = {"boxstyle": "round,pad=0,rounding_size=0.06", "linewidth": 0.8}
    area = {"xy": (x + 0.04, y), "width": width - 0.08, "height": BOX}
    fill = {"facecolor": style.ACCENT, "edgecolor": "none", "alpha": 0.06 + 0.5 * share}
    axes.add_patch(FancyBboxPatch(**area, **frame, **fill))
    axes.add_patch(FancyBboxPatch(**area, **frame, fill=False, edgecolor=style.FOREGROUND))
    text = {"ha": "center", "va": "center"}
    above = f"{stage.title}: {stage.kind}" if stage.kind else stage.title
    axes.text(x + width / 2, y + 0.3 * BOX, above, fontsize=8, **text)
    axes.text(x + width / 2, y + 0.72 * BOX, stage.size, fontsize=7, **text)


def _arrow(axes, start, end):
    arrow = {"arrowstyle": "-|>", "color": style.FOREGROUND, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops={**arrow, "linewidth": 0.8, "mutation_scale": 7})
