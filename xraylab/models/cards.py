"""The table of models: one row each, read without importing Keras.

To add an architecture, write its file and add its rows here. A row names the class by its module,
so that listing the models costs nothing and a back end is loaded only when a model is built.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ModelCard:
    """What the registry knows of a model.

    Attributes:
        name: the name that :func:`build` takes.
        builder: ``module:class`` of the Keras model.
        source: bibliography key of the source.
        summary: one line on what it is.
        reconstructed: what the source leaves open and we had to choose.
        source_sizes: sizes in pixels at which the source reports this model; empty where it
            gives none.
        options: arguments in which this model differs from the class's defaults.
    """

    name: str
    builder: str
    source: str
    summary: str
    reconstructed: str = ""
    source_sizes: tuple[int, ...] = (64, 128, 224)
    options: dict = field(default_factory=dict)


_CNN = {
    "reconstructed": "momentum of the batch normalisation; the source names keras.applications",
}
_RESNET = {"builder": "xraylab.models.resnet:ResNet", "source": "he2016", **_CNN}
_DENSENET = {"builder": "xraylab.models.densenet:DenseNet", "source": "huang2017", **_CNN}
_EFFICIENTNET = {"builder": "xraylab.models.efficientnet:EfficientNet", "source": "tan2019", **_CNN}

_MEDVIT = {
    "builder": "xraylab.models.medvit:MedViT",
    "source": "manzari2023",
    "reconstructed": "nothing of the architecture (public code, first version)",
    "source_sizes": (224,),
}

_DBCT = {
    "builder": "xraylab.models.dbct:DBCT",
    "source": "pham2026",
    "reconstructed": (
        "fixed positions, width, depth, heads, MLP, convolutions, norms and patch size (together "
        "they give the reported counts, which others would too); one-dimensional sines, "
        "grey centred, activations, ε, first weights; the residual of the cross-attention, which "
        "the equation lacks; α, γ of the loss"
    ),
}

_RR_VIT = {
    "builder": "xraylab.models.rr_vit:RRViT",
    "source": "pham2026",
    "reconstructed": "width and patch size (from the counts), dropout, λ, first weights, ε",
}

_HYBRID_RR_VIT = {
    "builder": "xraylab.models.hybrid_rr_vit:HybridRRViT",
    "source": "pham2026",
    "reconstructed": (
        "widths of the stem, of a token and of the MLP (from the counts); the stem's strides, "
        "activation, momentum and ε; dropout, λ, first weights"
    ),
    "source_sizes": (64, 128),
}

_LT_VIT = {
    "builder": "xraylab.models.lt_vit:LTViT",
    "source": "marikkar2023",
    "reconstructed": "the whole backbone (width, heads, patch size and MLP are our choice: DeiT's "
    "and ViT's); N1 = 8, from N2 = 4 of 12 blocks; no [CLS]; each label's output has weights and "
    "a bias of its own; first weights, ε",
    "source_sizes": (),
}

_EFFICIENTVIT = {
    # name: channels, blocks and heads of the three stages; sides of the heads' convolutions.
    "m0": ((64, 128, 192), (1, 2, 3), (4, 4, 4), (5, 5, 5, 5)),
    "m1": ((128, 144, 192), (1, 2, 3), (2, 3, 3), (7, 5, 3, 3)),
    "m2": ((128, 192, 224), (1, 2, 3), (4, 3, 2), (7, 5, 3, 3)),
    "m3": ((128, 240, 320), (1, 2, 3), (4, 3, 4), (5, 5, 5, 5)),
    "m4": ((128, 256, 384), (1, 2, 3), (4, 4, 4), (7, 5, 3, 3)),
    "m5": ((192, 288, 384), (1, 3, 4), (3, 3, 4), (7, 5, 3, 3)),
    "toy": ((16, 24, 32), (1, 1, 1), (2, 2, 2), (5, 3)),
}


def _efficientvit_cards():
    """Return the rows of EfficientViT, without and with MXA."""
    cards = []
    for size, (embed_dims, depths, num_heads, kernel_sizes) in _EFFICIENTVIT.items():
        options = {
            "embed_dims": embed_dims,
            "depths": depths,
            "num_heads": num_heads,
            "kernel_sizes": kernel_sizes,
        }
        about = f"EfficientViT-{size.upper()}"
        if size == "toy":
            options["patch_size"] = 4
            about = "the same code, one narrow block a stage, for tests and laptops"
        cards += [
            ModelCard(
                f"efficientvit_{size}",
                builder="xraylab.models.efficientvit:EfficientViT",
                source="liu2023",
                summary=f"{about}: attention in windows, head after head",
                reconstructed="first weights of the convolutions (Keras's own)",
                source_sizes=(224,),
                options=options,
            ),
            ModelCard(
                "efficientvit_mxa_toy" if size == "toy" else f"efficientvit_{size}_mxa",
                builder="xraylab.models.mxa:EfficientViTMXA",
                source="rand2025",
                summary=f"{about}, and beside each a box and two gates",
                reconstructed=(
                    "kernel sizes, widths and place of the box head and the gates (from the "
                    "authors' code), how four numbers make a box, its first and least side, "
                    "arrangement='authors' for the code as published, first weights"
                ),
                source_sizes=(224,),
                options=options | ({"reduction": 4} if size == "toy" else {}),
            ),
        ]
    return sorted(cards, key=lambda card: card.builder)  # first those without MXA


CARDS = {
    card.name: card
    for card in (
        ModelCard(
            "resnet50",
            summary="residual network of 50 layers, head of pham2026",
            **_RESNET,
        ),
        ModelCard(
            "resnet50_toy",
            summary="the same code, one or two narrow blocks a stage, for tests and laptops",
            options={"depths": (1, 1, 2, 1), "widths": (8, 16, 24, 32), "stem_width": 16},
            **_RESNET,
        ),
        ModelCard(
            "densenet121",
            summary="densely connected network of 121 layers, head of pham2026",
            **_DENSENET,
        ),
        ModelCard(
            "densenet121_toy",
            summary="the same code, three blocks of a few layers, for tests and laptops",
            options={"depths": (3, 4, 3), "growth_rate": 12, "stem_width": 24},
            **_DENSENET,
        ),
        ModelCard(
            "efficientnet_b0",
            summary="inverted bottlenecks with squeeze and excitation, head of pham2026",
            **_EFFICIENTNET,
        ),
        ModelCard(
            "efficientnet_b0_toy",
            summary="the same code, six narrow blocks, for tests and laptops",
            options={
                "stages": (
                    (16, 1, 1, 3, 1),
                    (24, 2, 2, 3, 4),
                    (32, 1, 2, 5, 4),
                    (48, 2, 2, 3, 4),
                ),
                "stem_width": 16,
                "top_width": 192,
            },
            **_EFFICIENTNET,
        ),
        ModelCard(
            "medvit_small",
            summary="convolution and attention by turns, 20 blocks",
            options={"rounds": (1, 1, 2, 1), "drop_path": 0.1},
            **_MEDVIT,
        ),
        ModelCard(
            "medvit_base",
            summary="the same with 30 blocks",
            options={"rounds": (1, 1, 4, 1)},
            **_MEDVIT,
        ),
        ModelCard("medvit_large", summary="the same with 40 blocks", **_MEDVIT),
        ModelCard(
            "medvit_toy",
            summary="the same code, 9 narrow blocks, for tests and laptops",
            options={
                "stem_widths": (16, 16, 32),
                "ecb_widths": (32, 32, 48, 48),
                "ltb_widths": (0, 64, 64, 80),
                "ecb_counts": (1, 1, 1, 1),
                "rounds": (1, 1, 2, 1),
                "head_dim": 16,
                "drop_path": 0.0,
            },
            **_MEDVIT,
        ),
        ModelCard(
            "dbct",
            summary="transformer whose patches read from a small convolutional branch",
            **_DBCT,
        ),
        ModelCard(
            "dbct_toy",
            summary="the same code, two blocks of width 64, for tests and laptops",
            options={"embed_dim": 64, "depth": 2, "num_heads": 4, "local_channels": (8, 16)},
            **_DBCT,
        ),
        ModelCard(
            "rr_vit",
            summary="vision transformer without MLPs that also rebuilds the image",
            **_RR_VIT,
        ),
        ModelCard(
            "rr_vit_toy",
            summary="the same code, two blocks of width 32, for tests and laptops",
            options={"embed_dim": 32, "depth": 2, "num_heads": 2},
            **_RR_VIT,
        ),
        ModelCard(
            "hybrid_rr_vit",
            summary="convolutional stem, full transformer on 4x4-pixel tokens, rebuilds the image",
            **_HYBRID_RR_VIT,
        ),
        ModelCard(
            "hybrid_rr_vit_toy",
            summary="the same code, two blocks of width 64, for tests and laptops",
            options={"stem_filters": (8, 16), "embed_dim": 64, "depth": 2, "num_heads": 2},
            **_HYBRID_RR_VIT,
        ),
        *_efficientvit_cards(),
        ModelCard(
            "lt_vit_tiny",
            summary="vision transformer of width 192 whose last 4 of 12 blocks carry label tokens",
            options={"embed_dim": 192, "num_heads": 3},
            **_LT_VIT,
        ),
        ModelCard(
            "lt_vit_small",
            summary="the same of width 384",
            options={"embed_dim": 384, "num_heads": 6},
            **_LT_VIT,
        ),
        ModelCard(
            "lt_vit_base",
            summary="the same of width 768",
            options={"embed_dim": 768, "num_heads": 12},
            **_LT_VIT,
        ),
        ModelCard(
            "lt_vit_toy",
            summary="the same code, 6 blocks of width 48, for tests and laptops",
            options={"embed_dim": 48, "depth": 6, "num_heads": 3, "num_label_blocks": 2},
            **_LT_VIT,
        ),
    )
}
"""The rows by name, family after family in the order of the book."""
