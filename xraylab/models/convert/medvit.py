"""Public PyTorch weights of MedViT (first version)."""

from xraylab.models.convert.state_dict import Source, load_state_dict, require_model
from xraylab.models.medvit import LTB, MedViT

RULES = (
    (r"^head", "proj_head/0"),
    (r"^stem_(\d+)/convolution", r"stem/\1/conv"),
    (r"^stem_(\d+)", r"stem/\1"),
    (r"^block_(\d+)", r"features/\1"),
    (r"patch_embedding/projection/convolution", "patch_embed/conv"),
    (r"patch_embedding/projection", "patch_embed"),
    (r"projection/projection/convolution", "projection/conv"),
    (r"projection/projection", "projection"),
    (r"mhca/mix", "mhca/group_conv3x3"),
    (r"attention/attention/(q|k|v)(uery|ey|alue)", r"e_mhsa/\1"),
    (r"attention/attention/projection", "e_mhsa/proj"),
    (r"attention/norm", "e_mhsa/norm"),
    (r"attention_norm", "norm1"),
    (r"lffn/widen/convolution", "conv/conv/0"),
    (r"lffn/widen/norm", "conv/conv/1"),
    (r"lffn/depthwise/convolution", "conv/conv/3"),
    (r"lffn/depthwise/norm", "conv/conv/4"),
    (r"lffn/squeeze_excite/reduce", "conv/conv/6/fc/0"),
    (r"lffn/squeeze_excite/expand", "conv/conv/6/fc/2"),
    (r"lffn/narrow/convolution", "conv/conv/7"),
    (r"lffn/narrow/norm", "conv/conv/8"),
)
"""The names of our layers and their names in the public code."""


def load_medvit(model: MedViT, source: Source, head: bool = True) -> MedViT:
    """Load a state dict of the public code into a MedViT; all of it, or nothing.

    Args:
        model: a built :class:`xraylab.models.medvit.MedViT` of the same widths and depths.
        source: the state dict, or the path of a ``.safetensors`` or ``.npz`` file of it.
        head: whether to load the last layer. Pass False for weights of other labels, such as the
            1000 classes of ImageNet: the model keeps its own head.

    Returns:
        The model.

    Raises:
        ValueError: if the model is no MedViT, a name is missing or unused, or a shape differs; the
            model is unchanged.
    """
    require_model(model, MedViT)
    ltbs = [i for i, block in enumerate(model.blocks) if isinstance(block, LTB)]
    second_norms = [(f"^features/{i}/norm/", f"features/{i}/norm2/") for i in ltbs]
    rules = (*RULES, *second_norms)
    load_state_dict(model, source, rules, head=None if head else "proj_head.")
    return model
