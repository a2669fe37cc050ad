"""Images keep their pixels and a fixed window; boxes, masks and marks are drawn over them."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from xraylab import plotting
from xraylab.data import Split
from xraylab.findings import index
from xraylab.phantom import BOX_DTYPE
from xraylab.plotting.images import data_uri

IMAGE = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8) // 2


def embedded_images(svg):
    found = re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(f))).convert("L")) for f in found]


def test_images_keep_their_pixels():
    figure = plotting.image_grid(np.stack([IMAGE, IMAGE // 4]))
    embedded = embedded_images(figure.to_svg())
    for image, pixels in zip((IMAGE, IMAGE // 4), embedded, strict=True):
        upright = pixels if np.array_equal(pixels, image) else pixels[::-1]
        np.testing.assert_array_equal(upright, image)


def test_only_large_images_are_smoothed():
    assert "pixelated" in plotting.image_grid(IMAGE[None]).to_svg()
    assert "pixelated" not in plotting.image_grid(np.zeros((1, 128, 128), np.uint8)).to_svg()


def test_text_alternative_of_a_grid():
    figure = plotting.image_grid(np.stack([IMAGE] * 2), titles=["Hernia", "Mass"], simulated=True)
    assert figure.alt == "2 simulated chest X-rays: Hernia; Mass."
    assert plotting.image_grid(IMAGE[None], alt="One image").alt == "One image"


def test_box_positions():
    boxes = np.array([(1, index("mass"), 0.25, 0.5, 0.75, 1.0)], BOX_DTYPE)
    figure = plotting.image_grid(np.stack([IMAGE] * 2), boxes=boxes)
    first, second = figure.axes
    assert not first.patches
    (box,) = second.patches
    assert box.get_bbox().bounds == (15.5, 31.5, 32.0, 32.0)
    assert box.get_edgecolor()[:3] == pytest.approx(
        [int(plotting.FINDING_COLORS["mass"][i : i + 2], 16) / 255 for i in (1, 3, 5)]
    )
    assert "Mass" in [text.get_text() for text in second.texts]


def test_simulated_images_are_marked():
    texts = [
        t.get_text() for a in plotting.image_grid(IMAGE[None], simulated=True).axes for t in a.texts
    ]
    assert texts == ["simulated"]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8, 4), np.uint8),
        np.zeros(8, np.uint8),
        np.full((8, 8), 2.0),
        np.full((8, 8), -0.5),
        np.full((8, 8), np.nan),
        np.full((8, 8), 255, np.int64),
    ],
)
def test_invalid_images(image):
    with pytest.raises(ValueError, match=r"image\. Expected"):
        plotting.image_grid(image[None])


def test_invalid_titles_and_number_of_images():
    with pytest.raises(ValueError, match=r"titles\. Expected: 1"):
        plotting.image_grid(IMAGE[None], titles=["a", "b"])
    with pytest.raises(ValueError, match="at least one"):
        plotting.image_grid(np.zeros((0, 8, 8), np.uint8))


def test_a_split_is_no_array_of_images():
    split = Split(IMAGE[None], [[1]], label_names=["one"])
    with pytest.raises(TypeError, match=r"Use split\.images"):
        plotting.image_grid(split)


def test_image_with_heatmap_describes_its_maximum_and_unit():
    values = np.zeros((8, 8))
    values[7, 0] = 0.5
    figure = plotting.image_with_heatmap(IMAGE, values, colorbar_label="attention", title="Head 1")
    assert "6% from the left and 94% from the top" in figure.alt
    assert figure.axes[1].get_ylabel() == "attention"
    assert "0.5" in figure.alt


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 1), (64, 64, 3)])
def test_data_uri_is_lossless(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    kind, code = data_uri(image).removeprefix("data:image/").split(";base64,")
    assert kind == "webp"
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB"))
    np.testing.assert_array_equal(decoded, np.broadcast_to(image.reshape(64, 64, -1), (64, 64, 3)))


def test_mask_contours_follow_the_pixel_edges():
    masks = np.zeros((1, 14, 64, 64), bool)
    masks[0, index("mass"), 10:20, 30:64] = True  # it touches the image's edge
    (axes,) = plotting.image_grid(IMAGE[None], masks=masks).axes
    (contour,) = [c for c in axes.collections if hasattr(c, "levels")]
    corners = np.concatenate([path.vertices for path in contour.get_paths()])
    np.testing.assert_allclose(corners.min(axis=0), [29.5, 9.5])
    np.testing.assert_allclose(corners.max(axis=0), [63.5, 19.5], atol=0.26)
    assert not plotting.image_grid(IMAGE[None], masks=masks[:, :3]).axes[0].collections


def test_mark_boundaries_changes_only_the_lines():
    mask = np.zeros((64, 64), bool)
    mask[10:20, 30:40] = True
    box = np.array([(0, index("mass"), 0.25, 0.125, 0.75, 0.5)], BOX_DTYPE)[0]
    marked = plotting.mark_boundaries(IMAGE, mask, box, finding="mass")
    color = [int(plotting.FINDING_COLORS["mass"][i : i + 2], 16) for i in (1, 3, 5)]
    lines = (marked == color).all(axis=-1)
    assert lines[10, 30:40].all() and lines[8, 16:48].all() and lines[8:32, 47].all()
    assert not lines[11:19, 31:39].any()
    np.testing.assert_array_equal(marked[~lines], np.repeat(IMAGE[..., None], 3, axis=-1)[~lines])
