"""Image files to square 8-bit grey: depths, colours, shapes and damage."""

import io

import numpy as np
import pytest
from PIL import Image

from xraylab.data import DataError
from xraylab.data.film_files import UnreadableFilm, check_square, read_film

RAMP = np.linspace(0, 255, 16 * 16).reshape(16, 16).round().astype(np.uint8)


def saved(tmp_path, image, name="film.png"):
    path = tmp_path / name
    image.save(path)
    return path


def test_8_bit_grey_of_the_right_size_is_untouched(tmp_path):
    path = saved(tmp_path, Image.fromarray(RAMP))
    for square in ("pad", "crop", "stretch"):
        film = read_film(path, 16, square)
        assert film.dtype == np.uint8
        np.testing.assert_array_equal(film, RAMP)


@pytest.mark.parametrize("least, most", [(0, 65535), (0, 4095), (1000, 20000)])
def test_16_bits_are_stretched_from_darkest_to_brightest(tmp_path, least, most):
    levels = np.linspace(least, most, 256).round().astype(np.uint16).reshape(16, 16)
    film = read_film(saved(tmp_path, Image.fromarray(levels)), 16)
    expected = (levels.astype(float) - least) / (most - least) * 255
    np.testing.assert_allclose(film, expected, atol=0.5 + 1e-9)
    assert film.min() == 0 and film.max() == 255


def test_16_bits_all_alike(tmp_path):
    film = read_film(saved(tmp_path, Image.fromarray(np.full((16, 16), 900, np.uint16))), 16)
    assert not film.any()


def test_colour_becomes_its_luma(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    luma = colours @ np.array([0.299, 0.587, 0.114])
    film = read_film(saved(tmp_path, Image.fromarray(colours)), 16)
    np.testing.assert_allclose(film, luma, atol=1)
    grey = np.repeat(RAMP[..., np.newaxis], 3, axis=2)
    np.testing.assert_array_equal(read_film(saved(tmp_path, Image.fromarray(grey)), 16), RAMP)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK", "1"])
def test_every_other_mode_is_a_film_too(tmp_path, mode):
    source = Image.fromarray(np.where(RAMP > 99, 255, 0).astype(np.uint8)).convert(mode)
    name = "film.tif" if mode == "CMYK" else "film.png"
    film = read_film(saved(tmp_path, source, name), 16)
    np.testing.assert_array_equal(film, np.where(RAMP > 99, 255, 0))


def test_what_is_transparent_is_black(tmp_path):
    picture = np.full((16, 16, 4), 200, np.uint8)
    picture[..., 3] = 255
    picture[:8, :, 3] = 0
    film = read_film(saved(tmp_path, Image.fromarray(picture)), 16)
    assert not film[:8].any() and (film[8:] == 200).all()


def test_shrinking_takes_the_mean_rather_than_every_so_many_th_pixel(tmp_path):
    stripes = np.tile(np.array([0, 255] * 32, np.uint8), (64, 1))
    film = read_film(saved(tmp_path, Image.fromarray(stripes)), 16)
    np.testing.assert_allclose(film[:, 1:-1].mean(), 127.5, atol=1)
    assert np.ptp(film[:, 2:-2].astype(int)) <= 4


@pytest.mark.parametrize("turned", [False, True])
def test_films_that_are_not_square(tmp_path, turned):
    """Four columns dark, eight bright, four dark, eight rows high; then the same lying."""
    levels = np.full((8, 16), 40, np.uint8)
    levels[:, 4:12] = 200
    path = saved(tmp_path, Image.fromarray(levels.T if turned else levels))

    def read(square, size=16):
        film = read_film(path, size, square)
        return film.T if turned else film

    padded = read("pad")
    assert not padded[:4].any() and not padded[12:].any()
    np.testing.assert_array_equal(padded[4:12], levels)
    assert (read("crop", 8) == 200).all()
    stretched = read("stretch")
    np.testing.assert_array_equal(stretched, np.repeat(levels, 2, axis=0))


def test_unknown_way_to_square(complaint):
    complaint(check_square, "squash", names="argument square")


def test_files_that_hold_no_film(tmp_path):
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
            film = read_film(path, 64)
        except UnreadableFilm as error:
            assert str(error), what
        else:
            # Only the end mark is gone: the picture itself may have come whole.
            assert what == "no end"
            np.testing.assert_array_equal(film, noise)
    path = saved(tmp_path, Image.fromarray(np.full((4, 4), np.nan, np.float32)), "film.tif")
    with pytest.raises(UnreadableFilm, match="no numbers"):
        read_film(path, 4)


def test_what_the_system_refuses_is_not_the_film_s_fault(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_film(tmp_path / "gone.png", 16)
    assert not issubclass(UnreadableFilm, (OSError, DataError))
