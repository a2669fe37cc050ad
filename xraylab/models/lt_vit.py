"""LT-ViT, the vision transformer with one token per label (``marikkar2023``).

A plain vision transformer processes the image. In its last blocks, one token per label attends to
the patches and to the other label tokens, with the weights of the block. Patches never attend to
label tokens: the image tokens are those of the transformer without labels. Two other arrangements,
of C-Tran (``lanchantin2021``) and of Query2Label (``liu2021``), are options for comparison.
"""

import keras
from keras import ops

from xraylab.arguments import require_choice, require_int
from xraylab.layers.attention import Transform
from xraylab.layers.base import Layer, Shape, Tensor, build_chain
from xraylab.layers.tokens import LearnedPositions, LearnedTokens, patchify
from xraylab.layers.transformer import TransformerBlock, layer_norm, recorder
from xraylab.models.base import ImageModel
from xraylab.models.vit import default_patch_size


class LTViTBlock(TransformerBlock):
    """A transformer block that label tokens pass after the image tokens.

    Called on image tokens alone, it is the standard block. Called on label tokens and the image
    tokens they attend to, it applies the same weights. Two calls leave every bit of the image
    tokens unchanged; a joint attention with a mask would agree to rounding only.

    Shapes:
        tokens: image tokens (batch, num_patches, embed_dim), or label tokens
        (batch, num_labels, embed_dim); returned in the same shape.
        context: the sequences that the tokens attend to, each (batch, num_tokens, embed_dim), as
        they *enter* this block; by default the tokens themselves.
        attention: (batch, heads, num_tokens, number of tokens in the context), the columns in the
        order of the context.

    References: Marikkar et al. 2023 (``marikkar2023``), Eq. 2.
    """

    def call(
        self,
        tokens: Tensor,
        context: tuple[Tensor, ...] | None = None,
        attention_transform: Transform = None,
    ) -> Tensor:
        """Return the tokens after one block."""
        if context is not None:
            context = tuple(self.attention_norm(part) for part in context)
        return super().call(tokens, context, attention_transform)


class PerLabelHead(Layer):
    """Map each label's token to that label's logit, with separate weights and bias per label.

    Shapes:
        labels: (batch, num_labels, embed_dim); returns (batch, num_labels).
    """

    def build(self, input_shape: Shape) -> None:
        """Create one weight vector and one bias per label."""
        _, num_labels, embed_dim = input_shape
        self.kernel = self.add_weight(name="kernel", shape=(embed_dim, num_labels))
        self.bias = self.add_weight(name="bias", shape=(num_labels,), initializer="zeros")

    def call(self, labels: Tensor) -> Tensor:
        """Compute the logits."""
        return ops.einsum("bkd,dk->bk", labels, self.kernel) + self.bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the logits."""
        return input_shape[:2]


class LTViT(ImageModel):
    """Vision transformer with one token per label in its last blocks.

    Image tokens attend to image tokens only; label tokens attend to image tokens and to label
    tokens. Label tokens therefore have no influence on image tokens: the derivative is zero, and
    the image tokens are bit for bit those of the transformer without labels. The loss still trains
    the whole network through what the label tokens read. This is how we understand the source's
    "one-way flow of information from image to label tokens": as a property of the forward pass.
    Read as a property of gradients, it would leave the backbone to another loss;
    ``stop_gradient_to_image=True`` builds that. With ``label_attention="bidirectional"`` image
    tokens depend on label tokens in the label blocks and after them.

    Label tokens replace [CLS]. For the logits, the image tokens need not pass the last label block,
    and do so only if intermediates are requested.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1].
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``attention``, a dict of the image's own maps in ``block_0`` …
        (batch, num_heads, num_patches, num_patches), in label blocks with bidirectional attention
        (batch, num_heads, num_patches, num_patches + num_labels); ``label_attention``, a dict of
        the labels' maps in the label blocks (batch, num_heads, num_labels,
        num_patches + num_labels), the image's columns first; ``label_tokens``, the last
        (batch, num_labels, embed_dim); ``image_tokens``, the last
        (batch, num_patches, embed_dim); ``features``, the image tokens that the labels attend to
        last, as a map (batch, rows, columns, embed_dim); and ``encoded``, see :meth:`encode`.

    Args:
        image_size: side of the image in pixels, a multiple of ``patch_size``.
        num_labels: number of labels, at least 1.
        patch_size: side of a patch in pixels; by default 4 below 64 px, 8 up to 128 px, 16 above.
        embed_dim: width D of a token.
        depth: number of blocks.
        num_heads: attention heads; must divide ``embed_dim``.
        mlp_ratio: width of the MLP's hidden layer in units of ``embed_dim``.
        num_label_blocks: N2, number of blocks with label tokens.
        first_label_block: N1, number of blocks before them; by default
            ``depth - num_label_blocks``. If less, the blocks after them train by another loss only.
        label_attention: ``"one_way"``: label tokens attend to the image tokens that enter the same
            block. ``"bidirectional"``: image tokens also attend to label tokens, in one joint
            attention (``lanchantin2021``). ``"late"``: in every label block, label tokens attend to
            the image tokens after the last block (``liu2021``). The weights are the same in number;
            the backbone is that of LT-ViT, not of C-Tran or Query2Label.
        label_self_attention: whether label tokens also attend to label tokens.
        stop_gradient_to_image: if true, no gradient flows from label tokens into image tokens;
            the blocks before the label blocks then train by another loss only.

    Raises:
        ValueError: if an argument is invalid.

    References: Marikkar et al. 2023 (``marikkar2023``); backbone sizes ``dosovitskiy2021`` and
        ``touvron2021``.
    """

    transforms_attention = True

    def __init__(
        self,
        image_size: int = 64,
        num_labels: int = 14,
        patch_size: int | None = None,
        embed_dim: int = 192,
        depth: int = 12,
        num_heads: int = 3,
        mlp_ratio: float = 4,
        num_label_blocks: int = 4,
        first_label_block: int | None = None,
        label_self_attention: bool = True,
        stop_gradient_to_image: bool = False,
        label_attention: str = "one_way",
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        patch_size = default_patch_size(image_size) if patch_size is None else patch_size
        self.patch_size = require_int("patch_size", patch_size, 1)
        self.depth = require_int("depth", depth, 1)
        self.require_image_size(patch_size, reason="whole patches")
        self.num_label_blocks = require_int("num_label_blocks", num_label_blocks, 1, depth)
        most = depth - num_label_blocks
        first_label_block = most if first_label_block is None else first_label_block
        self.first_label_block = require_int("first_label_block", first_label_block, 0, most)
        self.embed_dim = require_int("embed_dim", embed_dim, 1)
        self.num_heads, self.mlp_ratio = num_heads, mlp_ratio
        self.label_attention = require_choice(
            "label_attention", label_attention, ("one_way", "bidirectional", "late")
        )
        self.label_self_attention = label_self_attention
        self.stop_gradient_to_image = stop_gradient_to_image
        self.encoded_blocks = sorted({round(depth * part / 6) for part in (3, 4, 5, 6)})
        policy = self.policy

        self.patch_embedding = keras.layers.Dense(embed_dim, name="patch_embedding", **policy)
        # As large as the embedded patches of an image, whose standard deviation is 0.2 to 0.6.
        self.positions = LearnedPositions(stddev=0.3, name="positions", **policy)
        self.label_tokens = LearnedTokens(num_labels, name="label_tokens", **policy)
        self.blocks = [
            LTViTBlock(num_heads, mlp_ratio, name=f"block_{i}", **policy) for i in range(depth)
        ]
        self.norm = layer_norm("norm", **policy)
        # Logits stay in float32 under mixed precision, so that the loss does.
        self.head = PerLabelHead(dtype="float32", name="head")

    def build(self, input_shape: Shape) -> None:
        """Create the weights; they depend on ``image_size``, not on the batch."""
        num_patches = (self.image_size // self.patch_size) ** 2
        encoder = [self.patch_embedding, self.positions, *self.blocks]
        image_shape = build_chain(encoder, (None, num_patches, self.patch_size**2))
        build_chain([self.label_tokens, self.norm, self.head], image_shape)

    def forward(self, images, training, return_intermediates, attention_transform) -> dict:
        """Compute the logits: first the image tokens, then the label tokens."""
        first, end = self.first_label_block, self.first_label_block + self.num_label_blocks
        maps, label_maps = ({}, {}) if return_intermediates else (None, None)
        joint, late = self.label_attention == "bidirectional", self.label_attention == "late"
        alone = first if joint else self.depth if return_intermediates or late else end - 1
        states = [self._embed(images)]
        self._run(states, self.blocks[:alone], maps, attention_transform)
        labels = self.label_tokens(states[0])  # (batch, num_labels, embed_dim)
        for i in range(first, end):
            block, state = self.blocks[i], states[-1 if late else i]
            read = ops.stop_gradient(state) if self.stop_gradient_to_image else state
            name, former = f"{block.name}.label_attention", labels
            labels = block(
                labels,
                context=(read, labels) if self.label_self_attention else (read,),
                attention_transform=recorder(name, attention_transform, label_maps, block.name),
            )
            if joint and (return_intermediates or i < end - 1):
                self._run(states, [block], maps, attention_transform, (state, former))
        if joint and return_intermediates:
            self._run(states, self.blocks[end:], maps, attention_transform)

        out = {"logits": self.head(self.norm(labels))}  # (batch, num_labels)
        if return_intermediates:
            side = self.image_size // self.patch_size
            out |= {
                "attention": maps,
                "label_attention": label_maps,
                "label_tokens": labels,
                "image_tokens": states[-1],
                "features": ops.reshape(state, (-1, side, side, self.embed_dim)),
                "encoded": self._encoded(states),
            }
        return out

    def encode(self, images: Tensor) -> Tensor:
        """Compute the representation that pre-training decodes; label tokens take no part.

        It is the mean of the image tokens after blocks 6, 8, 10 and 12 of 12 (at other depths,
        after those nearest to one half, two thirds, five sixths and the whole), normalised as the
        label tokens are before the head (``atito2022``, in the public code).

        Shapes:
            images: (batch, image_size, image_size, 1) float32 in [0, 1].
            returns: (batch, num_patches, embed_dim).
        """
        self.check_images(images)
        states = [self._embed(images)]
        self._run(states, self.blocks)
        return self._encoded(states)

    def _embed(self, images):
        """Return the image tokens before the first block."""
        x = patchify(images, self.patch_size)  # (batch, num_patches, patch_size²)
        return self.positions(self.patch_embedding(x))  # (batch, num_patches, embed_dim)

    def _run(self, states, blocks, maps=None, attention_transform=None, context=None):
        """Append the image tokens after each block to the states, and their maps by name."""
        for block in blocks:
            transform = recorder(block.name, attention_transform, maps)
            states.append(block(states[-1], context=context, attention_transform=transform))

    def _encoded(self, states):
        """Return the normalised mean of the states after the chosen blocks."""
        return self.norm(ops.mean(ops.stack([states[i] for i in self.encoded_blocks]), axis=0))
