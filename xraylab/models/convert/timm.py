"""Weights of timm's public EfficientViT-M models, for :class:`EfficientViT`."""

from xraylab.models.convert.state_dict import Source, StateDict, require_labels, require_model
from xraylab.models.efficientvit import Downsampling, EfficientViT, EfficientViTBlock


def load_timm(model: EfficientViT, source: Source, head: bool = True) -> EfficientViT:
    """Load the weights of a timm model ``efficientvit_m0`` … ``efficientvit_m5``.

    The public weights were trained on colour photographs, standardised per channel (``timm.data``);
    the first convolution here reads the image in [0, 1] instead. MXA blocks are unchanged.

    Args:
        model: a built EfficientViT of the same widths, depths, heads and window sizes.
        source: timm's state dict, or the path of a ``.safetensors`` or ``.npz`` file of it.
        head: whether to load the classifier. Public weights have 1000 classes: pass False.

    Returns:
        The model.

    Raises:
        ValueError: if the weights are those of another model; the model is unchanged.
    """
    require_model(model, EfficientViT)
    if head and model.distillation:
        raise ValueError(
            "timm's EfficientViT has one head, this model two (distillation=True). Pass "
            "head=False, or build the model with distillation=False"
        )
    state = StateDict(source)
    for i, layer in enumerate(model.stem):
        _conv_norm(state, f"patch_embed.conv{i + 1}", layer)
    stage, block = 0, 0
    for layer in model.trunk:
        if isinstance(layer, Downsampling):
            stage, block = stage + 1, 0
            _downsampling(state, f"stages.{stage}.downsample", layer)
        elif isinstance(layer, EfficientViTBlock):
            _block(state, f"stages.{stage}.blocks.{block}", layer)
            block += 1
    if head:
        require_labels(model, len(state.take("head.linear.weight")))
        state.norm("head.bn", model.heads[0].norm)
        state.linear("head.linear", model.heads[0].linear)
    # Old files contain the table of distances, which follows from the side of a window.
    state.unused = {name for name in state.unused if not name.endswith("attention_bias_idxs")}
    state.assign(ignore=() if head else ("head.",))
    return model


def _conv_norm(state, prefix, layer):
    """Assign a convolution and its normalisation."""
    state.conv_norm(f"{prefix}.conv", f"{prefix}.bn", layer)


def _feed_forward(state, prefix, layer):
    """Assign the two 1x1 convolutions of a perceptron."""
    _conv_norm(state, f"{prefix}.pw1", layer.widen)
    _conv_norm(state, f"{prefix}.pw2", layer.narrow)


def _downsampling(state, prefix, layer):
    """Assign the layers between two stages."""
    _conv_norm(state, f"{prefix}.res1.0.m", layer.convolution_before)
    _feed_forward(state, f"{prefix}.res1.1.m", layer.feed_forward_before)
    _conv_norm(state, f"{prefix}.patchmerge.conv1", layer.widen)
    _conv_norm(state, f"{prefix}.patchmerge.conv2", layer.halve)
    _conv_norm(state, f"{prefix}.patchmerge.conv3", layer.narrow)
    state.linear(f"{prefix}.patchmerge.se.fc1", layer.squeeze_excite.reduce)
    state.linear(f"{prefix}.patchmerge.se.fc2", layer.squeeze_excite.expand)
    _conv_norm(state, f"{prefix}.res2.0.m", layer.convolution_after)
    _feed_forward(state, f"{prefix}.res2.1.m", layer.feed_forward_after)


def _block(state, prefix, layer):
    """Assign one block of a stage."""
    _conv_norm(state, f"{prefix}.dw0.m", layer.convolution_before)
    _feed_forward(state, f"{prefix}.ffn0.m", layer.feed_forward_before)
    attention, mixer = layer.attention, f"{prefix}.mixer.m.attn"
    for i, projection in enumerate(attention.projections):
        _conv_norm(state, f"{mixer}.qkvs.{i}", projection)
        _conv_norm(state, f"{mixer}.dws.{i}", attention.query_convolutions[i])
    _conv_norm(state, f"{mixer}.proj.1", attention.join)
    state.copy(f"{mixer}.attention_biases", attention.attention_bias)
    _conv_norm(state, f"{prefix}.dw1.m", layer.convolution_after)
    _feed_forward(state, f"{prefix}.ffn1.m", layer.feed_forward_after)
