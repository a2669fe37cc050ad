"""The registry: the specification of every model, and the functions that build them.

To add an architecture, write its file and add its rows to :data:`SPECS`. A row names the class by
its module, so that listing the models does not import Keras.
"""

import fnmatch
import importlib
from dataclasses import dataclass, field

from xraylab.arguments import require_int
from xraylab.suggest import did_you_mean


@dataclass(frozen=True)
class ModelSpec:
    """What is known of a model without building it.

    Attributes:
        name: the name that :func:`build` takes.
        builder: ``module:class`` of the Keras model, relative to ``xraylab.models``.
        source: bibliography key of the source.
        summary: one line on what it is.
        reconstructed: what the source leaves open and is a choice of this package.
        source_sizes: image sizes in pixels at which the source reports this model; empty where it
            gives none.
        options: arguments in which this model differs from the defaults of its class.
    """

    name: str
    builder: str
    source: str
    summary: str
    reconstructed: str = ""
    source_sizes: tuple[int, ...] = (64, 128, 224)
    options: dict = field(default_factory=dict)

    def architecture(self):
        """Import and return the class of the model."""
        module, class_name = self.builder.split(":")
        return getattr(importlib.import_module(f"xraylab.models.{module}"), class_name)


def _family(builder, source, reconstructed, source_sizes, rows):
    """Create the specifications of one architecture from {name: (summary, options)}."""
    return [
        ModelSpec(name, builder, source, summary, reconstructed, source_sizes, options)
        for name, (summary, options) in rows.items()
    ]


_EFFICIENTVIT = {
    # name: channels, blocks and heads of the three stages; kernel sizes of the heads.
    "m0": ((64, 128, 192), (1, 2, 3), (4, 4, 4), (5, 5, 5, 5)),
    "m1": ((128, 144, 192), (1, 2, 3), (2, 3, 3), (7, 5, 3, 3)),
    "m2": ((128, 192, 224), (1, 2, 3), (4, 3, 2), (7, 5, 3, 3)),
    "m3": ((128, 240, 320), (1, 2, 3), (4, 3, 4), (5, 5, 5, 5)),
    "m4": ((128, 256, 384), (1, 2, 3), (4, 4, 4), (7, 5, 3, 3)),
    "m5": ((192, 288, 384), (1, 3, 4), (3, 3, 4), (7, 5, 3, 3)),
    "toy": ((16, 24, 32), (1, 1, 1), (2, 2, 2), (5, 3)),
}


def _efficientvit_rows(name, suffix, **toy_options):
    """Create the rows of EfficientViT, or of EfficientViT with MXA."""
    rows = {}
    arguments = ("embed_dims", "depths", "num_heads", "kernel_sizes")
    for size, values in _EFFICIENTVIT.items():
        options = dict(zip(arguments, values, strict=True))
        about = f"EfficientViT-{size.upper()}"
        if size == "toy":
            options |= {"patch_size": 4, **toy_options}
            about = "one narrow block per stage, for tests and laptops"
        rows[name.format(size)] = (f"{about}: {suffix}", options)
    return rows


_CNN_RECONSTRUCTED = "momentum of the batch normalisation; the source names keras.applications"
_ALL_SIZES = (64, 128, 224)

_ROWS = [
    *_family(
        "resnet:ResNet",
        "he2016",
        _CNN_RECONSTRUCTED,
        _ALL_SIZES,
        {
            "resnet50": ("residual network of 50 layers, head of pham2026", {}),
            "resnet50_toy": (
                "one or two narrow blocks per stage, for tests and laptops",
                {"depths": (1, 1, 2, 1), "widths": (8, 16, 24, 32), "stem_width": 16},
            ),
        },
    ),
    *_family(
        "densenet:DenseNet",
        "huang2017",
        _CNN_RECONSTRUCTED,
        _ALL_SIZES,
        {
            "densenet121": ("densely connected network of 121 layers, head of pham2026", {}),
            "densenet121_toy": (
                "three blocks of a few layers, for tests and laptops",
                {"depths": (3, 4, 3), "growth_rate": 12, "stem_width": 24},
            ),
        },
    ),
    *_family(
        "efficientnet:EfficientNet",
        "tan2019",
        _CNN_RECONSTRUCTED,
        _ALL_SIZES,
        {
            "efficientnet_b0": (
                "inverted bottlenecks with squeeze and excitation, head of pham2026",
                {},
            ),
            "efficientnet_b0_toy": (
                "six narrow blocks, for tests and laptops",
                {
                    "stages": (
                        (16, 1, 1, 3, 1),
                        (24, 2, 2, 3, 4),
                        (32, 1, 2, 5, 4),
                        (48, 2, 2, 3, 4),
                    ),
                    "stem_width": 16,
                    "top_width": 192,
                },
            ),
        },
    ),
    *_family(
        "medvit:MedViT",
        "manzari2023",
        "nothing of the architecture (public code, first version)",
        (224,),
        {
            "medvit_small": (
                "alternating convolution and attention, 20 blocks",
                {"rounds": (1, 1, 2, 1), "drop_path": 0.1},
            ),
            "medvit_base": ("the same with 30 blocks", {"rounds": (1, 1, 4, 1)}),
            "medvit_large": ("the same with 40 blocks", {}),
            "medvit_toy": (
                "9 narrow blocks, for tests and laptops",
                {
                    "stem_widths": (16, 16, 32),
                    "ecb_widths": (32, 32, 48, 48),
                    "ltb_widths": (0, 64, 64, 80),
                    "ecb_counts": (1, 1, 1, 1),
                    "rounds": (1, 1, 2, 1),
                    "head_dim": 16,
                    "drop_path": 0.0,
                },
            ),
        },
    ),
    *_family(
        "dbct:DBCT",
        "pham2026",
        "fixed positions, width, depth, heads, MLP, convolutions, norms and patch size (together "
        "they give the reported counts, which others would too); one-dimensional sines, centred "
        "grey levels, activations, ε, initializers; the residual of the cross-attention, which the "
        "equation lacks; α, γ of the loss",
        _ALL_SIZES,
        {
            "dbct": ("transformer with cross-attention to a small convolutional branch", {}),
            "dbct_toy": (
                "two blocks of width 64, for tests and laptops",
                {"embed_dim": 64, "depth": 2, "num_heads": 4, "local_channels": (8, 16)},
            ),
        },
    ),
    *_family(
        "rr_vit:RRViT",
        "pham2026",
        "width and patch size (from the counts), dropout, λ, initializers, ε",
        _ALL_SIZES,
        {
            "rr_vit": ("vision transformer without MLPs, regularised by reconstruction", {}),
            "rr_vit_toy": (
                "two blocks of width 32, for tests and laptops",
                {"embed_dim": 32, "depth": 2, "num_heads": 2},
            ),
        },
    ),
    *_family(
        "hybrid_rr_vit:HybridRRViT",
        "pham2026",
        "widths of the stem, of a token and of the MLP (from the counts); the stem's strides, "
        "activation, momentum and ε; dropout, λ, initializers",
        (64, 128),
        {
            "hybrid_rr_vit": (
                "convolutional stem and transformer, regularised by reconstruction",
                {},
            ),
            "hybrid_rr_vit_toy": (
                "two blocks of width 64, for tests and laptops",
                {"stem_filters": (8, 16), "embed_dim": 64, "depth": 2, "num_heads": 2},
            ),
        },
    ),
    *_family(
        "efficientvit:EfficientViT",
        "liu2023",
        "initializers of the convolutions (Keras's defaults)",
        (224,),
        _efficientvit_rows("efficientvit_{}", "cascaded group attention in windows"),
    ),
    *_family(
        "mxa:EfficientViTMXA",
        "rand2025",
        "kernel sizes, widths and position of the region proposal and the gates (from the authors' "
        "code), how four numbers make a box, its initial and smallest side, "
        "arrangement='authors' for the code as published, initializers",
        (224,),
        {
            name.replace("toy_mxa", "mxa_toy"): row
            for name, row in _efficientvit_rows(
                "efficientvit_{}_mxa", "with medical X-ray attention", reduction=4
            ).items()
        },
    ),
    *_family(
        "lt_vit:LTViT",
        "marikkar2023",
        "the whole backbone (width, heads, patch size and MLP of DeiT and ViT); N1 = 8, from N2 = "
        "4 of 12 blocks; no [CLS]; weights and a bias per label in the head; initializers, ε",
        (),
        {
            "lt_vit_tiny": (
                "vision transformer of width 192 with label tokens in the last 4 of 12 blocks",
                {"embed_dim": 192, "num_heads": 3},
            ),
            "lt_vit_small": ("the same of width 384", {"embed_dim": 384, "num_heads": 6}),
            "lt_vit_base": ("the same of width 768", {"embed_dim": 768, "num_heads": 12}),
            "lt_vit_toy": (
                "6 blocks of width 48, for tests and laptops",
                {"embed_dim": 48, "depth": 6, "num_heads": 3, "num_label_blocks": 2},
            ),
        },
    ),
]

SPECS = {row.name: row for row in _ROWS}
"""The specifications by name, family after family in the order of the book."""


def list_models(pattern="*"):
    """Return the sorted names of the models that match a shell pattern."""
    return sorted(fnmatch.filter(SPECS, pattern))


def spec(name):
    """Return the :class:`ModelSpec` of a model.

    Raises:
        ValueError: if there is no such model; the message suggests similar names.
    """
    if name not in SPECS:
        hint = did_you_mean(name, SPECS, most=3) or f"Known: {', '.join(list_models())}"
        raise ValueError(f"Unknown model. Received: {name!r}. {hint}")
    return SPECS[name]


def build(name, image_size=64, num_labels=14, weights=None, classifier_activation=None, **options):
    """Build a model.

    Args:
        name: one of :func:`list_models`.
        image_size: side of the image in pixels.
        num_labels: number of labels, at least 1.
        weights: None for initial weights, ``"pretrained"`` for weights shipped with the package,
            the path of a ``.weights.h5`` or ``.keras`` file, or the folder of a run. If they were
            trained on another number of labels, the head keeps its initial weights, and a warning
            says so.
        classifier_activation: None for logits or ``"sigmoid"`` for probabilities.
        options: other arguments of the class of the model.

    Returns:
        A built ``keras.Model`` that maps images (batch, image_size, image_size, 1) float32 in
        [0, 1] to (batch, num_labels); see ``xraylab.models.base.ImageModel``.

    Raises:
        FileNotFoundError: if there is no such weight file.
        ValueError: for an unknown name, invalid arguments or weights of another model.

    Example::

        model = models.build("dbct", image_size=64, num_labels=14)
        model.compile("adamw", losses.BinaryCrossentropy(), metrics=[metrics.MacroAUC()])
        model.fit(images, labels)
    """
    architecture = spec(name).architecture()
    _require_options(name, architecture, options)
    model = architecture(
        image_size=image_size,
        num_labels=num_labels,
        classifier_activation=classifier_activation,
        name=name,
        **{**spec(name).options, **options},
    )
    model.build((None, model.image_size, model.image_size, 1))
    if weights is not None:
        from xraylab.models.weights import load_for_model

        load_for_model(model, weights)
    return model


def build_gmml(name="lt_vit_toy", image_size=64, **options):
    """Build the masked pre-training model of an LT-ViT.

    Args:
        name: one of ``list_models("lt_vit_*")``, whose encoder is trained.
        image_size: side of the image in pixels.
        options: other arguments of ``xraylab.models.gmml.GMML``.

    Returns:
        A built ``GMML``, which maps corrupted images to reconstructions;
        ``xraylab.models.gmml.load_encoder`` transfers its encoder to an LT-ViT.

    Raises:
        ValueError: for an unknown name, a model that is no LT-ViT, or invalid arguments.
    """
    if spec(name).builder != "lt_vit:LTViT":
        raise ValueError(
            f"GMML trains the encoder of an LT-ViT. Expected: one of "
            f"{', '.join(list_models('lt_vit_*'))}. Received: {name!r}"
        )
    gmml = importlib.import_module("xraylab.models.gmml")
    encoder = {k: v for k, v in spec(name).options.items() if k in gmml.ENCODER_ARGUMENTS}
    image_size = require_int("image_size", image_size, 1)
    model = gmml.GMML(image_size=image_size, name=f"gmml_{name}", **{**encoder, **options})
    model.build((None, image_size, image_size, 1))
    return model


_OTHER_NAMES = {"num_classes": "num_labels", "classes": "num_labels", "input_shape": "image_size"}
"""What Keras and timm call arguments of :func:`build`."""


def _require_options(name, architecture, options):
    """Raise a ValueError for arguments that an architecture does not have."""
    from xraylab.layers.base import constructor_arguments

    general = ("image_size", "num_labels", "classifier_activation")
    known = sorted(set(constructor_arguments(architecture)) - set(general))
    for option in options:
        if option in (*known, "dtype", "trainable"):
            continue
        other = _OTHER_NAMES.get(option)
        hint = f"Did you mean {other!r}?" if other else did_you_mean(option, [*known, *general])
        raise ValueError(
            f"{name} has no argument {option!r}. {f'{hint} ' if hint else ''}"
            f"Options: {', '.join(known) or 'none'}"
        )
