"""MXA: its size, its parts against float64, and whether its box learns."""

import keras
import numpy as np
import pytest
from keras import ops

from xraylab import models
from xraylab.models import mxa
from xraylab.models.efficientvit import EfficientViTBlock
from xraylab.models.mxa import MXA, ChannelGate, MXABlock, RegionProposal, SpatialGate

from .conftest import full_size

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="reads gradients off a tape"
)


def randomise(layer, seed=0, scale=0.3):
    rng = np.random.default_rng(seed)
    for variable in layer.variables:
        positive = variable.path.endswith(("gamma", "variance"))
        values = rng.uniform(0.5, 1.5, variable.shape) if positive else None
        variable.assign(values if positive else rng.normal(size=variable.shape) * scale)


def numpy_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_convolution(x, kernel):
    """One map (height, width, channels), padded by zeros to keep its shape."""
    kernel = np.asarray(kernel, np.float64)
    side, margin = kernel.shape[0], kernel.shape[0] // 2
    padded = np.pad(x, ((margin, margin), (margin, margin), (0, 0)))
    return np.array(
        [
            [np.tensordot(padded[i : i + side, j : j + side], kernel, 3) for j in range(x.shape[1])]
            for i in range(x.shape[0])
        ]
    )


def numpy_bilinear(x, y_at, x_at):
    """The value of a map at one position, in pixels, from its four neighbours."""
    height, width, _ = x.shape
    y_at, x_at = np.clip(y_at, 0, height - 1), np.clip(x_at, 0, width - 1)
    y0, x0 = int(np.floor(y_at)), int(np.floor(x_at))
    y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
    dy, dx = y_at - y0, x_at - x0
    upper = (1 - dx) * x[y0, x0] + dx * x[y0, x1]
    return (1 - dy) * upper + dy * ((1 - dx) * x[y1, x0] + dx * x[y1, x1])


def numpy_roi(x, box):
    """The content of a box (x1, y1, x2, y2, fractions), enlarged to the map pixel by pixel."""
    height, width, _ = x.shape
    x1, y1, x2, y2 = np.asarray(box, np.float64) * [width, height, width, height]
    out = np.empty_like(x)
    for i in range(height):
        for j in range(width):
            y_at = y1 + (y2 - y1) * (i + 0.5) / height - 0.5
            out[i, j] = numpy_bilinear(x, y_at, x1 + (x2 - x1) * (j + 0.5) / width - 0.5)
    return out


def numpy_resize(x, height, width):
    """A whole map resized, middles of cells on middles of cells, as PyTorch and SciPy can."""
    return np.array(
        [
            [
                numpy_bilinear(
                    x,
                    (i + 0.5) * x.shape[0] / height - 0.5,
                    (j + 0.5) * x.shape[1] / width - 0.5,
                )
                for j in range(width)
            ]
            for i in range(height)
        ]
    )


def numpy_box_numbers(x, head, squash=lambda numbers: numbers):
    hidden = np.maximum(numpy_convolution(x, head.conv.kernel), 0)
    numbers = numpy_convolution(hidden, head.coordinates.kernel) + np.float64(head.coordinates.bias)
    return squash(numbers).mean((0, 1))


def numpy_gates(x, layer, use_max):
    """Both gates and the gated map."""
    first, second = (
        np.float64(d.kernel) for d in (layer.channel_gate.reduce, layer.channel_gate.expand)
    )
    scores = np.maximum(x.mean((0, 1)) @ first, 0) @ second
    if use_max:
        scores = scores + np.maximum(x.max((0, 1)) @ first, 0) @ second
    channels = numpy_sigmoid(scores)
    x = x * channels
    pooled = np.stack([x.max(-1), x.mean(-1)], axis=-1)
    positions = numpy_sigmoid(
        numpy_convolution(pooled, layer.spatial_gate.convolution.kernel)[..., 0]
    )
    return x * positions[..., None], channels, positions


def numpy_learnable_box(numbers):
    first = np.log((mxa.INITIAL_SIDE - mxa.MINIMUM_SIDE) / (1 - mxa.INITIAL_SIDE))
    sides = mxa.MINIMUM_SIDE + (1 - mxa.MINIMUM_SIDE) * numpy_sigmoid(numbers[2:] + first)
    lower = (1 - sides) * numpy_sigmoid(numbers[:2])
    return np.concatenate([lower, lower + sides])


def numpy_mxa(x, layer):
    if layer.box == "whole":
        use_max = layer.arrangement == "paper"
        return (*numpy_gates(x, layer, use_max), np.array([0.0, 0.0, 1.0, 1.0]))
    if layer.arrangement == "paper":
        box = numpy_learnable_box(numpy_box_numbers(x, layer.region_proposal))
        return (*numpy_gates(numpy_roi(x, box), layer, use_max=True), box)
    height, width, _ = x.shape
    box = numpy_box_numbers(x, layer.region_proposal, numpy_sigmoid)
    x1, y1, x2, y2 = (int(v) for v in box * [width, height, width, height])
    if not (x2 > x1 and y2 > y1):
        x1, y1, x2, y2 = 0, 0, width, height
    crop = numpy_resize(x[y1:y2, x1:x2], height, width)
    box = np.array([x1 / width, y1 / height, x2 / width, y2 / height])
    return (*numpy_gates(crop, layer, use_max=False), box)


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 1, 1),
        (0.1, 0.3, 0.55, 0.91),
        (0.0, 0.0, 0.2, 0.2),
        (0.77, 0.5, 0.98, 0.7),
        (0.4999, 0.25, 0.5001, 0.75),
    ],
)
def test_crop_against_numpy(box):
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3))
    boxes = np.float32([box, (0.2, 0.2, 0.6, 0.8)])
    got = mxa.crop_and_resize(x.astype(np.float32), boxes)
    for image in range(2):
        np.testing.assert_allclose(
            ops.convert_to_numpy(got)[image], numpy_roi(x[image], boxes[image]), atol=1e-5
        )


def test_the_whole_box_changes_nothing():
    whole = ops.convert_to_numpy(mxa.bilinear_sampling_matrix(np.float32([0]), np.float32([1]), 9))
    np.testing.assert_allclose(whole[0], np.eye(9), atol=1e-6)


@pytest.mark.parametrize(("first", "last"), [(0, 7), (2, 3), (2, 5), (6, 7), (0, 1)])
def test_a_clamped_crop_is_cut_before_it_is_enlarged(first, last):
    x = np.random.default_rng(1).normal(size=(7, 7, 2))
    boxes = np.float32([[0, first / 7, 1, last / 7]])
    got = mxa.crop_and_resize(x[None].astype(np.float32), boxes, clamp_to_box=True)
    got = ops.convert_to_numpy(got)[0]
    np.testing.assert_allclose(got, numpy_resize(x[first:last], 7, 7), atol=1e-5)


def test_an_empty_box_is_replaced_by_the_whole_map():
    boxes = np.float32(
        [
            [0.30, 0.00, 0.90, 1.00],  # columns 1 to 4 of 5: floor(1.5), floor(4.5)
            [0.30, 0.70, 0.90, 0.20],  # y1 above y2
            [0.41, 0.10, 0.59, 0.90],  # both x in one cell
        ]
    )
    got = ops.convert_to_numpy(mxa.round_box_to_grid(boxes, 4, 5))
    np.testing.assert_allclose(got, [[0.2, 0, 0.8, 1], [0, 0, 1, 1], [0, 0, 1, 1]], atol=1e-6)


def test_a_learnable_box_is_never_empty():
    numbers = np.random.default_rng(2).normal(size=(500, 4)).astype(np.float32) * 20
    x1, y1, x2, y2 = ops.convert_to_numpy(mxa.learnable_box(numbers)).T
    for low, high in ((x1, x2), (y1, y2)):
        assert (low >= 0).all()
        assert (high <= 1 + 1e-6).all()
        assert (high - low >= mxa.MINIMUM_SIDE - 1e-6).all()
    first = ops.convert_to_numpy(mxa.learnable_box(np.zeros((1, 4), np.float32)))
    np.testing.assert_allclose(first, [[0.125, 0.125, 0.875, 0.875]], atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("box", ["predicted", "whole"])
@pytest.mark.parametrize("arrangement", ["paper", "authors"])
def test_mxa_against_numpy(arrangement, box, seed):
    x = np.random.default_rng(3).normal(size=(3, 6, 5, 8))
    layer = MXA(arrangement, reduction=2, box=box)
    layer.build(x.shape)
    assert hasattr(layer, "region_proposal") == (box == "predicted")
    randomise(layer, seed)
    got, inside = layer(x.astype(np.float32), return_intermediates=True)
    plain = layer(x.astype(np.float32))
    np.testing.assert_allclose(ops.convert_to_numpy(plain), ops.convert_to_numpy(got), atol=1e-6)
    for image in range(3):
        expected = numpy_mxa(x[image], layer)
        mine = (got, inside["channel_gates"], inside["spatial_gates"], inside["boxes"])
        for value, wanted in zip(mine, expected, strict=True):
            np.testing.assert_allclose(ops.convert_to_numpy(value)[image], wanted, atol=1e-5)


@pytest.mark.parametrize("arrangement", ["paper", "authors"])
def test_position_of_mxa_in_a_block(arrangement):
    """Outputs of the parts, combined as in the two sources."""
    attention = {"num_heads": 2, "key_dim": 4, "kernel_sizes": (3, 3), "window_size": 4}
    block = MXABlock(attention, {"arrangement": arrangement, "reduction": 2})
    x = np.random.default_rng(4).normal(size=(2, 6, 6, 8)).astype(np.float32)
    block.build(x.shape)
    randomise(block)
    plain, (got, inside) = block(x), block(x, return_intermediates=True)
    expected = x
    if arrangement == "authors":
        expected = (x + block.attention(x)[0]) + (x + block.mxa(x))
    expected = expected + block.convolution_before(expected)
    expected = expected + block.feed_forward_before(expected)
    both = block.attention(expected)[0]
    if arrangement == "paper":
        both = both + block.mxa(expected)
    expected = expected + both
    expected = expected + block.convolution_after(expected)
    expected = expected + block.feed_forward_after(expected)
    scale = np.abs(expected).max()
    for output in (plain, got):
        np.testing.assert_allclose(
            ops.convert_to_numpy(output) / scale, ops.convert_to_numpy(expected) / scale, atol=1e-5
        )
    assert ("attention_before" in inside) == (arrangement == "authors")
    assert {"attention", "boxes", "channel_gates", "spatial_gates"} <= set(inside)


def box_gradients(layer, x):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = ops.sum(layer(x) ** 2)
    return tape.gradient(loss, [v.value for v in layer.region_proposal.trainable_variables])


@tensorflow_only
def test_the_box_learns_in_the_papers_arrangement_and_not_in_the_authors():
    x = np.random.default_rng(5).normal(size=(2, 8, 8, 8)).astype(np.float32)
    for arrangement in ("paper", "authors"):
        layer = MXA(arrangement, reduction=2)
        layer.build(x.shape)
        randomise(layer)
        gradients = box_gradients(layer, x)
        assert len(gradients) == 3
        if arrangement == "paper":
            assert all(np.abs(gradient).max() > 0 for gradient in gradients)
        else:
            assert all(g is None or not np.abs(g).any() for g in gradients)


@tensorflow_only
def test_gradient_against_finite_differences():
    """Through the box, in the only direction in which it can move: its four numbers."""
    import tensorflow as tf

    x = np.random.default_rng(6).normal(size=(1, 7, 7, 2))
    weights = np.random.default_rng(7).normal(size=x.shape)
    numbers = np.float32([[0.3, -0.4, 0.2, -0.6]])

    def plain(numbers):
        return (weights[0] * numpy_roi(x[0], numpy_learnable_box(np.float64(numbers[0])))).sum()

    with tf.GradientTape() as tape:
        at = tf.constant(numbers)
        tape.watch(at)
        crop = mxa.crop_and_resize(x.astype(np.float32), mxa.learnable_box(at))
        loss = ops.sum(crop * weights.astype(np.float32))
    got = tape.gradient(loss, at).numpy()[0]
    step = 1e-5 * np.eye(4)
    slope = [(plain(numbers + s) - plain(numbers - s)) / 2e-5 for s in step]
    np.testing.assert_allclose(got, slope, rtol=1e-3, atol=1e-3)


@tensorflow_only
def test_gradient_descent_moves_a_box_onto_a_bright_blob():
    import tensorflow as tf

    rows, columns = np.mgrid[:16, :16]
    blob = np.exp(-((rows - 4) ** 2 + (columns - 10) ** 2) / 18.0)[None, ..., None]
    blob = blob.astype(np.float32)
    numbers = tf.Variable(np.zeros((1, 4), np.float32))
    first = None
    for _ in range(150):
        with tf.GradientTape() as tape:
            brightness = ops.mean(mxa.crop_and_resize(blob, mxa.learnable_box(numbers)))
        first = float(brightness) if first is None else first
        numbers.assign_add(2.0 * tape.gradient(brightness, numbers))
    x1, y1, x2, y2 = ops.convert_to_numpy(mxa.learnable_box(numbers))[0]
    assert float(brightness) > 3 * first
    assert abs((x1 + x2) / 2 - 10.5 / 16) < 0.05
    assert abs((y1 + y2) / 2 - 4.5 / 16) < 0.05


def test_the_region_proposal_cannot_tell_where_a_blob_lies():
    """The mean over the map is independent of the position, except at the border."""
    head = RegionProposal()
    head.build((None, 12, 12, 4))
    randomise(head)
    blob = np.random.default_rng(8).normal(size=(2, 2, 4))
    maps = np.zeros((3, 12, 12, 4), np.float32)
    for image, (row, column) in enumerate([(1, 1), (8, 5), (4, 9)]):
        maps[image, row : row + 2, column : column + 2] = blob
    numbers = ops.convert_to_numpy(head(maps))
    assert np.abs(numbers).max() > 1e-2
    np.testing.assert_allclose(numbers, numbers[:1].repeat(3, axis=0), atol=1e-5)


def trainable(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@full_size
def test_m5_with_mxa_has_the_size_of_the_authors_code():
    model = models.build("efficientvit_m5_mxa", image_size=224, arrangement="authors")
    assert trainable(model) == 16_149_442
    # The blocks' own parts are the public EfficientViT's; what is added is counted by hand.
    added = 0
    for channels, depth in zip((192, 288, 384), (1, 3, 4), strict=True):
        half = channels // 2
        box = 9 * channels * half + 4 * half + 4
        gates = 2 * channels * (channels // 16) + 7 * 7 * 2
        added += depth * (box + gates)
    assert 12_094_162 + added == 16_149_442


@pytest.mark.parametrize("arrangement", ["paper", "authors"])
def test_intermediates(arrangement):
    model = models.build("efficientvit_mxa_toy", image_size=64, arrangement=arrangement)
    randomise(model)
    images = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
    plain, full = model(images), model(images, return_intermediates=True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(full["logits"]), ops.convert_to_numpy(plain), atol=1e-5
    )
    names = ["stage_0_block_0", "stage_1_block_0", "stage_2_block_0"]
    expected = {"attention", "boxes", "channel_gates", "spatial_gates"}
    expected |= {"attention_before"} if arrangement == "authors" else set()
    assert set(full) == {"logits", "features"} | expected
    for what in expected:
        assert list(full[what]) == names
    assert tuple(full["features"].shape) == (2, 4, 4, 32)
    for name, side, channels in zip(names, (16, 8, 4), (16, 24, 32), strict=True):
        boxes = ops.convert_to_numpy(full["boxes"][name])
        assert boxes.shape == (2, 4)
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert boxes.min() >= 0
        assert boxes.max() <= 1 + 1e-6
        assert tuple(full["channel_gates"][name].shape) == (2, channels)
        assert tuple(full["spatial_gates"][name].shape) == (2, side, side)
        gates = ops.convert_to_numpy(full["spatial_gates"][name])
        assert (gates >= 0).all() and (gates <= 1).all()
        for what in expected & {"attention", "attention_before"}:
            weights = ops.convert_to_numpy(full[what][name])
            assert weights.shape == tuple(full["attention"][name].shape)
            np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-5)


def test_the_authors_box_is_mostly_empty_before_training():
    """Sigmoids near one half put both corners into the same cell; nothing ever moves them."""
    layer = MXA("authors")
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(8, 14, 14, 64)).astype(np.float32)
    empty = 0
    for _ in range(10):
        layer = MXA("authors")
        _, inside = layer(x, return_intermediates=True)
        boxes = ops.convert_to_numpy(inside["boxes"])
        empty += (boxes == [0, 0, 1, 1]).all(axis=1).sum()
    assert empty > 40  # of 80


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"one of 'paper', 'authors'\. Received: 'ours'"):
        models.build("efficientvit_mxa_toy", arrangement="ours")
    with pytest.raises(ValueError, match=r"reduction\. Expected: an integer of at least 1"):
        models.build("efficientvit_mxa_toy", reduction=0)


@pytest.mark.parametrize(
    "layer", [RegionProposal(), ChannelGate(4, use_max=False), SpatialGate(), MXA("authors", 4)]
)
def test_configs_make_equal_layers(layer):
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    assert issubclass(MXABlock, EfficientViTBlock)


def test_the_whole_box_leaves_out_the_region_proposals_only():
    model, other = (
        models.build("efficientvit_mxa_toy", image_size=64, box=box)
        for box in ("whole", "predicted")
    )
    kept = [v.path.split("/", 1)[1] for v in other.weights if "region_proposal" not in v.path]
    assert [v.path.split("/", 1)[1] for v in model.weights] == kept
    with pytest.raises(ValueError, match=r"one of 'predicted', 'whole'\. Received: 'all'"):
        models.build("efficientvit_mxa_toy", box="all")
