"""Weights of timm's public EfficientViT-M models, for :class:`EfficientViT`."""

from xraylab.models.convert.state_dict import Source, load_state_dict, require_model
from xraylab.models.efficientvit import EfficientViT

RULES = (
    (r"/convolution/", "/conv/"),
    (r"/norm/", "/bn/"),
    (r"^stem_(\d+)", lambda match: f"patch_embed/conv{int(match[1]) + 1}"),
    (r"^downsampling_(\d+)", r"stages/\1/downsample"),
    (r"downsample/convolution_before", "downsample/res1/0/m"),
    (r"downsample/feed_forward_before", "downsample/res1/1/m"),
    (r"downsample/widen", "downsample/patchmerge/conv1"),
    (r"downsample/halve", "downsample/patchmerge/conv2"),
    (r"downsample/squeeze_excite/reduce", "downsample/patchmerge/se/fc1"),
    (r"downsample/squeeze_excite/expand", "downsample/patchmerge/se/fc2"),
    (r"downsample/narrow", "downsample/patchmerge/conv3"),
    (r"downsample/convolution_after", "downsample/res2/0/m"),
    (r"downsample/feed_forward_after", "downsample/res2/1/m"),
    (r"^stage_(\d+)_block_(\d+)", r"stages/\1/blocks/\2"),
    (r"convolution_before", "dw0/m"),
    (r"feed_forward_before", "ffn0/m"),
    (r"attention/projection_(\d+)", r"mixer/m/attn/qkvs/\1"),
    (r"attention/query_convolution_(\d+)", r"mixer/m/attn/dws/\1"),
    (r"attention/join", "mixer/m/attn/proj/1"),
    (r"attention/attention_bias", "mixer/m/attn/attention_biases"),
    (r"convolution_after", "dw1/m"),
    (r"feed_forward_after", "ffn1/m"),
    (r"/widen/", "/pw1/"),
    (r"/narrow/", "/pw2/"),
)
"""The names of our layers and their names in timm."""


def load_timm(model: EfficientViT, source: Source, head: bool = True) -> EfficientViT:
    """Load the weights of a timm model ``efficientvit_m0`` … ``efficientvit_m5``.

    The public weights were trained on colour photographs, standardised per channel (``timm.data``);
    the first convolution here reads the image in [0, 1] instead. MXA blocks are unchanged.

    Args:
        model: a built EfficientViT of the same widths, depths, heads and window sizes.
        source: timm's state dict, or the path of a ``.safetensors`` or ``.npz`` file of it.
        head: whether to load the classifier, which requires ``distillation=False``. Public weights
            have 1000 classes: pass False.

    Returns:
        The model.

    Raises:
        ValueError: if the weights are those of another model; the model is unchanged.
    """
    require_model(model, EfficientViT)
    load_state_dict(model, source, RULES, head=None if head else "head.", keep="/mxa/")
    return model
