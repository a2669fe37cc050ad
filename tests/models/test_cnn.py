"""The convolutional baselines: sizes, blocks in float64, and the networks of keras.applications."""

import functools

import h5py
import keras
import numpy as np
import pytest
from keras import ops

from xraylab import models
from xraylab.models.cnn import Stem
from xraylab.models.convert.keras_applications import copy_trunk, load_imagenet
from xraylab.models.densenet import DenseLayer, NormReLU, Transition
from xraylab.models.efficientnet import ChannelNormalization, ConvNormSwish, MBConv
from xraylab.models.resnet import ResidualBlock

from .conftest import EVERY_MODEL, full_size

COUNTS = {"resnet50": 24_115_854, "densenet121": 7_303_502, "efficientnet_b0": 4_381_105}
FULL_SIZE = list(COUNTS) if EVERY_MODEL else ["efficientnet_b0"]
REPORTED = {"resnet50": "24.12", "densenet121": "7.30", "efficientnet_b0": "4.38"}
NETWORKS = {
    "resnet50": "ResNet50",
    "densenet121": "DenseNet121",
    "efficientnet_b0": "EfficientNetB0",
}
TOYS = [f"{name}_toy" for name in COUNTS]


@pytest.fixture(scope="module")
def built():
    """Return a function that builds a model once."""
    return functools.cache(models.build)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_size_is_the_reported_one(name, built):
    assert f"{COUNTS[name] / 1e6:.2f}" == REPORTED[name]
    for image_size in (64, 224):  # pooling makes the head independent of it
        assert built(name, image_size).count_params() == COUNTS[name]


# Blocks against plain arrays


def randomise(layer, seed=0):
    """Give every weight a random value; variances stay positive. Return the values by name."""
    rng = np.random.default_rng(seed)
    values = {}
    for variable in layer.weights:
        shape, what = tuple(variable.shape), variable.path.split("/")[-1]
        if what in ("moving_variance", "variance", "gamma"):
            value = rng.uniform(0.5, 1.5, shape)
        elif what == "kernel":
            value = rng.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))
        else:
            value = rng.normal(0, 0.3, shape)
        variable.assign(value)
        values[variable.path] = np.asarray(ops.convert_to_numpy(variable), np.float64)
    return values


class Plain:
    """Layers on float64 arrays, with the weights of one of ours, found by the end of their path."""

    def __init__(self, layer):
        self.weights = randomise(layer)
        self.used = set()

    def get(self, ending):
        [path] = [p for p in self.weights if f"/{p}".endswith(f"/{ending}")]
        self.used.add(path)
        return self.weights[path]

    def has(self, ending):
        return any(f"/{p}".endswith(f"/{ending}") for p in self.weights)

    def conv(self, x, name, strides=1, margins=None, depthwise=False):
        kernel = self.get(f"{name}/kernel")
        size = len(kernel)
        if margins is None:  # as "same": what is odd goes below and to the right
            margins = [margin(n, size, strides) for n in x.shape[1:3]]
        x = np.pad(x, ((0, 0), *margins, (0, 0)))
        rows, columns = (range(0, n - size + 1, strides) for n in x.shape[1:3])
        sums = "bhwc,hwcn->bc" if depthwise else "bhwc,hwcn->bn"
        out = np.stack(
            [
                np.stack(
                    [np.einsum(sums, x[:, r : r + size, c : c + size], kernel) for c in columns], 1
                )
                for r in rows
            ],
            axis=1,
        )
        return out + self.get(f"{name}/bias") if self.has(f"{name}/bias") else out

    def norm(self, x, name, epsilon):
        x = (x - self.get(f"{name}/moving_mean")) / np.sqrt(
            self.get(f"{name}/moving_variance") + epsilon
        )
        return x * self.get(f"{name}/gamma") + self.get(f"{name}/beta")

    def dense(self, x, name):
        return x @ self.get(f"{name}/kernel") + self.get(f"{name}/bias")


def margin(n, size, strides):
    """Return what "same" adds before and behind n pixels."""
    total = max((-(-n // strides) - 1) * strides + size - n, 0)
    return total // 2, total - total // 2


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def swish(x):
    return x * sigmoid(x)


def compare(layer, shape, reference):
    """Build a layer, randomise it, and compare it with the reference on random maps."""
    layer.build((None, *shape[1:]))
    plain = Plain(layer)
    x = np.random.default_rng(1).normal(size=shape)
    expected = reference(plain, x)
    out = ops.convert_to_numpy(layer(x.astype(np.float32), training=False))
    assert plain.used == set(plain.weights), "the reference left weights unused"
    assert layer.compute_output_shape((None, *shape[1:]))[1:] == expected.shape[1:]
    np.testing.assert_allclose(out, expected, atol=2e-5 * max(1, np.abs(expected).max()))
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("shape", [(2, 16, 16, 3), (1, 13, 9, 3)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_stem(shape, use_bias):
    def reference(plain, x):
        x = plain.conv(x, "conv", strides=2, margins=((3, 3), (3, 3)))
        x = relu(plain.norm(x, "bn", 1e-5))
        x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        rows, columns = (range(0, n - 2, 2) for n in x.shape[1:3])
        return np.stack(
            [
                np.stack([x[:, r : r + 3, c : c + 3].max(axis=(1, 2)) for c in columns], axis=1)
                for r in rows
            ],
            axis=1,
        )

    compare(Stem(5, use_bias=use_bias, epsilon=1e-5, name="stem"), shape, reference)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize(("strides", "project"), [(1, False), (1, True), (2, True)])
def test_residual_block(strides, project, residual):
    def reference(plain, x):
        update = relu(plain.norm(plain.conv(x, "1_conv", strides), "1_bn", 1.001e-5))
        update = relu(plain.norm(plain.conv(update, "2_conv"), "2_bn", 1.001e-5))
        update = plain.norm(plain.conv(update, "3_conv"), "3_bn", 1.001e-5)
        if not residual:
            return relu(update)
        if project:
            x = plain.norm(plain.conv(x, "0_conv", strides), "0_bn", 1.001e-5)
        return relu(x + update)

    block = ResidualBlock(3, strides, project, residual, name="block")
    compare(block, (2, 6, 7, 12), reference)


def test_dense_layer():
    def reference(plain, x):
        new = plain.conv(relu(plain.norm(x, "0_bn", 1e-5)), "1_conv")
        new = plain.conv(relu(plain.norm(new, "1_bn", 1e-5)), "2_conv")
        return np.concatenate([x, new], axis=-1)

    compare(DenseLayer(4, epsilon=1e-5, name="layer"), (2, 5, 6, 7), reference)


def test_transition_drops_the_odd_row_and_channel():
    def reference(plain, x):
        x = plain.conv(relu(plain.norm(x, "bn", 1e-5)), "conv")
        x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
        return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4

    compare(Transition(epsilon=1e-5, name="pool"), (2, 5, 6, 7), reference)


def test_norm_relu():
    compare(NormReLU(name="last"), (2, 3, 4, 5), lambda p, x: relu(p.norm(x, "bn", 1.001e-5)))


@pytest.mark.parametrize("strides", [1, 2])
def test_conv_norm_swish(strides):
    def reference(plain, x):
        return swish(plain.norm(plain.conv(x, "conv", strides), "bn", 1e-3))

    compare(ConvNormSwish(5, 3, strides, name="stem"), (2, 6, 7, 3), reference)


@pytest.mark.parametrize("expansion", [1, 3])
@pytest.mark.parametrize(
    ("filters", "strides", "kernel_size"), [(8, 1, 3), (8, 1, 5), (8, 2, 3), (8, 2, 5), (6, 1, 3)]
)
def test_mbconv(filters, strides, kernel_size, expansion):
    def reference(plain, x):
        inside = x
        if expansion > 1:
            inside = swish(plain.norm(plain.conv(x, "expand_conv"), "expand_bn", 1e-3))
        inside = plain.conv(inside, "dwconv", strides, depthwise=True)
        inside = swish(plain.norm(inside, "spatial/bn", 1e-3))
        weights = swish(plain.dense(inside.mean(axis=(1, 2)), "se/reduce"))
        assert weights.shape[1] == 2, "a quarter of the 8 input channels"
        inside = inside * sigmoid(plain.dense(weights, "se/expand"))[:, None, None]
        update = plain.norm(plain.conv(inside, "project_conv"), "project_bn", 1e-3)
        return x + update if strides == 1 and filters == 8 else update

    block = MBConv(filters, kernel_size, strides, expansion, drop_rate=0.2, name="block")
    compare(block, (2, 6, 7, 8), reference)


def test_channel_normalisation():
    def reference(plain, x):
        plain.get("count")
        return (x - plain.get("mean")) / np.sqrt(plain.get("variance"))

    compare(ChannelNormalization(name="normalization"), (2, 3, 4, 3), reference)


@pytest.mark.parametrize("name", TOYS)
def test_channels_and_head_around_the_trunk(name):
    model = models.build(name, image_size=32, num_labels=3)
    plain = Plain(model)
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    x = np.repeat(images, 3, axis=-1)
    for layer in model.trunk:
        x = layer(x, training=False)
    pooled = ops.convert_to_numpy(x).astype(np.float64).mean(axis=(1, 2))
    logits = plain.dense(relu(plain.dense(pooled, "hidden")), "head")
    np.testing.assert_allclose(
        ops.convert_to_numpy(model(images, training=False)), logits, atol=1e-4
    )


# The networks of keras.applications


@pytest.fixture(scope="module")
def initial():
    """Return a dict of the initial weights of the networks of keras.applications."""
    return {}


@pytest.fixture(scope="module")
def reference(initial):
    """Return a function that gives a network of keras.applications, all its weights random."""

    @functools.cache
    def get(name):
        network = getattr(keras.applications, NETWORKS[name])(
            weights=None, include_top=False, input_shape=(64, 64, 3)
        )
        initial[name] = network.get_weights()
        randomise(network)
        return network

    return get


def features(model, images):
    out = model(images, training=False, return_intermediates=True)
    return ops.convert_to_numpy(out["features"])


@pytest.mark.parametrize("name", FULL_SIZE)
def test_trunk_agrees_with_keras_applications(name, reference, built):
    theirs = reference(name)
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # Keras keeps a copy of its statistics
    ours = built(name, 64)
    copy_trunk(theirs, ours)
    images = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
    colour = np.repeat(images, 3, axis=-1) * (255 if name == "efficientnet_b0" else 1)
    expected = ops.convert_to_numpy(theirs(colour, training=False))
    assert expected.std() > 0.05
    atol = 1e-4 * np.abs(expected).max()
    np.testing.assert_allclose(features(ours, images), expected, atol=atol)


@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_imagenet_grey_levels(name):
    """What reaches the trunk is what ``preprocess_input`` makes of the image as a colour photo."""
    preprocess = {
        "resnet50": keras.applications.resnet50.preprocess_input,
        "densenet121": keras.applications.densenet.preprocess_input,
    }[name]
    model = models.build(f"{name}_toy", image_size=32, pixels="imagenet")
    inputs = []

    class Recorder:
        name = "recorder"

        def __call__(self, x, training):
            inputs.append(x)
            return x

    model.trunk = [Recorder()]
    images = np.random.default_rng(0).random((2, 32, 32, 1)).astype(np.float32)
    with pytest.raises(ValueError):  # the head does not fit three channels
        model.call(images)
    expected = preprocess(255 * np.repeat(images, 3, axis=-1))
    np.testing.assert_allclose(ops.convert_to_numpy(inputs[0]), expected, atol=1e-3)


def test_imagenet_grey_levels_of_efficientnet(reference, built):
    """Its files hold mean and deviation; the trunk receives (x - mean) / deviation."""
    theirs = reference("efficientnet_b0")
    ours = built("efficientnet_b0", pixels="imagenet")
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    [statistics] = [x for x in theirs.layers if isinstance(x, keras.layers.Normalization)]
    former = statistics.get_weights()
    statistics.set_weights([mean, deviation, former[2]])
    copy_trunk(theirs, ours)
    statistics.set_weights(former)
    x = np.random.default_rng(0).random((1, 4, 4, 3)).astype(np.float32)
    out = ops.convert_to_numpy(ours.trunk[0](x))
    np.testing.assert_allclose(out, (x - mean) / deviation, atol=1e-5)


def save_legacy(network, path):
    """Write a weights file in the layout of Keras 2, in which the public files are."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in network.layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.4.0"
        for layer in network.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{v.path.split('/')[-1]}:0" for v in layer.weights]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, value in zip(names, layer.get_weights(), strict=True):
                group.create_dataset(name, data=value)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        pytest.param("resnet50", "notop.h5", marks=full_size),
        pytest.param("densenet121", "notop.h5", marks=full_size),
        ("efficientnet_b0", "notop.h5"),
        ("efficientnet_b0", "notop.weights.h5"),
    ],
)
def test_weights_files_of_keras_applications(name, file, reference, built, tmp_path):
    theirs = reference(name)
    if file == "notop.h5":
        save_legacy(theirs, tmp_path / file)
    else:
        theirs.save_weights(tmp_path / file)
    model = built(name, pixels="imagenet")
    model.set_weights([0 * value for value in model.get_weights()])
    head = model.head.get_weights()
    assert load_imagenet(model, tmp_path / file) is model
    loaded = model.get_weights()
    copy_trunk(theirs, model)
    for a, b in zip(loaded, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(model.head.get_weights()[0], head[0])


@full_size
def test_files_that_do_not_fit_change_nothing(reference, tmp_path):
    model = models.build("efficientnet_b0", pixels="imagenet")
    before = model.get_weights()
    save_legacy(reference("densenet121"), tmp_path / "other.h5")
    reference("resnet50").save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "broken.h5").write_bytes(b"no weights")
    for file in ("other.h5", "other.weights.h5", "broken.h5"):
        with pytest.raises((ValueError, OSError)):
            load_imagenet(model, tmp_path / file)
    with pytest.raises(FileNotFoundError):
        load_imagenet(model, tmp_path / "none.h5")
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    with pytest.raises(ValueError, match='built with pixels="imagenet"'):
        load_imagenet(models.build("resnet50_toy"), tmp_path / "other.h5")
    with pytest.raises(ValueError, match=r"ResNet or DenseNet or EfficientNet\. Received: RRViT"):
        load_imagenet(models.build("rr_vit_toy"), tmp_path / "other.h5")
    toy = models.build("efficientnet_b0_toy", pixels="imagenet")
    with pytest.raises(ValueError, match="Only the full-size network"):
        copy_trunk(reference("efficientnet_b0"), toy)


@pytest.mark.parametrize("name", FULL_SIZE)
def test_initial_weights_spread_as_those_of_keras_applications(name, reference, initial):
    """Layer by layer, for layers of enough weights; Glorot's initializer would fail."""
    network, model = reference(name), models.build(name)
    network.set_weights(initial[name])
    shapes = [(v.path, tuple(v.shape)) for v in model.weights if v.path.endswith("kernel")]
    ours = [ops.convert_to_numpy(v).std() for v in model.weights if v.path.endswith("kernel")]
    copy_trunk(network, model)  # pairs the layers
    theirs = [ops.convert_to_numpy(v).std() for v in model.weights if v.path.endswith("kernel")]
    compared = 0
    for (path, shape), own, other in zip(shapes, ours, theirs, strict=True):
        if np.prod(shape) > 1000 and path.split("/")[1] not in ("hidden", "head"):
            compared += 1
            assert np.isclose(own, other, rtol=6 / np.sqrt(np.prod(shape))), path
    assert compared >= 50
    randomise(network)


# Intermediates and arguments


@pytest.mark.parametrize("name", TOYS)
def test_intermediates(name):
    model = models.build(name, image_size=64)
    images = np.random.default_rng(0).random((2, 64, 64, 1)).astype(np.float32)
    plain, full = model(images), model(images, return_intermediates=True)
    assert set(full) == {"logits", "features", "maps"}
    np.testing.assert_array_equal(ops.convert_to_numpy(full["logits"]), ops.convert_to_numpy(plain))
    assert list(full["maps"]) == [layer.name for layer in model.trunk]
    assert full["features"] is list(full["maps"].values())[-1]
    assert all(len(x.shape) == 4 and x.shape[0] == 2 for x in full["maps"].values())


@pytest.mark.parametrize(
    ("image_size", "sides"), [(64, [16, 16, 8, 4, 2]), (100, [25, 25, 13, 7, 4])]
)
def test_maps_of_resnet_halve_from_stage_to_stage(image_size, sides):
    model = models.build("resnet50_toy", image_size=image_size)
    images = np.zeros((1, image_size, image_size, 1), np.float32)
    maps = model(images, return_intermediates=True)["maps"]
    names = ["conv1", "conv2_block1", "conv3_block1", "conv4_block1", "conv5_block1"]
    assert [maps[name].shape[1] for name in names] == sides
    assert [maps[name].shape[3] for name in names] == [16, 32, 64, 96, 128]


@full_size
def test_without_shortcuts_only_their_projections_are_missing():
    model = models.build("resnet50", residual=False)
    missing = sum(
        block.shortcut.count_params()
        for block in models.build("resnet50").trunk[1:]
        if block.shortcut
    )
    assert model.count_params() + missing == COUNTS["resnet50"]


def test_paths_are_dropped_more_and_more(built):
    model = built("efficientnet_b0", 64)
    blocks = [layer for layer in model.trunk if isinstance(layer, MBConv)]
    assert [b.drop_rate for b in blocks] == pytest.approx([0.2 * i / 16 for i in range(16)])
    assert sum(b.drop is not None for b in blocks) == 9


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet50_toy", {"image_size": 28}, r"at least 32 px \(it is halved five times\)"),
        ("densenet121_toy", {"pixels": "0-255"}, "one of 'unit', 'imagenet'. Received: '0-255'"),
        ("efficientnet_b0_toy", {"num_labels": 0}, "num_labels. Expected: an integer"),
    ],
)
def test_bad_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, **arguments)


def test_weights_files_that_lead_outside_are_refused(tmp_path):
    path, secret = tmp_path / "resnet50.weights.h5", tmp_path / "secret"
    with h5py.File(secret, "w") as file:
        file["data"] = np.zeros(4, np.float32)
    with h5py.File(path, "w") as file:
        file["more"] = h5py.ExternalLink(str(secret), "data")
    model = models.build("resnet50", image_size=32, pixels="imagenet")
    with pytest.raises(ValueError, match="more leads out of the file"):
        load_imagenet(model, path)
