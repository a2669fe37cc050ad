"""The DenseNet-121 of TorchXRayVision (``cohen2022``), a teacher trained on real chest X-rays.

It is not in the registry: it has its own 18 outputs in its own order, and is not meant to be
trained from scratch. Its weights are public; they are read from a file, never downloaded
(:mod:`xraylab.models.convert.torchxrayvision`).
"""

from xraylab.layers.base import Tensor
from xraylab.models.cnn import CNNClassifier
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


class XRVDenseNet121(CNNClassifier):
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

    not_arguments = ("hidden_dim", "pixels")
    channels = 1

    def __init__(self, image_size: int = 224, num_labels: int = 18, **kwargs):
        super().__init__(image_size, num_labels, hidden_dim=None, **kwargs)
        # PyTorch's ε; keras.applications has 1.001e-5.
        self.trunk += densenet_trunk((6, 12, 24, 16), 32, 64, epsilon=1e-5, **self.policy)

    def prepare(self, images: Tensor) -> Tensor:
        """Scale grey levels as the training of the public weights did."""
        return (2 * images - 1) * 1024
