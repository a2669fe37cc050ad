"""The live model as a reader operates it: images, patches, heads, keys, refusal."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from xraylab import phantom
from xraylab.findings import FINDINGS


def state(page):
    """Return status and probabilities as text."""
    values = page.locator(".probabilities .value").all_inner_texts()
    return page.locator(".status").inner_text(), values


def wait_for(page, text):
    page.wait_for_function(
        "text => document.querySelector('.status').textContent.includes(text)", arg=text
    )


def png(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, options.pop("format", "png"), **options)
    return file.getvalue()


def choose_file(page, content, name="image.png"):
    page.locator(".file").set_input_files(
        {"name": name, "mimeType": f"image/{name.split('.')[-1]}", "buffer": content}
    )


def radiograph(turns=0, inverted=False, size=256):
    pixels = phantom.simulate([33], size).images[0]
    return np.rot90(255 - pixels if inverted else pixels, turns)


def test_result_is_shown_before_the_model_is_loaded(page):
    _, values = state(page)
    assert len(values) == len(FINDINGS)
    assert not any("weights" in url for url in page.requests)
    page.locator(".sample").nth(1).click()  # the default image
    wait_for(page, "SIMULATED image: Effusion")
    page.wait_for_function("document.querySelector('.input img').alt.includes('SIMULATED')")
    assert state(page)[1] == values
    assert any("weights" in url for url in page.requests)


def test_bars_are_as_long_as_the_probabilities(page):
    page.locator(".sample").nth(2).click()
    wait_for(page, "Cardiomegaly")
    axis = float(page.locator(".axis").inner_text()[:-1])
    widths = page.locator(".bars i").evaluate_all("bars => bars.map(bar => bar.style.width)")
    lengths = [float(width[:-1]) for width in widths]
    values = [100 * float(value[:-1]) / axis for value in state(page)[1]]
    np.testing.assert_allclose(lengths, values, atol=0.06 * 100 / axis)


def test_page_shows_its_result_without_javascript(browse, site):
    page = browse(site / "page.html", java_script_enabled=False)
    assert len(state(page)[1]) == len(FINDINGS)
    assert page.locator(".static").is_visible()
    assert not page.locator(".samples").is_visible()


def test_claims_on_the_page_are_those_of_the_record(page, site):
    import live_model

    record = json.loads(live_model.RECORD.read_text("utf-8"))
    notice = page.locator(".notice").inner_text()
    interval = record["intervals"]["macro_auc"]
    assert f"{record['data']['train']['num_images']:,} real NIH images" in notice
    assert f"{interval['value']:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]" in notice
    assert "not for diagnosis" in notice


def test_patches_are_painted_with_the_mouse(page):
    page.locator(".sample").first.click()
    wait_for(page, "No finding")
    box = page.locator(".patches").bounding_box()
    cell = box["width"] / 8
    page.mouse.move(box["x"] + 0.5 * cell, box["y"] + 2.5 * cell)
    page.mouse.down()
    page.mouse.move(box["x"] + 3.5 * cell, box["y"] + 2.5 * cell, steps=12)
    page.mouse.up()
    wait_for(page, "4 patches hidden")
    assert page.locator(".patches [aria-pressed=true]").count() == 4
    assert any(text.strip() for text in page.locator("td.change").all_inner_texts())
    page.locator(".show").click()
    page.wait_for_function("!document.querySelector('.status').textContent.includes('hidden')")
    assert not any(text.strip() for text in page.locator("td.change").all_inner_texts())


def test_patches_are_painted_with_a_finger(browse, site):
    page = browse(site / "page.html", has_touch=True)
    page.locator(".patches button").nth(20).tap()
    wait_for(page, "1 patch hidden")


def test_everything_works_with_the_keyboard(page):
    page.locator(".patches button").first.focus()
    for key in ("ArrowRight", "ArrowDown", "Space"):
        page.keyboard.press(key)
    wait_for(page, "1 patch hidden")
    pressed = page.locator(".patches [aria-pressed=true]")
    assert pressed.get_attribute("aria-label") == "Row 2, column 2"
    page.keyboard.press("Enter")
    page.wait_for_function("!document.querySelector('.status').textContent.includes('hidden')")
    page.locator(".heads [data-name]").nth(2).focus()
    page.keyboard.press("Space")
    wait_for(page, "1 head off")
    # Of 64 patches the tabulator reaches one.
    assert page.locator(".patches button[tabindex='0']").count() == 1


def test_another_block_and_head_can_be_viewed(page):
    page.locator("[name=block]").select_option(label="1")
    page.locator("[name=head]").select_option(label="3")
    page.wait_for_function(
        "document.querySelector('.attention img').alt.includes('block 1, head 3')"
    )
    text = page.locator(".attention output").inner_text()
    assert 0 < float(text) <= 1


def test_operating_points_follow_the_rule(page):
    before = page.locator(".point").all_inner_texts()
    page.locator(".rule").select_option("sensitivity")
    page.wait_for_function(
        "before => document.querySelector('td.point').textContent !== before", arg=before[0]
    )
    after = page.locator(".point").all_inner_texts()
    assert all(float(a[:-1]) <= float(b[:-1]) for a, b in zip(after, before, strict=True))


def test_image_files_are_predicted(page):
    for size, kind in ((224, "png"), (240, "jpeg"), (256, "webp")):
        choose_file(page, png(radiograph(size=size), format=kind), f"image.{kind}")
        wait_for(page, f"Your image, {size} × {size} pixels")


def test_exif_orientation_is_applied(page):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    choose_file(page, png(radiograph(1), format="jpeg", exif=exif), "image.jpeg")
    wait_for(page, "Your image, 256 × 256 pixels")


def test_images_are_dropped_and_pasted(page):
    for event, size in (("drop", 240), ("paste", 256)):
        text = base64.b64encode(png(radiograph(size=size))).decode()
        page.evaluate(
            """([text, event]) => {
              const data = new DataTransfer();
              const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
              data.items.add(new File([bytes], "x.png", {type: "image/png"}));
              const made = event === "drop"
                ? new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})
                : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
              document.querySelector(".own").dispatchEvent(made);
            }""",
            [text, event],
        )
        wait_for(page, f"Your image, {size} × {size} pixels")


def test_an_oblong_image_is_padded_or_cut(page):
    choose_file(page, png(np.pad(radiograph(), ((0, 0), (20, 20)))))
    wait_for(page, "Your image, 296 × 256 pixels")
    padded = state(page)[1]
    page.locator(".square select").select_option("crop")
    page.wait_for_function(
        "before => document.querySelector('td.value').textContent !== before", arg=padded[0]
    )


def test_turned_and_inverted_images_are_named_and_corrected(page):
    cases = ((1, False, "on its side"), (2, False, "upside down"), (0, True, "a negative"))
    for turns, inverted, named in cases:
        choose_file(page, png(radiograph(turns, inverted)))
        wait_for(page, named)
        assert not page.locator(".probabilities").is_visible()
        page.locator(".correct button").first.click()
        wait_for(page, "Your image, 256 × 256 pixels")
        assert page.locator(".probabilities").is_visible()


def test_other_pictures_are_refused_with_the_reason(page):
    import other_pictures

    rng = np.random.default_rng(9)
    choose_file(page, png(other_pictures.colour(rng)))
    wait_for(page, "in colour")
    choose_file(page, png(other_pictures.text(rng)))
    wait_for(page, "does not look like a frontal chest X-ray")
    assert not page.locator(".probabilities").is_visible()
    page.locator(".correct button").last.click()
    wait_for(page, "was not recognised")


def test_unreadable_files_are_explained(page):
    choose_file(page, b"no image")
    wait_for(page, "Not an image that this browser reads")
    choose_file(page, png(np.zeros((8, 8), np.uint16)))
    wait_for(page, "16 bits")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_on_a_phone(browse, site, scheme):
    page = browse(site / "page.html", color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_print_shows_the_result_without_controls(page):
    page.emulate_media(media="print")
    assert page.locator(".pictures").is_visible()
    assert page.locator(".notice").is_visible()
    assert not page.locator(".samples").is_visible()
    assert not page.locator(".heads").is_visible()


def test_memory_does_not_grow(page):
    page.locator(".sample").first.click()
    wait_for(page, "No finding")
    change = """async count => {
      const heads = [...document.querySelectorAll(".heads [data-name]")];
      for (let i = 0; i < count; i++) {
        heads[i % heads.length].click();
        await new Promise(done => setTimeout(done));
      }
      gc();
      return performance.memory.usedJSHeapSize;
    }"""
    first = page.evaluate(change, 20)
    assert page.evaluate(change, 200) < first + 2e6
