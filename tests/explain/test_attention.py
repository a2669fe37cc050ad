"""Attention maps and regions equal the intermediates; propagation multiplies matrices."""

import gc
import weakref

import numpy as np
import pytest
from keras import ops

from xraylab import explain
from xraylab.explain.attention_maps import _logit_slopes, _slopes
from xraylab.explain.forward import _CALLS, _intermediates, call

from .conftest import build_model, some

TRANSFORMERS = ("vit_toy", "rr_vit_toy", "hybrid_rr_vit_toy", "dbct_toy", "lt_vit_toy")

KINDS = ("rr_vit_toy", "dbct_toy", "lt_vit_toy")
"""One of each kind: with a [CLS] token, with cross-attention and with label tokens."""


@pytest.mark.parametrize(
    "name",
    some(
        *(*KINDS, "efficientvit_mxa_toy"),
        of=(*TRANSFORMERS, "medvit_toy", "efficientvit_toy", "efficientvit_mxa_toy"),
    ),
)
def test_maps_equal_the_intermediates_of_the_model(toy, images, name):
    model = toy(name, 64 if name.startswith(("medvit", "efficientvit")) else 32)
    images = images.repeat(model.image_size // 32, axis=1).repeat(model.image_size // 32, axis=2)
    found = explain.attention(model, images)
    # In the batches of explain: the order of sums depends on the size of a batch.
    first, rest = (
        model(batch, return_intermediates=True)["attention"] for batch in (images[:1], images[1:])
    )
    for layer in first:
        expected = [ops.convert_to_numpy(maps[layer]) for maps in (first, rest)]
        np.testing.assert_allclose(found[layer], np.concatenate(expected), atol=2e-6)
    for maps in found.values():
        assert len(maps) == 3
        np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-5)


def test_names_of_other_maps(toy, images):
    found = explain.attention(toy("dbct_toy"), images)
    assert list(found)[-1] == "cross_attention"
    model = toy("lt_vit_toy")
    found = explain.attention(model, images)
    last = f"block_{model.depth - 1}.label_attention"
    assert list(found)[-1] == last
    assert list(explain.attention(model, images, last)) == [last]


def test_small_batches_give_the_same(toy, images, monkeypatch):
    model = toy("rr_vit_toy")
    expected = explain.attention(model, images)
    monkeypatch.setattr("xraylab.explain.forward.MAX_BYTES", 1)
    for layer, maps in explain.attention(model, images).items():
        np.testing.assert_allclose(maps, expected[layer], atol=1e-6)


def whole_product(model, maps, image, residual, attention):
    """Compute the product of the blocks' whole matrices, independently of the package.

    The tokens of LT-ViT are its labels, then its patches; those of DBCT are the patches.
    """
    labels = model.num_labels if f"block_{model.depth - 1}.label_attention" in maps else 0
    patches = maps["block_0"].shape[-1]
    whole = np.eye(labels + patches)
    for i in range(model.depth):
        block = np.zeros_like(whole)
        block[labels:, labels:] = maps[f"block_{i}"][image]
        own = residual * np.eye(len(whole))
        if f"block_{i}.label_attention" in maps:
            rows = maps[f"block_{i}.label_attention"][image]
            to_patches, to_labels = np.split(rows, [patches], 1)
            block[:labels] = np.concatenate([to_labels, to_patches], axis=1)
        elif labels:
            own[:labels, :labels] = np.eye(labels)  # there are no label tokens before
        whole = (own + attention * block) @ whole
    return whole


@pytest.mark.parametrize("name", some(*KINDS, of=TRANSFORMERS))
def test_rollout_is_a_product_of_matrices(toy, images, name):
    model = toy(name)
    maps = {key: value.mean(axis=1) for key, value in explain.attention(model, images).items()}
    found = explain.rollout(model, images)
    for image in range(3):
        whole = whole_product(model, maps, image, 0.5, 0.5)
        if name == "lt_vit_toy":
            expected = whole[:3, 3:]
        elif name == "dbct_toy":
            patches = whole.mean(axis=0).reshape(4, 4) / 2
            positions = maps["cross_attention"][image].mean(axis=0).reshape(8, 8) / 2
            expected = patches.repeat(2, 0).repeat(2, 1) / 4 + positions
            assert expected.sum() == pytest.approx(1)
        else:
            expected = whole[0, 1:]
        np.testing.assert_allclose(found[image].ravel(), expected.ravel(), rtol=1e-4)


@pytest.mark.parametrize("name", some("dbct_toy", "lt_vit_toy", of=TRANSFORMERS))
def test_slopes_are_finite_differences(toy, images, name):
    """Change one entry of one map and compare the change of the logit."""
    model, image, label = toy(name), images[:1], 1
    maps = explain.attention(model, image)
    slopes = _slopes(model, image, label, maps)
    without_effect = []
    for layer, found in slopes.items():
        strongest = np.unravel_index(np.abs(found).argmax(), found.shape)
        if found[strongest] == 0:  # the last image block of LT-ViT
            without_effect.append(layer)
            continue
        step = np.zeros_like(found)
        step[strongest] = 0.1
        logits = []
        for sign in (-1, 1):

            def move(name, attention, layer=layer, sign=sign, step=step):
                return attention + sign * step if name == layer else attention

            logits.append(float(model(image, attention_transform=move)[0, label]))
        assert (logits[1] - logits[0]) / 0.2 == pytest.approx(found[strongest], rel=0.05)
    assert without_effect == ([f"block_{model.depth - 1}"] if name == "lt_vit_toy" else [])


@pytest.mark.parametrize("name", some(*KINDS, of=TRANSFORMERS))
def test_gradient_attention_is_a_product_of_matrices(toy, images, name):
    model = toy(name)
    found = explain.gradient_attention(model, images[:1], [0, 2])
    assert found.shape[:2] == (1, 2)
    maps = explain.attention(model, images[:1])
    for column, label in enumerate((0, 2)):
        slopes = _slopes(model, images[:1], label, maps)
        counted = {layer: np.maximum(maps[layer] * slopes[layer], 0).mean(axis=1) for layer in maps}
        whole = whole_product(model, counted, 0, 1.0, 1.0)
        if name == "lt_vit_toy":
            expected = whole[label, 3:]
        elif name == "dbct_toy":
            patches = whole.mean(axis=0).reshape(4, 4)
            expected = patches.repeat(2, 0).repeat(2, 1) / 4
            expected = expected + counted["cross_attention"][0].mean(axis=0).reshape(8, 8)
        else:
            expected = whole[0, 1:]
        np.testing.assert_allclose(found[0, column].ravel(), expected.ravel(), rtol=1e-4, atol=1e-9)


def test_batches_give_what_single_images_give(toy, images):
    for name in some("rr_vit_toy", of=("rr_vit_toy", "lt_vit_toy")):
        found = explain.gradient_attention(toy(name), images, [0, 2])
        for image in range(3):
            alone = explain.gradient_attention(toy(name), images[[image]], [0, 2])
            np.testing.assert_allclose(found[image], alone[0], rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(
    "name",
    some("rr_vit_toy", of=(*TRANSFORMERS, "efficientvit_mxa_toy", "medvit_toy")),
)
def test_compiled_intermediates_are_the_same_and_follow_the_weights(toy, name, monkeypatch):
    monkeypatch.setattr("xraylab.explain.forward.EAGER_CALLS", 0)
    model = toy(name, 64)
    images = np.random.default_rng(3).random((3, 64, 64, 1)).astype(np.float32)
    weights = model.get_weights()
    try:
        for factor in (1.0, 0.9):
            model.set_weights([factor * value for value in weights])
            for batch in (images, images[:1]):
                expected = model(batch, training=False, return_intermediates=True)
                found = call(model, _intermediates, batch)
                first = next(iter(expected["attention"]))
                for one, other in (
                    (expected["logits"], found["logits"]),
                    (expected["attention"][first], found["attention"][first]),
                ):
                    np.testing.assert_allclose(np.asarray(other), np.asarray(one), atol=1e-4)
    finally:
        model.set_weights(weights)


def test_repeated_calls_are_compiled(toy, images):
    model = toy("rr_vit_toy")
    expected = explain.attention(model, images)
    for _ in range(4):
        found = explain.attention(model, images)
    assert (_intermediates, ()) in _CALLS[model][1]
    for layer, maps in expected.items():
        np.testing.assert_allclose(found[layer], maps, atol=1e-6)
    np.testing.assert_allclose(
        explain.attention(model, images[:1])["block_0"], expected["block_0"][:1], atol=1e-6
    )


def test_compiled_calls_do_not_keep_the_model_alive(images):
    def use_model():
        model = build_model("rr_vit_toy")
        for _ in range(3):
            explain.gradient_attention(model, images[:1], 0)
        return weakref.ref(model)

    reference = use_model()
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("name", some("rr_vit_toy", of=TRANSFORMERS))
def test_compiled_slopes_are_the_same_and_follow_the_weights(toy, name):
    model = toy(name)
    images = np.random.default_rng(3).random((3, 32, 32, 1)).astype(np.float32)
    weights = model.get_weights()
    try:
        for factor in (1.0, 0.9):
            model.set_weights([factor * value for value in weights])
            _CALLS.pop(model, None) if factor == 1.0 else _CALLS[model][0].clear()
            expected = explain.gradient_attention(model, images, [0, 2])
            for _ in range(2):
                found = explain.gradient_attention(model, images, [0, 2])
            scale = expected.max()
            np.testing.assert_allclose(found / scale, expected / scale, atol=1e-4)
            assert any(function is _logit_slopes for function, _ in _CALLS[model][1])
            alone = explain.gradient_attention(model, images[:1], 2)[:, 0]
            np.testing.assert_allclose(alone / scale, expected[:1, 1] / scale, atol=1e-4)
    finally:
        model.set_weights(weights)


def test_as_many_labels_as_patches(images):
    """Label attention is then as square as the attention among patches."""
    model = build_model("lt_vit_toy", num_labels=64, label_self_attention=False)
    assert explain.gradient_attention(model, images[:1], 5).max() > 0


def test_rollout_of_a_dbct_without_blocks_is_that_of_its_fusion(toy, images):
    model = toy("dbct_toy", depth=0)
    positions = explain.attention(model, images)["cross_attention"].mean(axis=(1, 2))
    expected = (1 / 64 + positions.reshape(3, 8, 8)) / 2
    np.testing.assert_allclose(explain.rollout(model, images), expected, rtol=1e-5)


@pytest.mark.parametrize("label_attention", ["bidirectional", "late"])
def test_rollout_with_other_label_attention(images, label_attention):
    """A product of whole matrices; tokens are three labels, then the patches."""
    sizes = {"depth": 3, "num_label_blocks": 2}
    model = build_model("lt_vit_toy", label_attention=label_attention, **sizes)
    maps = {key: value.mean(axis=1) for key, value in explain.attention(model, images).items()}
    found = explain.rollout(model, images)
    for image in range(3):
        identity = np.eye(3 + maps["block_0"].shape[-1])
        of_image, of_labels = [], []
        for i in range(3):
            step = identity.copy()
            rows = maps[f"block_{i}"][image]
            rows = np.pad(rows, ((0, 0), (0, len(identity) - rows.shape[1])))
            step[3:] = (identity[3:] + np.roll(rows, 3, axis=1)) / 2
            label_step = step if label_attention == "bidirectional" else identity.copy()
            if i:
                rows = np.roll(maps[f"block_{i}.label_attention"][image], 3, axis=1)
                label_step[:3] = (identity[:3] + rows) / 2
            of_image.append(step)
            of_labels.append(label_step)
        steps = of_image if label_attention == "bidirectional" else of_image + of_labels
        whole = identity
        for step in steps:
            whole = step @ whole
        np.testing.assert_allclose(found[image].reshape(3, -1), whole[:3, 3:], rtol=1e-4)
    assert explain.gradient_attention(model, images[:1], 1).max() > 0


def test_without_residual_dbct_depends_on_cross_attention_alone(images):
    model = build_model("dbct_toy", residual=False)
    maps = explain.attention(model, images)["cross_attention"].mean(axis=(1, 2))
    found = explain.rollout(model, images).reshape(3, -1)
    np.testing.assert_allclose(found, maps, rtol=1e-4)


@pytest.mark.parametrize(
    "precision", some("mixed_bfloat16", of=("mixed_float16", "mixed_bfloat16"))
)
def test_under_mixed_precision_maps_are_float32(images, precision):
    model = build_model(some("rr_vit_toy", of=["lt_vit_toy"])[0], dtype=precision)
    for maps in explain.attention(model, images).values():
        assert maps.dtype == np.float32
        np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=2e-2)
    assert np.isfinite(explain.rollout(model, images)).all()
    assert np.isfinite(explain.gradient_attention(model, images[:1], 0)).all()


SCRIPT = """
import sys
import numpy as np
from xraylab import explain, models
from xraylab.explain import forward
forward.EAGER_CALLS = 0  # eager calls are slow on JAX
folder, *names = sys.argv[1:]
images = np.load(f"{folder}/images.npy")
for name in names:
    model = models.build(name, image_size=32, num_labels=3)
    model.load_weights(f"{folder}/{name}.weights.h5")
    first = explain.attention(model, images) if "resnet" not in name else {}
    if first:  # freezes another part with the same shapes
        slopes = explain.gradient_attention(model, images, 1)
        model.blocks[0].trainable = False
        explain.attention(model, images)
        model.blocks[0].trainable, model.blocks[1].trainable = True, False
        again = explain.attention(model, images)
    for layer, maps in first.items():
        np.testing.assert_allclose(again[layer], maps, atol=1e-5)
    np.savez(f"{folder}/{name}.npz",
             rollout=explain.rollout(model, images) if "vit" in name or "dbct" in name else 0,
             weighted=slopes if first else 0,
             cam=explain.grad_cam(model, images) if hasattr(model, "classify") else 0)
"""


def test_jax_agrees(toy, images, tmp_path, run_on_jax):
    names = some("rr_vit_toy", of=(*TRANSFORMERS, "resnet50_toy"))
    np.save(tmp_path / "images.npy", images[:1])
    for name in names:
        toy(name).save_weights(tmp_path / f"{name}.weights.h5")
    run_on_jax(SCRIPT, tmp_path, *names)
    for name in names:
        found, model = np.load(tmp_path / f"{name}.npz"), toy(name)
        if name in TRANSFORMERS:
            np.testing.assert_allclose(
                found["rollout"], explain.rollout(model, images[:1]), rtol=1e-3, atol=1e-6
            )
            expected = explain.gradient_attention(model, images[:1], 1)
            np.testing.assert_allclose(found["weighted"], expected, rtol=1e-3, atol=1e-6)
        if hasattr(model, "classify"):
            expected = explain.grad_cam(model, images[:1])
            np.testing.assert_allclose(found["cam"], expected, rtol=1e-3, atol=1e-6)


def test_label_maps_are_the_rows_of_label_attention(toy, images):
    model = toy("lt_vit_toy")
    side = model.image_size // model.patch_size
    found = explain.label_maps(model, images)
    assert found.shape == (3, 3, side, side)
    assert (found.sum(axis=(2, 3)) <= 1 + 1e-5).all()
    blocks = model(images, return_intermediates=True)["label_attention"].values()
    expected = np.mean([ops.convert_to_numpy(maps) for maps in blocks], axis=(0, 2))
    np.testing.assert_allclose(found.reshape(3, 3, -1), expected[:, :, : side**2], atol=1e-6)


def test_boxes_and_gates(toy, images):
    model = toy("efficientvit_mxa_toy", 64)
    images = images.repeat(2, axis=1).repeat(2, axis=2)
    found = explain.regions(model, images)
    intermediates = model(images, return_intermediates=True)
    assert list(found) == list(intermediates["boxes"])
    for layer, region in found.items():
        np.testing.assert_allclose(
            region.boxes, np.asarray(intermediates["boxes"][layer]), atol=1e-5
        )
        left, top, right, bottom = region.boxes.T
        assert (left < right).all()
        assert (top < bottom).all()
        assert region.spatial_gates.min() >= 0
        assert region.channel_gates.max() <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: explain.attention(m("resnet50_toy"), x), "Received: resnet50_toy"),
        (
            lambda m, x: explain.attention(m("rr_vit_toy"), x, "block_9"),
            "one of 'block_0', .*Received: 'block_9'",
        ),
        (lambda m, x: explain.attention(m("rr_vit_toy"), x[:0]), "num_images, size, size, 1"),
        (lambda m, x: explain.attention(m("rr_vit_toy"), x[0]), "images.:1. selects one image"),
        (lambda m, x: explain.attention(m("rr_vit_toy"), x[:, :16, :16]), "image_size=16"),
        (lambda m, x: explain.rollout(m("resnet50_toy"), x), "attention over the whole image"),
        (
            lambda m, x: explain.gradient_attention(m("rr_vit_toy"), x, 3),
            "from 0 to 2. Received: 3",
        ),
        (lambda m, x: explain.gradient_attention(m("rr_vit_toy"), x, []), "one or more indices"),
        (
            lambda m, x: explain.rollout(m("dbct_toy", fusion="concatenation"), x),
            "DBCT with cross-attention. Received: fusion='concatenation'",
        ),
        (lambda m, x: explain.label_maps(m("rr_vit_toy"), x), "LT-ViT, which has label tokens"),
        (lambda m, x: explain.regions(m("rr_vit_toy"), x), "EfficientViT with MXA"),
    ],
)
def test_bad_input(toy, images, call, message):
    with pytest.raises(ValueError, match=message):
        call(toy, images)
