"""The DenseNet-121 of TorchXRayVision (``cohen2022``), a teacher trained on real chest X-rays.

It is not in the registry: it has its own 18 outputs in its own order, and is not meant to be
trained from scratch. Its weights are public; they are read from a file, never downloaded
(:mod:`xraylab.models.convert.torchxrayvision`).
"""

import keras
import numpy as np
from keras import ops
from scipy.special import expit

from xraylab.layers.base import build_chain
from xraylab.models.base import ImageModel
from xraylab.models.cnn import run_trunk
from xraylab.models.densenet import densenet_trunk

OUTPUTS = (
    "atelectasis",
    "consolidation",
    "infiltration",
    "pneumothorax",
    "edema",
    "emphysema",
    "fibrosis",
    "effusion",
    "pneumonia",
    "pleural_thickening",
    "cardiomegaly",
    "nodule",
    "mass",
    "hernia",
    "lung_lesion",
    "fracture",
    "lung_opacity",
    "enlarged_cardiomediastinum",
)
"""The labels of the 18 outputs; which of them were trained depends on the weights."""


@keras.saving.register_keras_serializable("xraylab")
class XRVDenseNet121(ImageModel):
    """DenseNet-121 on one channel with grey levels in [-1024, 1024], 6,966,034 parameters.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1], as for all models here; the
            model scales them to (2 x - 1) * 1024.
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``maps``, the output of each layer of the trunk by name; and ``features``, the
        last of them, (batch, height, width, 1024).

    Args:
        image_size: side of the image in pixels, at least 32; the public weights expect 224.
        num_labels: number of outputs; the public weights have 18, see :data:`OUTPUTS`.

    Raises:
        ValueError: if an argument is out of range.

    References: ``cohen2022``; network ``huang2017``.
    """

    def __init__(self, image_size=224, num_labels=18, **kwargs):
        super().__init__(image_size, num_labels, **kwargs)
        self.require_image_size(minimum=32, reason="it is halved five times")
        # PyTorch's ε; keras.applications has 1.001e-5.
        self.trunk = densenet_trunk((6, 12, 24, 16), 32, 64, epsilon=1e-5, dtype=self.dtype_policy)
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")

    def build(self, input_shape=None):
        """Build the trunk, then the head."""
        shape = build_chain(self.trunk, (None, self.image_size, self.image_size, 1))
        self.head.build((None, shape[-1]))

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the logits."""
        maps = run_trunk(self.trunk, (2 * images - 1) * 1024, training)
        features = list(maps.values())[-1]
        return {"logits": self.classify(features, training), "maps": maps, "features": features}

    def classify(self, features, training=None):
        """Compute the logits from the last feature map."""
        return self.head(ops.mean(features, axis=(1, 2)))  # (batch, num_labels)


def probabilities(logits, thresholds=None):
    """Compute the outputs of TorchXRayVision's model: the sigmoid, rescaled per threshold to 1/2.

    Below its threshold t, a probability q becomes q / 2t; above it, 1 - (1 - q) / 2(1 - t).
    Outputs without a threshold (NaN), which were not trained, become 1/2.

    Shapes:
        logits: (…, num_labels). thresholds: (num_labels,) in (0, 1), or None for the sigmoid alone.
        returns: as ``logits``, in [0, 1].

    Args:
        logits: before the sigmoid.
        thresholds: operating points of the public weights.

    Raises:
        ValueError: if the number of thresholds differs from that of outputs, or one is out of
            range.

    References: ``cohen2022``.
    """
    logits = np.asarray(logits)
    q = expit(logits)
    if thresholds is None:
        return q
    t = np.asarray(thresholds, logits.dtype)
    if t.shape != logits.shape[-1:] or not ((t > 0) & (t < 1) | np.isnan(t)).all():
        raise ValueError(
            f"Invalid thresholds. Expected: {logits.shape[-1]} numbers in (0, 1), NaN where there "
            f"is none. Received: {t}"
        )
    rescaled = np.where(q < t, q / (2 * t), 1 - (1 - q) / (2 * (1 - t)))
    return np.where(np.isnan(t), logits.dtype.type(0.5), rescaled)
