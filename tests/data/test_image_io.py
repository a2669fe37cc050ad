"""Image files to square 8-bit grey: depths, colours, shapes and damage."""

import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from xraylab import data
from xraylab.data import DataError, image_io
from xraylab.data.image_io import UnreadableImage, decode_image, read_image, suspect

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
def test_16_bits_are_stretched_between_percentiles(tmp_path, least, most):
    levels = np.linspace(least, most, 256).round().astype(np.uint16).reshape(16, 16)
    image = read_image(saved(tmp_path, Image.fromarray(levels)), 16)
    span = np.array([0.005, 0.995]) * (most - least) + least
    expected = np.clip((levels - span[0]) / np.ptp(span) * 255, 0, 255)
    np.testing.assert_allclose(image, expected, atol=1)
    assert image.min() == 0 and image.max() == 255


@pytest.mark.parametrize("outlier", [0, 65535])
def test_one_hot_or_dead_pixel_does_not_set_the_contrast(tmp_path, outlier):
    levels = np.random.default_rng(0).integers(1000, 4096, (64, 64), np.uint16)
    clean = read_image(saved(tmp_path, Image.fromarray(levels)), 64)
    levels[20, 30] = outlier
    image = read_image(saved(tmp_path, Image.fromarray(levels)), 64)
    difference = np.abs(image.astype(int) - clean)
    difference[20, 30] = 0
    assert difference.max() <= 1 and image[20, 30] == min(outlier, 255)


def test_a_few_bright_pixels_on_one_level_are_kept(tmp_path):
    levels = np.full((32, 32), 500, np.uint16)
    levels[4, 4] = 900
    image = read_image(saved(tmp_path, Image.fromarray(levels)), 32)
    assert image[4, 4] == 255 and image.sum() == 255


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


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("opacity", [0, 90, 255])
def test_transparency_is_ignored(tmp_path, channels, opacity):
    picture = np.full((16, 16, channels), opacity, np.uint8)
    picture[..., :-1] = RAMP[..., np.newaxis]
    np.testing.assert_array_equal(read_image(saved(tmp_path, Image.fromarray(picture)), 16), RAMP)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    """The stored pixels of an upright image, by the definition of the tag (EXIF 2.3, 4.6.4)."""
    turns, mirrored = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (1, 1), 6: (1, 0), 7: (3, 1),
                       8: (3, 0)}[orientation]  # fmt: skip
    stored = np.rot90(RAMP, turns)
    if mirrored:
        stored = {2: np.fliplr(RAMP), 4: np.flipud(RAMP), 5: RAMP.T, 7: RAMP[::-1, ::-1].T}[
            orientation
        ]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "image.png"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path, 16), RAMP)


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


SMOOTH = np.add.outer(np.arange(64), 2 * np.arange(64)).astype(np.uint8)
SMOOTH += np.random.default_rng(0).integers(0, 9, (64, 64), np.uint8)
ENCODINGS = {
    "PNG": {},
    "JPEG": {"quality": 95},
    "progressive JPEG": {"progressive": True},
    "WEBP": {"lossless": True},
    "BMP": {},
    "TIFF": {"compression": "tiff_lzw"},
    "GIF": {},
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_content_decides_on_the_format_and_cut_files_are_refused(tmp_path, encoding):
    stream = io.BytesIO()
    Image.fromarray(SMOOTH).save(stream, encoding.split()[-1], **ENCODINGS[encoding])
    whole, path = stream.getvalue(), tmp_path / "wrong.dcm"
    path.write_bytes(whole)
    image = read_image(path, 64)
    assert np.abs(image.astype(int) - SMOOTH).mean() < 3
    for length in np.linspace(0, 0.9 * len(whole), 12).astype(int):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableImage):
            read_image(path, 64)


@pytest.mark.parametrize("form", ["EPS", "PDF", "PPM", "TGA", "ICO"])
def test_other_formats_are_not_opened(tmp_path, form, monkeypatch):
    path = tmp_path / "image.png"
    Image.fromarray(RAMP).convert("RGB").save(path, form)
    monkeypatch.setenv("PATH", "")  # no interpreter could be found either
    with pytest.raises(UnreadableImage, match="known format"):
        read_image(path, 16)


def test_limits_are_checked_before_decoding(tmp_path, monkeypatch):
    path = saved(tmp_path, Image.fromarray(RAMP))
    monkeypatch.setattr(image_io, "MAX_PIXELS", 255)
    with pytest.raises(UnreadableImage, match="16×16 px are more than the limit of 255"):
        read_image(path, 16)
    monkeypatch.setattr(image_io, "MAX_BYTES", 50)
    with pytest.raises(UnreadableImage, match="are more than the limit of 50 bytes"):
        read_image(path, 16)


def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "image.png")
    for path in (tmp_path / "image.png", tmp_path):
        with pytest.raises(UnreadableImage, match="not a regular file"):
            read_image(path, 16)


def test_suspect_images(tmp_path):
    assert suspect(np.full((16, 16), 7, np.uint8)) == "constant"
    spot = np.full((64, 64), 7, np.uint8)
    spot[3, 3] = 200
    assert suspect(spot) == "constant"
    wide = saved(tmp_path, Image.fromarray(np.tile(RAMP, (1, 4))))
    assert decode_image(wide, 16).suspect == "narrow"
    assert suspect(RAMP, (48, 16)) == "" and suspect(RAMP, (49, 16)) == "narrow"
    noise = np.random.default_rng(0).integers(0, 256, (200, 64, 64), np.uint8)
    assert not any(map(suspect, noise))


def test_negatives_and_images_on_their_side(tmp_path):
    """The template resembles phantom images, and few of them are taken for anything else."""
    split = data.load("phantom", 64, "test", num_images=64, cache_dir=tmp_path, progress=False)
    images = np.array(split.images)
    small = images.reshape(64, 8, 8, 8, 8).mean((2, 4))
    template = image_io._CHEST
    assert np.corrcoef(small.mean(0).ravel(), template.ravel())[0, 1] > 0.85
    found = {
        kind: np.mean([suspect(np.ascontiguousarray(image)) == kind for image in changed])
        for kind, changed in (
            ("", images),
            ("negative", 255 - images),
            ("sideways", np.rot90(images, axes=(1, 2))),
        )
    }
    assert min(found.values()) > 0.85, found


@pytest.fixture
def write_dicom(tmp_path):
    """Write a DICOM file with some attributes; return its path."""
    pydicom = pytest.importorskip("pydicom")

    def write(levels, kind="MONOCHROME2", **attributes):
        header = pydicom.Dataset()
        header.file_meta = pydicom.dataset.FileMetaDataset()
        header.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        header.SOPClassUID, header.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
        header.Rows, header.Columns = levels.shape
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, kind
        bits = 8 * levels.itemsize
        header.BitsAllocated, header.BitsStored = bits, attributes.pop("BitsStored", bits)
        header.HighBit = header.BitsStored - 1
        header.PixelRepresentation = 0
        header.PixelData = levels.tobytes()
        for name, value in attributes.items():
            setattr(header, name, value)
        header.save_as(tmp_path / "image.png", enforce_file_format=True)
        return tmp_path / "image.png"

    return write


def test_dicom(write_dicom, monkeypatch):
    np.testing.assert_array_equal(read_image(write_dicom(RAMP), 16), RAMP)
    for inverted in (
        {"kind": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"kind": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ):
        np.testing.assert_array_equal(read_image(write_dicom(RAMP, **inverted), 16), 255 - RAMP)
    levels = np.linspace(0, 4095, 256).round().astype(np.uint16).reshape(16, 16)
    slope, intercept, center, width = 2.0, -1000.0, 3000.0, 4000.0
    window = {"RescaleSlope": slope, "RescaleIntercept": intercept, "BitsStored": 12}
    window |= {"WindowCenter": center, "WindowWidth": width}
    scaled = levels * slope + intercept
    # PS3.3 C.11.2.1.2.1, linear function
    expected = ((scaled - (center - 0.5)) / (width - 1) + 0.5) * 255
    expected = np.clip(expected, 0, 255)
    image = read_image(write_dicom(levels, **window), 16)
    np.testing.assert_allclose(image, expected, atol=0.51)
    image = read_image(write_dicom(levels, kind="MONOCHROME1", **window), 16)
    np.testing.assert_allclose(image, 255 - expected, atol=0.51)
    path = write_dicom(levels, BitsStored=12)
    assert np.ptp(read_image(path, 16)) == 255  # percentiles, without a window
    whole = path.read_bytes()
    for length in range(150, len(whole), 60):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableImage):
            read_image(path, 16)


def test_dicom_without_pydicom(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    path = tmp_path / "image.png"
    path.write_bytes(bytes(128) + b"DICM" + bytes(100))
    with pytest.raises(UnreadableImage, match=r"DICOM file, which needs pydicom: pip install"):
        read_image(path, 16)
