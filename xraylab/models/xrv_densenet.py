"""The DenseNet-121 of TorchXRayVision (``cohen2022``), a teacher trained on real chest X-rays.

It is no row of the registry: it has 18 outputs of its own, in its own order, and is not meant to be
trained from scratch. Its weights are public; they are read from a file on disk, never downloaded.
"""

import keras
import numpy as np
from keras import ops

from xraylab.models.base import ImageModel
from xraylab.models.cnn import build_trunk, run_trunk
from xraylab.models.densenet import DenseLayer, Transition, densenet_trunk
from xraylab.models.predict import sigmoid
from xraylab.models.weights import StateDict, require_labels, require_model

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
"""What the 18 outputs stand for; which of them mean something depends on the weights."""


@keras.saving.register_keras_serializable("xraylab")
class XRVDenseNet121(ImageModel):
    """DenseNet-121 on one channel with grey levels in [-1024, 1024], 6,966,034 parameters.

    Shapes:
        images: (batch, image_size, image_size, 1) float32 in [0, 1], as all our models; the model
            takes them to (2 x - 1) * 1024 itself.
        returns: (batch, num_labels) logits. With ``return_intermediates=True`` a dict of
        ``logits``; ``maps``, the output of each layer of the trunk by name; and ``features``, the
        last of them, (batch, height, width, 1024).

    Args:
        image_size: side of the image in pixels, at least 32; the public weights expect 224.
        num_labels: number of outputs; the public weights have 18, see :data:`OUTPUTS`.

    Raises:
        ValueError: if an argument is out of range.

    Source: ``cohen2022``; network ``huang2017``.
    """

    def __init__(self, image_size=224, num_labels=18, **kwargs):
        super().__init__(image_size, num_labels, **kwargs)
        self.require_image_size(least=32, reason="it is halved five times")
        # PyTorch's ε; keras.applications has 1.001e-5.
        self.trunk = densenet_trunk((6, 12, 24, 16), 32, 64, epsilon=1e-5, dtype=self.dtype_policy)
        self.head = keras.layers.Dense(num_labels, dtype="float32", name="head")

    def build(self, input_shape=None):
        """Build the trunk from below, then the head."""
        shape = build_trunk(self.trunk, (None, self.image_size, self.image_size, 1))
        self.head.build((None, shape[-1]))

    def forward(self, images, training, return_intermediates, attention_transform):
        """Compute the logits."""
        x = (2 * images - 1) * 1024  # the range it was trained on
        x, maps = run_trunk(self.trunk, x, training, return_intermediates)
        out = {"logits": self.classify(x, training)}
        if return_intermediates:
            out |= {"maps": maps, "features": x}
        return out

    def classify(self, features, training=None):
        """Compute the logits from the last feature map."""
        return self.head(ops.mean(features, axis=(1, 2)))  # (batch, num_labels)


def probabilities(logits, thresholds=None):
    """Return what TorchXRayVision's model returns: the sigmoid, moved so that 1/2 is a threshold.

    Below its threshold t, a probability q becomes q / 2t; above it, 1 - (1 - q) / 2(1 - t). Outputs
    without a threshold (``nan``), which were not trained, become 1/2.

    Shapes:
        logits: (…, num_labels). thresholds: (num_labels,) in (0, 1), or None for the sigmoid alone.
        returns: as ``logits``, in [0, 1].

    Args:
        logits: before the sigmoid.
        thresholds: operating points that come with the public weights.

    Raises:
        ValueError: if there are not as many thresholds as outputs, or one is out of range.

    Source: ``cohen2022``.
    """
    logits = np.asarray(logits)
    chances = sigmoid(logits)
    if thresholds is None:
        return chances
    t = np.asarray(thresholds, logits.dtype)
    if t.shape != logits.shape[-1:]:
        raise ValueError(f"thresholds: expected {logits.shape[-1:]}, one an output; got {t.shape}")
    if not ((t > 0) & (t < 1) | np.isnan(t)).all():
        raise ValueError(f"thresholds must lie in (0, 1), or be nan where there is none; {t} came")
    below, above = chances / (2 * t), 1 - (1 - chances) / (2 * (1 - t))
    return np.where(np.isnan(t), logits.dtype.type(0.5), np.where(chances < t, below, above))


def load_xrv(model, source, head=True):
    """Load the public PyTorch weights into an :class:`XRVDenseNet121`.

    The files that TorchXRayVision downloads are whole pickled models, which are not read here, for
    reading one may run code. Where torchxrayvision is installed, write the state dict once::

        import torchxrayvision as xrv
        from safetensors.torch import save_file

        theirs = xrv.models.DenseNet(weights="densenet121-res224-all")
        save_file(theirs.state_dict(), "xrv.safetensors")

    or hand ``theirs.state_dict()`` over as it is, if both are installed side by side.

    Args:
        model: a built :class:`XRVDenseNet121`.
        source: state dict, or the path of one, as :class:`xraylab.models.weights.StateDict`.
            ``op_threshs``, if it holds them, are left for :func:`probabilities`.
        head: take the last layer too. With False, the model keeps its own, for other labels.

    Returns:
        The model.

    Raises:
        ValueError: if the model or the weights are another network's; the model keeps its own.
    """
    require_model(model, XRVDenseNet121)
    state = StateDict(source)
    stem, *layers, last = model.trunk
    state.convolution("features.conv0", stem.layers[1])
    state.norm("features.norm0", stem.layers[2])
    block, place = 1, 0
    for layer in layers:
        if isinstance(layer, Transition):
            state.norm(f"features.transition{block}.norm", layer.norm)
            state.convolution(f"features.transition{block}.conv", layer.conv)
            block, place = block + 1, 0
        elif isinstance(layer, DenseLayer):
            place += 1
            prefix = f"features.denseblock{block}.denselayer{place}"
            norm_1, _, conv_1, norm_2, _, conv_2 = layer.branch.layers
            state.norm(f"{prefix}.norm1", norm_1)
            state.convolution(f"{prefix}.conv1", conv_1)
            state.norm(f"{prefix}.norm2", norm_2)
            state.convolution(f"{prefix}.conv2", conv_2)
    state.norm("features.norm5", last.norm)
    if head:
        require_labels(model, len(state.take("classifier.weight")))
        state.linear("classifier", model.head)
    state.assign(ignore=("op_threshs",) if head else ("op_threshs", "classifier."))
    return model
