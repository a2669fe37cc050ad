"""``xraylab export``: a model as a file that runs without xraylab."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from xraylab.arguments import require_choice
from xraylab.backend import start_keras
from xraylab.cli.console import Table, show
from xraylab.cli.predict import NOTICE, load_classifier
from xraylab.io import format_bytes, to_plain

MODEL = "Folder of a run, or a model of 'xraylab models'."
INTERMEDIATES = "Also output attention maps, features and what else the model computes inside."


def export(
    model: Annotated[str, Argument(help=MODEL)],
    format: Annotated[str, Option(help="onnx, litert or savedmodel.")] = "onnx",
    int8: Annotated[bool, Option("--int8", help="Quantise weights to 8 bits.")] = False,
    intermediates: Annotated[bool, Option("--intermediates", help=INTERMEDIATES)] = False,
    out: Annotated[Path | None, Option(help="The file; default: the model's name.")] = None,
    size: Annotated[int, Option(help="Side in pixels of a model without weights.")] = 64,
):
    """Export a run, or a model with its shipped weights if any, for use without xraylab.

    Preprocessing, label names, and the calibration and thresholds if there are any, are stored in
    the file. Its outputs are compared with those of Keras on random images.
    """
    start_keras()
    from xraylab import models
    from xraylab.models.export import SUFFIXES
    from xraylab.models.weights import largest_shipped

    require_choice("--format", format, SUFFIXES)
    metadata, square = {"notice": NOTICE}, "pad"
    if Path(model).exists() or model in largest_shipped():
        found = load_classifier(model)
        network, square = found.model, found.square
        network.label_names = tuple(found.label_names)
        metadata["description"] = found.description
        metadata["calibration"] = to_plain(found.calibration)
    else:
        network = models.build(model, size)
        metadata["description"] = f"{model}, {size} px, initial weights: NOT TRAINED"
    path = out or Path(f"{network.name}_{network.image_size}{SUFFIXES[format]}")
    options = {"int8": int8, "intermediates": intermediates, "square": square}
    exported = models.export_model(network, path, format, metadata=metadata, **options)
    table = Table("Quantity", "Measured", title=str(path))
    table.add_row("size", format_bytes(exported.num_bytes))
    table.add_row("largest difference from Keras, relative", f"{exported.difference:.1e}")
    table.add_row("one image", f"{exported.milliseconds:.1f} ms")
    table.add_row("one image, Keras", f"{exported.keras_milliseconds:.1f} ms")
    table.show()
    show(f"Model: {metadata['description']}")
    if int8:
        show("Weights have 8 bits: score the file on images of your own before you use it.")
