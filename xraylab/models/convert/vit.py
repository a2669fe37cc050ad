"""Weights of timm's ViT and DeiT models, for :class:`ViT` and :class:`LTViT`."""

import math
from collections.abc import Sequence

import numpy as np

from xraylab.models.convert.state_dict import Source, load_state_dict, read_arrays, require_model
from xraylab.models.lt_vit import LTViT
from xraylab.models.vit import ViT

RULES = (
    (r"^block_(\d+)", r"blocks/\1"),
    (r"attention_norm", "norm1"),
    (r"mlp_norm", "norm2"),
    (r"/attention/projection", "/attn/proj"),
    (r"/attention/", "/attn/"),
    (r"mlp/widen", "mlp/fc1"),
    (r"mlp/narrow", "mlp/fc2"),
    (r"^patch_embedding", "patch_embed/proj"),
    (r"^class_token/tokens", "cls_token"),
    (r"^positions/table", "pos_embed"),
)
"""The names of our layers and their names in timm."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_vit(
    model: ViT | LTViT,
    source: Source,
    head: bool = True,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
) -> ViT | LTViT:
    """Load the weights of a timm model ``deit_*_patch16_*`` or ``vit_*_patch16_*``.

    The weights read colour images, standardised by channel. A grey image has three equal channels,
    so that channels and standardisation become part of the patch embedding, exactly. Where the grid
    of patches differs, positions are interpolated (``dosovitskiy2021``, Sect. 3.2); where the side
    of a patch differs, a patch is read as if it were enlarged to the weights' size, both bilinear.

    Args:
        model: a built ViT or LT-ViT of the same width, depth, heads and MLPs. An LT-ViT keeps its
            own label tokens and head, and has no [CLS]; an RR-ViT keeps its own decoder.
        source: timm's state dict, or the path of a ``.safetensors`` or ``.npz`` file of it. Models
            with a distillation token are not supported.
        head: whether to load the last layer of a ViT. Public weights have 1000 classes: pass False.
        mean, std: of the standardisation by channel that the weights expect; timm's data
            configuration has them. ImageNet's for DeiT; 0.5 for its ``augreg`` ViTs.

    Returns:
        The model.

    Raises:
        ValueError: if the weights are those of another model; the model is unchanged.
    """
    require_model(model, (ViT, LTViT))
    arrays = {}
    for name, array in read_arrays(source).items():
        array = np.asarray(array)
        if ".attn.qkv." in name:
            parts = zip(("query", "key", "value"), np.split(array, 3), strict=True)
            arrays |= {name.replace("qkv", part): values for part, values in parts}
        else:
            arrays[name] = array
    kernel, bias = arrays.get("patch_embed.proj.weight"), arrays.get("patch_embed.proj.bias")
    if kernel is not None and bias is not None:
        scaled = kernel / np.reshape(std, (-1, 1, 1))  # (embed_dim, 3, side, side)
        arrays["patch_embed.proj.bias"] = bias - np.einsum("dcyx,c->d", scaled, mean)
        enlarge = _interpolation(model.patch_size, kernel.shape[-1])
        kernel = np.einsum("dcyx,yi,xj->dij", scaled, enlarge, enlarge)
        arrays["patch_embed.proj.weight"] = kernel.reshape(len(kernel), -1)
    if "pos_embed" in arrays:
        arrays["pos_embed"] = _positions(arrays["pos_embed"], model)
    labels = isinstance(model, LTViT)
    if labels:
        arrays.pop("cls_token", None)
    own = "head." if labels or not head else None
    load_state_dict(model, arrays, RULES, head=own, keep="^(label_tokens|decoder)/")
    return model


def _positions(table, model):
    """Interpolate position embeddings to the grid of a model; LT-ViT has none for [CLS]."""
    side = math.isqrt(table.shape[1] - 1)
    if side**2 != table.shape[1] - 1:
        raise ValueError(
            "These position embeddings are of another model. Expected: [CLS] and a square grid. "
            f"Received: {table.shape[1]} positions"
        )
    matrix = _interpolation(side, model.image_size // model.patch_size)
    grid = table[:, 1:].reshape(1, side, side, -1)
    grid = np.einsum("ia,jb,nabd->nijd", matrix, matrix, grid).reshape(1, len(matrix) ** 2, -1)
    return grid if isinstance(model, LTViT) else np.concatenate([table[:, :1], grid], axis=1)


def _interpolation(size, new_size):
    """Return the matrix (new_size, size) of linear interpolation between the centres of cells."""
    at = (np.arange(new_size) + 0.5) * size / new_size - 0.5
    return np.array([np.interp(at, np.arange(size), row) for row in np.eye(size)]).T
