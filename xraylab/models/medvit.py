"""MedViT, a hybrid of convolution and attention (``manzari2023``, public code, first version).

A convolutional stem, then four stages at a quarter to a thirty-second of the image's side. A stage
is rounds of efficient convolution blocks (ECB), each round closed by one local transformer block
(LTB). The blocks stand in :mod:`xraylab.models.medvit_blocks`.
"""

from itertools import count

import keras
import numpy as np
from keras import ops

from xraylab.layers import ConvNorm, batch_norm, first_weights
from xraylab.models.arguments import require_each, require_whole
from xraylab.models.base import ImageModel
from xraylab.models.medvit_blocks import ECB, LTB
from xraylab.models.medvit_parts import STDDEV


@keras.saving.register_keras_serializable("xraylab")
class MedViT(ImageModel):
    """MedViT; the defaults are the large one.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1]; the grey channel is repeated
        to the three that the stem takes.
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``attention``, a dict of the maps of the LTBs by block,
        (batch, heads, tokens, tokens // sr_ratio²); and ``features``, the normalised last map
        (batch, ceil(image_size / 32), ceil(image_size / 32), channels), whose mean the head takes.

    Args:
        image_size: side of the image in pixels: any in which each stage has a whole key, so 25 or
            more for the published ratios. In 32 px and less there is only one key, which makes
            attention a mean.
        num_labels: number of labels, at least 1.
        stem_widths: channels of the first three convolutions of the stem; the fourth repeats the
            third.
        ecb_widths: channels of the ECBs, stage by stage.
        ltb_widths: channels of the LTBs, stage by stage; 0 where a stage has none.
        ecb_counts: ECBs in a round, stage by stage.
        rounds: rounds, stage by stage.
        sr_ratios: square root of the tokens in a key, stage by stage.
        head_dim: channels a head.
        mix_ratio: share of an LTB's channels that attention makes.
        drop_path: rate of stochastic depth in the last block; it rises linearly from 0.

    Raises:
        ValueError: if an argument is out of range.

    Source: ``manzari2023``; its public code where the two differ.
    """

    def __init__(
        self,
        image_size=64,
        num_labels=14,
        stem_widths=(64, 32, 64),
        ecb_widths=(96, 192, 384, 768),
        ltb_widths=(0, 256, 512, 1024),
        ecb_counts=(3, 3, 4, 2),
        rounds=(1, 1, 6, 1),
        sr_ratios=(8, 4, 2, 1),
        head_dim=32,
        mix_ratio=0.75,
        drop_path=0.2,
        **kwargs,
    ):
        super().__init__(image_size, num_labels, **kwargs)
        self.stages = {
            "ecb_widths": tuple(ecb_widths),
            "ltb_widths": tuple(ltb_widths),
            "ecb_counts": tuple(ecb_counts),
            "rounds": tuple(rounds),
            "sr_ratios": tuple(sr_ratios),
        }
        self.stem_widths = tuple(stem_widths)
        self.head_dim, self.mix_ratio = head_dim, mix_ratio
        self.drop_path = drop_path
        self._check_arguments()
        policy = {"dtype": self.dtype_policy}

        self.stem = [
            ConvNorm(
                filters,
                3,
                strides,
                activation="relu",
                stddev=STDDEV,
                name=f"stem_{i}",
                **policy,
            )
            for i, (filters, strides) in enumerate(
                zip((*self.stem_widths, self.stem_widths[-1]), (2, 1, 1, 2), strict=True)
            )
        ]
        plan = self._plan()
        rates = np.linspace(0, drop_path, len(plan)).tolist()
        self.blocks = [
            kind(
                head_dim=head_dim,
                drop_path=rate,
                name=f"block_{i}",
                **options,
                **policy,
            )
            for i, ((kind, options), rate) in enumerate(zip(plan, rates, strict=True))
        ]
        self.norm = batch_norm("norm", dtype=self.dtype_policy)
        # Logits stay in float32 under mixed precision, so that the loss does.
        self.head = keras.layers.Dense(
            num_labels, kernel_initializer=first_weights(STDDEV), dtype="float32", name="head"
        )

    def _plan(self):
        """Return class and arguments of every block, in order."""
        plan = []
        for stage, (ecb, ltb, ecb_count, rounds, sr_ratio) in enumerate(
            zip(*self.stages.values(), strict=True)
        ):
            one_round = [(ECB, {"filters": ecb})] * ecb_count
            if ltb:
                ltb_options = {"filters": ltb, "sr_ratio": sr_ratio, "mix_ratio": self.mix_ratio}
                one_round = [*one_round, (LTB, ltb_options)]
            for place, (kind, options) in enumerate(one_round * rounds):
                strides = 2 if stage > 0 and place == 0 else 1
                plan.append((kind, options | {"strides": strides}))
        return plan

    def _check_arguments(self):
        """Refuse stages of different number, and images too small for one key in each stage."""
        lengths = {name: len(values) for name, values in self.stages.items()}
        if len(set(lengths.values())) > 1 or not self.stages["rounds"]:
            raise ValueError(f"each needs one value a stage, and the same number; {lengths} came")
        if len(self.stem_widths) != 3:
            raise ValueError(f"stem_widths must be three numbers; {self.stem_widths} came")
        require_whole(1, head_dim=self.head_dim)
        require_each(1, stem_widths=self.stem_widths, sr_ratios=self.stages["sr_ratios"])
        for name in ("ecb_widths", "ltb_widths"):
            for width in self.stages[name]:
                if width % self.head_dim:
                    raise ValueError(
                        f"{name} must be multiples of head_dim={self.head_dim}; {width} came"
                    )
        needed = [
            sr_ratio if ltb else 1
            for ltb, sr_ratio in zip(
                self.stages["ltb_widths"], self.stages["sr_ratios"], strict=True
            )
        ]
        least = next(
            size
            for size in count(1)
            if all(-(-size // 2 ** (s + 2)) >= side for s, side in enumerate(needed))
        )
        self.require_image_size(least=least, reason="each stage needs the tokens of one key")

    def build(self, input_shape):
        """Build stem, blocks and head."""
        shape = (None, self.image_size, self.image_size, 3)
        for layer in (*self.stem, *self.blocks):
            layer.build(shape)
            side = -(-shape[1] // layer.strides)
            shape = (None, side, side, layer.filters)
        self.norm.build(shape)
        self.head.build((None, shape[-1]))

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the logits."""
        x = ops.repeat(images, 3, axis=-1)  # (batch, image_size, image_size, 3)
        for layer in self.stem:
            x = layer(x, training=training)  # (batch, image_size / 4, image_size / 4, width)

        attention = {}
        for block in self.blocks:
            if return_intermediates and isinstance(block, LTB):
                x, attention[block.name] = block(x, training=training, return_attention=True)
            else:
                x = block(x, training=training)

        features = self.norm(x, training=training)  # (batch, image_size / 32, …, channels)
        out = {"logits": self.classify(features, training)}
        if return_intermediates:
            out |= {"attention": attention, "features": features}
        return out

    def classify(self, features, training=None):
        """Compute the logits from the last feature map."""
        return self.head(ops.mean(features, axis=(1, 2)))  # (batch, num_labels)

    def get_config(self):
        """Return the arguments that make an equal model."""
        return {
            **super().get_config(),
            **self.stages,
            "stem_widths": self.stem_widths,
            "head_dim": self.head_dim,
            "mix_ratio": self.mix_ratio,
            "drop_path": self.drop_path,
        }
