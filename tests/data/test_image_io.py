"""Image files to square 8-bit grey: depths, colours, shapes and damage."""

import io

import numpy as np
import pytest
from PIL import Image

from xraylab.data import DataError
from xraylab.data.image_io import UnreadableImage, read_image

RAMP = np.linspace(0, 255, 16 * 16).reshape(16, 16).round().astype(np.uint8)


def saved(tmp_path, image, name="image.png"):
    path = tmp_path / name
    image.save(path)
    return path


def test_8_bit_grey_of_the_right_size_is_untouched(tmp_path):
    path = saved(tmp_path, Image.fromarray(RAMP))
    for square in ("pad", "crop", "stretch"):
        image = read_image(path, 16, square)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, RAMP)


@pytest.mark.parametrize("least, most", [(0, 65535), (0, 4095), (1000, 20000)])
def test_16_bits_are_stretched_from_darkest_to_brightest(tmp_path, least, most):
    levels = np.linspace(least, most, 256).round().astype(np.uint16).reshape(16, 16)
    image = read_image(saved(tmp_path, Image.fromarray(levels)), 16)
    expected = (levels.astype(float) - least) / (most - least) * 255
    np.testing.assert_allclose(image, expected, atol=0.5 + 1e-9)
    assert image.min() == 0 and image.max() == 255


def test_uniform_16_bit_images(tmp_path):
    image = read_image(saved(tmp_path, Image.fromarray(np.full((16, 16), 900, np.uint16))), 16)
    assert not image.any()


def test_colour_is_converted_to_luma(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    luma = colours @ np.array([0.299, 0.587, 0.114])
    image = read_image(saved(tmp_path, Image.fromarray(colours)), 16)
    np.testing.assert_allclose(image, luma, atol=1)
    grey = np.repeat(RAMP[..., np.newaxis], 3, axis=2)
    np.testing.assert_array_equal(read_image(saved(tmp_path, Image.fromarray(grey)), 16), RAMP)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "1"])
def test_every_other_mode_is_read(tmp_path, mode):
    source = Image.fromarray(np.where(RAMP > 99, 255, 0).astype(np.uint8)).convert(mode)
    name = "image.tif" if mode == "CMYK" else "image.png"
    image = read_image(saved(tmp_path, source, name), 16)
    np.testing.assert_array_equal(image, np.where(RAMP > 99, 255, 0))


def test_transparent_pixels_are_black(tmp_path):
    picture = np.full((16, 16, 4), 200, np.uint8)
    picture[..., 3] = 255
    picture[:8, :, 3] = 0
    image = read_image(saved(tmp_path, Image.fromarray(picture)), 16)
    assert not image[:8].any() and (image[8:] == 200).all()


def test_shrinking_averages_pixels(tmp_path):
    stripes = np.tile(np.array([0, 255] * 32, np.uint8), (64, 1))
    image = read_image(saved(tmp_path, Image.fromarray(stripes)), 16)
    np.testing.assert_allclose(image[:, 1:-1].mean(), 127.5, atol=1)
    assert np.ptp(image[:, 2:-2].astype(int)) <= 4


@pytest.mark.parametrize("turned", [False, True])
def test_images_that_are_not_square(tmp_path, turned):
    """Four columns dark, eight bright, four dark, eight rows high; then the same turned."""
    levels = np.full((8, 16), 40, np.uint8)
    levels[:, 4:12] = 200
    path = saved(tmp_path, Image.fromarray(levels.T if turned else levels))

    def read(square, size=16):
        image = read_image(path, size, square)
        return image.T if turned else image

    padded = read("pad")
    assert not padded[:4].any() and not padded[12:].any()
    np.testing.assert_array_equal(padded[4:12], levels)
    assert (read("crop", 8) == 200).all()
    stretched = read("stretch")
    np.testing.assert_array_equal(stretched, np.repeat(levels, 2, axis=0))


def test_files_that_hold_no_image(tmp_path):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(noise).save(stream, "png")
    whole = stream.getvalue()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    contents = {
        "empty": b"",
        "text": b"<!doctype html><p>please log in</p>",
        "cut short": whole[: len(whole) // 2],
        "cut in its header": whole[:20],
        "one bit wrong": bytes(flipped),
        "no end": whole[:-20],
    }
    for what, content in contents.items():
        path = tmp_path / f"{what}.png"
        path.write_bytes(content)
        try:
            image = read_image(path, 64)
        except UnreadableImage as error:
            assert str(error), what
        else:
            # Only the end mark is gone: the picture itself may be complete.
            assert what == "no end"
            np.testing.assert_array_equal(image, noise)
    path = saved(tmp_path, Image.fromarray(np.full((4, 4), np.nan, np.float32)), "image.tif")
    with pytest.raises(UnreadableImage, match="not finite"):
        read_image(path, 4)


def test_system_errors_are_no_damaged_images(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "gone.png", 16)
    assert not issubclass(UnreadableImage, (OSError, DataError))
