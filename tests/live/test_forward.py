"""The JavaScript forward pass against Keras, and the reading of images against the package."""

import base64
import itertools

import numpy as np
import pytest
from PIL import Image

from xraylab import explain, phantom
from xraylab.data.image_io import square_image

NUM_MAPS = 8
"""Images whose attention is compared; the maps of all would be 100 MB of text."""

FORWARD = """
async ([text, hidden, off, maps]) => {
  const model = await xraylab_live.load("rr_vit");
  const numbers = new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  const encode = array => {
    const bytes = new Uint8Array(array.buffer);
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) {
      text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    }
    return btoa(text);
  };
  const results = [];
  for (let i = 0; i < numbers.length; i += 4096) {
    const found = model.forward(numbers.slice(i, i + 4096), hidden, new Set(off));
    const { logits, reconstruction, attention } = found;
    const blocks = i < 4096 * maps ? Object.values(attention) : [];
    results.push([logits, reconstruction, ...blocks].map(encode));
  }
  return results;
}
"""


def forward(page, images, hidden=(), off=()):
    """Run the JavaScript model; return logits and reconstruction, and attention of 8 images."""
    text = base64.b64encode(np.float32(images).tobytes()).decode()
    found = page.evaluate(FORWARD, [text, list(hidden), list(off), NUM_MAPS])
    arrays = [[np.frombuffer(base64.b64decode(x), "<f4") for x in row] for row in found]
    maps = [np.stack(row[2:]).reshape(4, 4, 65, 65) for row in arrays[:NUM_MAPS]]
    reconstruction = np.stack([row[1] for row in arrays]).reshape(-1, 64, 64, 1)
    return np.stack([row[0] for row in arrays]), reconstruction, np.stack(maps)


@pytest.fixture(scope="module")
def images():
    return np.float32(phantom.simulate(np.arange(100), 64).images[..., None]) / 255


def expected(model, images, **options):
    found = model(images, training=False, return_intermediates=True, **options)
    attention = np.stack([a[:NUM_MAPS] for a in found["attention"].values()], axis=1)
    return np.asarray(found["logits"]), np.asarray(found["reconstruction"]), attention


@pytest.mark.parametrize("address", ["file", "server"])
def test_outputs_are_those_of_keras(browse, site, served, pretrained, images, address):
    page = browse(served if address == "server" else site / "page.html")
    images = images[:NUM_MAPS] if address == "server" else images
    for found, wanted in zip(forward(page, images), expected(pretrained, images), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-4)
    assert page.problems == []


def test_weights_are_a_small_download(site):
    assert (site / "_static" / "live" / "rr_vit_weights.js").stat().st_size < 1.2e6


def test_patches_are_hidden_as_explain_does(page, pretrained, images):
    hidden = np.random.default_rng(3).random((8, 8)) < 0.4
    logits, reconstruction, _ = forward(page, images[:3], hidden.ravel().tolist())
    wanted = explain.reconstruct(pretrained, images[:3], hidden)
    np.testing.assert_allclose(logits, wanted.logits, rtol=0, atol=1e-4)
    np.testing.assert_allclose(reconstruction, wanted.reconstruction, rtol=0, atol=1e-4)


def test_heads_are_switched_off(page, pretrained, images):
    off = {("block_0", 1), ("block_2", 3)}

    def remove(name, attention):
        keep = np.array([(name, head) not in off for head in range(4)], "float32")
        return attention * keep[:, None, None]

    found = forward(page, images[:3], off=[f"{block}/head_{head}" for block, head in off])
    wanted = expected(pretrained, images[:3], attention_transform=remove)
    assert not np.allclose(wanted[0], expected(pretrained, images[:3])[0], atol=0.01)
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


def test_resizing_is_that_of_the_package(page):
    shapes = [(64, 64), (200, 137), (75, 201), (31, 64), (512, 512), (64, 33)]
    for shape, how in itertools.product(shapes, ["pad", "crop"]):
        grey = np.random.default_rng(5).integers(0, 256, shape, np.uint8)
        height, width = shape
        call = f"""text => Array.from(xraylab_live.square({{
            grey: Uint8Array.from(atob(text), c => c.charCodeAt(0)),
            width: {width}, height: {height}
        }}, 64, "{how}"))"""
        found = page.evaluate(call, base64.b64encode(grey.tobytes()).decode())
        wanted = square_image(Image.fromarray(grey), 64, how)
        np.testing.assert_array_equal(np.reshape(found, (64, 64)), wanted, f"{shape} {how}")


def test_turning_is_counterclockwise(page):
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    source = {"width": 3, "height": 2, "colour": 0}
    for turns in range(4):
        call = f"""source => {{ const turned = xraylab_live.turn(
            {{...source, grey: Uint8Array.from({grey.ravel().tolist()})}}, {turns}, true);
            return [turned.height, turned.width, Array.from(turned.grey)]; }}"""
        *shape, levels = page.evaluate(call, source)
        np.testing.assert_array_equal(np.reshape(levels, shape), 255 - np.rot90(grey, turns))


def test_features_are_those_of_the_measurement(page, pretrained):
    import measure_refusal

    for kind in ("text", "hand", "noise"):
        pixels = measure_refusal.draw(kind, 2, 1)[0]
        call = f"""pixels => xraylab_live.features(Uint8Array.from(pixels), 64, {0.01})"""
        found = page.evaluate(call, pixels.ravel().tolist())
        wanted = measure_refusal.features(pixels, np.array([0.01]))[0]
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
