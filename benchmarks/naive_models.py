"""Models of the book at 64 px in plain Keras, as written without this package.

Networks of ``keras.applications`` get the head of ours. Transformers use
``keras.layers.MultiHeadAttention``; their sizes, and so their weights, are those of ours. Every
model is compiled as Keras' guides do; outputs are probabilities, and the reconstruction of RR-ViT
and Hybrid RR-ViT is a second output with its own target, the image.
"""

import keras
import numpy as np
from keras import applications, layers, ops

from xraylab.layers.tokens import sinusoidal_positions

SIZE, LABELS = 64, 14


class Embedding(layers.Layer):
    """Learned tokens in front of the others, and learned positions."""

    def __init__(self, count, positions=True):
        super().__init__()
        self.count, self.positions = count, positions

    def build(self, shape):
        """Create the weights."""
        self.tokens = self.add_weight(shape=(1, self.count, shape[2]))
        if self.positions:
            self.table = self.add_weight(shape=(1, self.count + shape[1], shape[2]))

    def call(self, x):
        """Return learned and other tokens."""
        x = ops.concatenate([ops.repeat(self.tokens, ops.shape(x)[0], axis=0), x], axis=1)
        return x + self.table if self.positions else x


def attention(x, heads, context=None, mask=None):
    """Apply multi-head attention to tokens, or between them and a context."""
    attend = layers.MultiHeadAttention(heads, x.shape[-1] // heads)
    return attend(x, x if context is None else context, attention_mask=mask)


def block(x, heads, mlp_ratio=None, mask=None):
    """Apply a pre-norm transformer block, without MLP if ``mlp_ratio`` is None."""
    normed = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.Add()([x, attention(normed, heads, mask=mask)])
    if mlp_ratio is None:
        return x
    hidden = layers.LayerNormalization(epsilon=1e-6)(x)
    hidden = layers.Dense(mlp_ratio * x.shape[-1], activation="gelu")(hidden)
    return layers.Add()([x, layers.Dense(x.shape[-1])(hidden)])


def patches(images, size, width):
    """Embed patches linearly, by a convolution."""
    return layers.Reshape((-1, width))(layers.Conv2D(width, size, strides=size)(images))


def convolutional(application):
    """Build a network of ``keras.applications`` with a hidden layer."""
    images = keras.Input((SIZE, SIZE, 1))
    trunk = application(False, weights=None, input_shape=(SIZE, SIZE, 3), pooling="avg")
    x = trunk(layers.Concatenate()([images, images, images]))
    x = layers.Dense(256, activation="relu")(x)
    return keras.Model(images, layers.Dense(LABELS, activation="sigmoid")(x))


def reconstructing(images, x, patch):
    """Add the [CLS] head and the reconstruction to the tokens of RR-ViT or Hybrid RR-ViT."""
    side = SIZE // patch
    labels = layers.Dense(LABELS, activation="sigmoid")(layers.Dropout(0.1)(x[:, 0]))
    x = layers.Dense(patch**2)(x[:, 1:])
    x = layers.Reshape((side, side, patch, patch))(x)
    x = layers.Reshape((SIZE, SIZE, 1))(layers.Permute((1, 3, 2, 4))(x))
    return keras.Model(images, [labels, x])


def rr_vit():
    """Build RR-ViT."""
    images = keras.Input((SIZE, SIZE, 1))
    x = Embedding(1)(patches(images, 8, 128))
    for _ in range(4):
        x = block(x, heads=4)
    return reconstructing(images, x, patch=8)


def hybrid_rr_vit():
    """Build Hybrid RR-ViT."""
    images = x = keras.Input((SIZE, SIZE, 1))
    for filters, strides in ((32, 2), (64, 2), (256, 1)):
        x = layers.Conv2D(filters, 3, strides, padding="same")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    x = Embedding(1)(layers.Reshape((-1, 256))(x))
    for _ in range(8):
        x = block(x, heads=8, mlp_ratio=2)
    return reconstructing(images, layers.LayerNormalization(epsilon=1e-6)(x), patch=4)


def lt_vit_tiny():
    """Build LT-ViT with a mask: no image token attends to a label token."""
    images = keras.Input((SIZE, SIZE, 1))
    x = Embedding(0)(patches(images, 8, 192))
    for _ in range(8):
        x = block(x, heads=3, mlp_ratio=4)
    x = Embedding(LABELS, positions=False)(x)
    mask = np.ones((1, x.shape[1], x.shape[1]), bool)
    mask[:, LABELS:, :LABELS] = False
    for _ in range(4):
        x = block(x, heads=3, mlp_ratio=4, mask=mask)
    x = layers.LayerNormalization(epsilon=1e-6)(x[:, :LABELS])
    head = layers.EinsumDense("bkd,dk->bk", LABELS, activation="sigmoid", bias_axes="k")
    return keras.Model(images, head(x))


def dbct():
    """Build DBCT."""
    images = keras.Input((SIZE, SIZE, 1))
    centred = layers.Rescaling(2, -1)(images)
    x = patches(centred, 8, 256)
    x = x + sinusoidal_positions(*x.shape[1:])[None]
    for _ in range(4):
        x = block(x, heads=8, mlp_ratio=2)
    local = centred
    for filters in (16, 32):
        local = layers.Conv2D(filters, 3, 2, padding="same", activation="relu")(local)
    local = layers.Reshape((-1, 256))(layers.Conv2D(256, 1)(local))
    x = layers.Add()([x, attention(x, heads=8, context=local)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-6)(x))
    return keras.Model(images, layers.Dense(LABELS, activation="sigmoid")(x))


MODELS = {
    "resnet50": lambda: convolutional(applications.ResNet50),
    "densenet121": lambda: convolutional(applications.DenseNet121),
    "efficientnet_b0": lambda: convolutional(applications.EfficientNetB0),
    "dbct": dbct,
    "rr_vit": rr_vit,
    "hybrid_rr_vit": hybrid_rr_vit,
    "lt_vit_tiny": lt_vit_tiny,
}
"""Functions that build a model by the name of ours."""
