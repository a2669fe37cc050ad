"""Multiply-adds against counts by hand and published figures."""

import keras
import pytest

from xraylab import models
from xraylab.layers import attention
from xraylab.models.cost import cost, multiply_adds

from .conftest import full_size

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="counts in TensorFlow's graph"
)


@tensorflow_only
def test_rr_vit_by_hand():
    """Patches, four products of a block with D x D matrices, two with the map, head and decoder."""
    tokens, width = 65, 128
    block = 4 * tokens * width**2 + 2 * tokens**2 * width
    expected = 64 * 64 * width + 4 * block + width * 14 + 64 * width * 64
    result = cost(models.build("rr_vit"))
    assert result.multiply_adds == expected
    assert (result.parameters, result.trainable, result.tokens) == (292_046, 292_046, 65)


@tensorflow_only
def test_attention_in_blocks_costs_the_same(monkeypatch):
    model = models.build("rr_vit_toy")
    whole = multiply_adds(model)
    monkeypatch.setattr(attention, "LARGEST_MAP", 1000)
    assert multiply_adds(model) == whole


@full_size
@tensorflow_only
@pytest.mark.parametrize(
    ("network", "published"), [("ResNet50", 3.86e9), ("EfficientNetB0", 0.39e9)]
)
def test_published_figures(network, published):
    """The figures of ``he2016`` (Table 1, without the shortcuts) and ``tan2019`` (Table 1)."""

    class Grey(keras.Model):
        image_size = 224

        def __init__(self):
            super().__init__()
            self.network = getattr(keras.applications, network)(weights=None)

        def call(self, images, training=None):
            return self.network(keras.ops.repeat(images, 3, axis=-1), training=training)

    assert multiply_adds(Grey()) == pytest.approx(published, rel=0.02)
