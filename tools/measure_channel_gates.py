"""Measure how EfficientNet-B0's squeeze-and-excitation gates depend on the image, for chapter 7.

::

    python tools/measure_channel_gates.py --real FOLDER

The network is the shipped one, trained on real images. For each block the file holds the spread of
the gates between validation images and between channels. Then the gates of all blocks are replaced
by their means over the validation images, and the network is scored on the test images; the paired
difference of the macro AUC has an interval by patient. Only numbers are written.
"""

import numpy as np
import real_images
from keras import ops
from scipy.special import logit

from xraylab import evaluation, models
from xraylab.models.efficientnet import MBConv

NAME = "efficientnet_b0"


def gates_by_block(model, split, batch_size=125):
    """Return the gates of each block by its name, (num_images, channels)."""
    images, _ = split.arrays()
    found = {}
    for start in range(0, len(images), batch_size):
        x = model.prepare(images[start : start + batch_size])
        for layer in model.trunk:
            if isinstance(layer, MBConv):
                gate = layer.squeeze_excite
                means = ops.mean(layer.spatial(x, training=False), axis=(1, 2))
                gates = ops.convert_to_numpy(gate.expand(gate.reduce(means)))
                found.setdefault(layer.name, []).append(gates)
            x = layer(x, training=False)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def fix_gates(model, means):
    """Set the weights so that the gates of each block are constant, ``means`` by block."""
    for layer in model.trunk:
        if layer.name in means:
            mean = np.clip(means[layer.name], 1e-6, 1 - 1e-6)
            expand = layer.squeeze_excite.expand
            kernel, _ = expand.get_weights()
            expand.set_weights([np.zeros_like(kernel), logit(mean)])


def main():
    options = real_images.parser(__doc__, "channel_gates.json").parse_args()
    val, test = real_images.load(options.real, "val", "test")
    model = models.build(NAME, image_size=64, weights="pretrained")
    gates = gates_by_block(model, val)
    adaptive = evaluation.predict(model, test)
    fix_gates(model, {name: values.mean(axis=0) for name, values in gates.items()})
    constant = evaluation.predict(model, test)
    blocks = {
        name: {
            "channels": values.shape[1],
            "between_images": round(float(values.std(axis=0).mean()), 5),
            "between_channels": round(float(values.mean(axis=0).std()), 5),
        }
        for name, values in gates.items()
    }
    values = {
        "about": "Gates of the shipped EfficientNet-B0 on real images: numbers only.",
        "data": f"NIH subset, n = {len(val):,} validation and {len(test):,} test images",
        "model": NAME,
        "blocks": blocks,
        "adaptive": real_images.macro_auc(test, adaptive),
        "constant": real_images.macro_auc(test, constant),
        "difference": real_images.macro_auc(test, constant, minus=adaptive),
    }
    real_images.write(options.out, values)


if __name__ == "__main__":
    main()
