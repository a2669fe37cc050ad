"""Public PyTorch weights of MedViT (first version)."""

from typing import Any

from xraylab.models.convert.state_dict import Source, StateDict, require_labels, require_model
from xraylab.models.medvit import ECB, MedViT


def load_medvit(model: MedViT, source: Source, head: bool = True) -> MedViT:
    """Load a state dict of the public code into a MedViT; all of it, or nothing.

    Args:
        model: a built :class:`xraylab.models.medvit.MedViT` of the same widths and depths.
        source: as for :class:`xraylab.models.convert.state_dict.StateDict`.
        head: whether to load the last layer. Pass False for weights of other labels, such as the
            1000 classes of ImageNet: the model keeps its own head.

    Returns:
        The model.

    Raises:
        ValueError: if the model is no MedViT, a name is missing or unused, or a shape differs; the
            model is unchanged.
    """
    require_model(model, MedViT)
    state = StateDict(source)
    for i, layer in enumerate(model.stem):
        state.conv_norm(f"stem.{i}.conv", f"stem.{i}.norm", layer)
    for i, block in enumerate(model.blocks):
        load_block = ecb if isinstance(block, ECB) else ltb
        load_block(state, f"features.{i}", block)
    state.norm("norm", model.norm)
    if head:
        require_labels(model, len(state.take("proj_head.0.weight")))
        state.linear("proj_head.0", model.head)
    state.assign(ignore=() if head else ("proj_head.",))
    return model


def ecb(state: StateDict, prefix: str, block: Any) -> None:
    """Assign an ECB."""
    patch_embedding(state, f"{prefix}.patch_embed", block.patch_embedding)
    mhca(state, f"{prefix}.mhca", block.mhca)
    state.norm(f"{prefix}.norm", block.norm)
    lffn(state, f"{prefix}.conv.conv", block.lffn)


def ltb(state: StateDict, prefix: str, block: Any) -> None:
    """Assign an LTB."""
    patch_embedding(state, f"{prefix}.patch_embed", block.patch_embedding)
    state.norm(f"{prefix}.norm1", block.attention_norm)
    emhsa(state, f"{prefix}.e_mhsa", block.attention)
    patch_embedding(state, f"{prefix}.projection", block.projection)
    mhca(state, f"{prefix}.mhca", block.mhca)
    state.norm(f"{prefix}.norm2", block.norm)
    lffn(state, f"{prefix}.conv.conv", block.lffn)


def patch_embedding(state: StateDict, prefix: str, layer: Any) -> None:
    """Assign a patch embedding, which has weights only if it changes the shape."""
    if layer.projection is not None:
        state.conv_norm(f"{prefix}.conv", f"{prefix}.norm", layer.projection)


def mhca(state: StateDict, prefix: str, layer: Any) -> None:
    """Assign an MHCA."""
    state.convolution(f"{prefix}.group_conv3x3", layer.mix)
    state.norm(f"{prefix}.norm", layer.norm)
    state.convolution(f"{prefix}.projection", layer.projection)


def emhsa(state: StateDict, prefix: str, layer: Any) -> None:
    """Assign an E-MHSA."""
    for name in ("query", "key", "value", "projection"):
        theirs = "proj" if name == "projection" else name[0]
        state.linear(f"{prefix}.{theirs}", getattr(layer.attention, name))
    if layer.norm is not None:
        state.norm(f"{prefix}.norm", layer.norm)


def lffn(state: StateDict, prefix: str, layer: Any) -> None:
    """Assign an LFFN; 2 and 5 are activations, which have no weights."""
    state.conv_norm(f"{prefix}.0", f"{prefix}.1", layer.widen)
    state.conv_norm(f"{prefix}.3", f"{prefix}.4", layer.depthwise)
    state.linear(f"{prefix}.6.fc.0", layer.squeeze_excite.reduce)
    state.linear(f"{prefix}.6.fc.2", layer.squeeze_excite.expand)
    state.conv_norm(f"{prefix}.7", f"{prefix}.8", layer.narrow)
