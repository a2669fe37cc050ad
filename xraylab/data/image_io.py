"""One image from an image file: any format, depth and shape to square 8-bit grey."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from xraylab.io import format_bytes

SQUARES = {"pad": ImageOps.pad, "crop": ImageOps.fit, "stretch": Image.Image.resize}
"""Functions that make an image square, see :func:`read_image`."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
"""Formats that Pillow may decode; others could start an interpreter, as PostScript does."""

OTHER_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Suffixes that a DICOM file does not have; many have none."""

DICOM_DECODERS = ("pydicom", "pylibjpeg", "pylibjpeg-libjpeg", "pylibjpeg-openjpeg", "python-gdcm")
"""Packages without which DICOM files, or compressed ones, cannot be read."""

DECODER = 4
"""Version of the rules in this module; it changes whenever the results do."""

MAX_BYTES, MAX_PIXELS = 256 << 20, 64 << 20
"""Limits of a file in bytes and of an image in pixels, checked before the image is decoded."""

_PERCENTILES = (0.5, 99.5)
_MAX_ASPECT = 3
# The mean of images of ChestPhantom 6, 8×8 px: its correlation with a frontal image is about 0.7.
_CHEST = np.array(
    [
        [-28, -22, -12, -3, -3, -12, -22, -28],
        [-15, 0, 1, 3, 3, 1, 0, -15],
        [-7, 6, -3, 4, 4, -3, 6, -7],
        [-11, 4, -5, 5, 5, -5, 4, -11],
        [-14, 3, -1, 11, 11, -1, 3, -14],
        [-16, 6, 12, 16, 16, 12, 6, -16],
        [-15, 12, 18, 19, 19, 18, 12, -15],
        [-14, 13, 18, 18, 18, 18, 13, -14],
    ]
)
_MAX_NEGATIVE, _MIN_SIDEWAYS, _MIN_GAIN = -0.4, 0.5, 0.2  # correlations with _CHEST


class UnreadableImage(Exception):
    """A file is no image, or a damaged one; the message says what is wrong with it."""


class DecodedImage(NamedTuple):
    """A square grey image, and what is suspect about its file.

    Shapes:
        pixels: (size, size) uint8, 0 to 255.

    Args:
        pixels: the image.
        suspect: what :func:`suspect` finds, or an empty string.
        sides: width and height of the file's image in pixels.
    """

    pixels: np.ndarray
    suspect: str
    sides: tuple[int, int]


def read_image(path: Path, size: int, square: str = "pad") -> np.ndarray:
    """Read an image file as a square grey image of the given size.

    The content decides on the format, not the name: PNG, JPEG, WebP, BMP, TIFF, GIF, or DICOM if
    pydicom is installed. The EXIF orientation is applied. Colour becomes grey by its luma (ITU-R
    BT.601); transparency is ignored. An image of more than 8 bits is stretched linearly from its
    percentile 0.5 to its percentile 99.5 to 0…255, because how many of its bits are used is
    unknown; a DICOM image with a window from the bottom to the top of that window. MONOCHROME1 is
    inverted. Resizing is bicubic and antialiased.

    Shapes:
        returns: (size, size) uint8, 0 to 255.

    Args:
        path: an image file; of several images in it the first is read.
        size: side of the result in pixels.
        square: ``"pad"`` adds black at both ends of the shorter side, ``"crop"`` cuts both ends of
            the longer side equally, ``"stretch"`` resizes each side on its own. The three give the
            same result for a square image.

    Raises:
        UnreadableImage: if the file is no image, a damaged one, or larger than :data:`MAX_BYTES` or
            :data:`MAX_PIXELS`.
        OSError: if the system cannot read the file.
    """
    return decode_image(path, size, square).pixels


def decode_image(path: Path, size: int, square: str = "pad") -> DecodedImage:
    """Read an image file as :func:`read_image` does, and look for what is suspect about it."""
    try:
        return examine_image(_read_grey(path), size, square)
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly everything for damaged files
        # Pillow reports damage as an OSError without a number. One with a number comes from the
        # system and does not concern the image.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        unknown = isinstance(error, UnidentifiedImageError)  # its text has the path
        reason = "not an image in a known format" if unknown else str(error)
        raise UnreadableImage(reason or type(error).__name__) from error


def examine_image(image: Image.Image, size: int, square: str = "pad") -> DecodedImage:
    """Convert an image as :func:`square_image` does, and look for what is suspect about it."""
    small = _grey(image).resize((64, 64), Image.Resampling.BOX, reducing_gap=2)
    found = suspect(np.asarray(small), image.size)
    return DecodedImage(square_image(image, size, square), found, image.size)


def square_image(image: Image.Image, size: int, square: str = "pad") -> np.ndarray:
    """Convert an image to a square grey image by the rules of :func:`read_image`.

    Shapes:
        returns: (size, size) uint8, 0 to 255.
    """
    return np.asarray(SQUARES[square](_grey(image), (size, size), Image.Resampling.BICUBIC))


def suspect(pixels: np.ndarray, shape: tuple[int, int] | None = None) -> str:
    """Return what is suspect about a frontal chest radiograph, or an empty string.

    ``"constant"``: percentiles 1 and 99 of its grey levels are equal. ``"narrow"``: one side is
    more than three times the other. ``"negative"`` and ``"sideways"``: the correlation of the
    image, averaged to 8×8 px, with the mean of simulated chest radiographs is below -0.4, or at
    least 0.5 after a quarter turn and 0.2 better than before it. Of NIH images at 64 px, 0.3 % are
    suspect; of their negatives 96 % are found, of those on their side 90 %.

    Shapes:
        pixels: (height, width) uint8.

    Args:
        pixels: the image.
        shape: width and height of the file's image in pixels; None means those of ``pixels``.
    """
    ends = (pixels.size // 100, pixels.size - 1 - pixels.size // 100)
    if not np.ptp(np.partition(pixels, ends, axis=None)[[*ends]]):
        return "constant"
    sides = shape or pixels.shape
    if max(sides) > _MAX_ASPECT * min(sides):
        return "narrow"
    small = np.asarray(Image.fromarray(pixels).resize((8, 8), Image.Resampling.BOX), float)
    small -= small.mean()
    chest = _CHEST - _CHEST.mean()
    scale = np.linalg.norm(chest) * np.linalg.norm(small) or 1.0
    upright, *turned = ((np.rot90(small, turn) * chest).sum() / scale for turn in (0, 1, 3))
    if upright < _MAX_NEGATIVE:
        return "negative"
    sideways = max(turned) > max(_MIN_SIDEWAYS, upright + _MIN_GAIN)
    return "sideways" if sideways else ""


def pixel_digest(pixels: np.ndarray) -> int:
    """Compute a 64-bit digest that is equal for equal images; 0 if an image has one grey level."""
    if pixels.min() == pixels.max():
        return 0
    return int.from_bytes(hashlib.blake2b(pixels.tobytes(), digest_size=8).digest(), "little")


def _read_grey(path: Path) -> Image.Image:
    """Read the first image of a file as 8-bit grey, upright."""
    if not path.is_file() and path.exists():
        raise UnreadableImage("not a regular file")
    if (size := path.stat().st_size) > MAX_BYTES:
        limits = f"{format_bytes(size)} are more than the limit of {format_bytes(MAX_BYTES)}"
        raise UnreadableImage(limits)
    with path.open("rb") as stream:
        start = stream.read(132)
        stream.seek(0)
        if start[128:] == b"DICM":
            return _read_dicom(path)
        with Image.open(stream, formats=FORMATS) as opened:
            _require_pixels(*opened.size)
            return _grey(ImageOps.exif_transpose(opened))


def _require_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableImage(f"{width}×{height} px are more than the limit of {MAX_PIXELS:,}")


def _read_dicom(path: Path) -> Image.Image:
    """Read a DICOM file: rescale slope, then the window, then the inversion of MONOCHROME1."""
    try:
        from pydicom import dcmread
        from pydicom.pixels.processing import apply_rescale, apply_voi, apply_windowing
        from pydicom.pixels.utils import pixel_array
        from pydicom.uid import DeflatedExplicitVRLittleEndian
    except ImportError as error:
        text = "a DICOM file, which needs pydicom: pip install 'xraylab[dicom]'"
        raise UnreadableImage(text) from error
    syntax = dcmread(path, specific_tags=[], stop_before_pixels=True).file_meta
    if syntax.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise UnreadableImage("a DICOM file that is deflated as a whole")
    header = dcmread(path, stop_before_pixels=True)
    _require_pixels(int(header.Columns), int(header.Rows))
    kind = header.PhotometricInterpretation
    raw = pixel_array(path, index=0)
    if raw.ndim == 3 and raw.dtype == np.uint8:
        return Image.fromarray(raw).convert("L")
    if kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise UnreadableImage(f"a DICOM file with colours as {kind}")
    levels, limits = apply_rescale(raw, header).astype(np.float64), None
    if "VOILUTSequence" in header:
        levels = apply_voi(levels.astype(np.int64), header).astype(np.float64)
    elif header.get("WindowWidth"):
        levels = apply_windowing(levels, header)
        limits = apply_windowing(np.array([-1e9, 1e9]), header)  # the ends of the window
    elif header.BitsStored == 8:
        limits = apply_rescale(np.array([0, 255]), header)
    grey = _to_8_bits(levels, limits)
    inverse = header.get("PresentationLUTShape") == "INVERSE" or kind == "MONOCHROME1"
    return ImageOps.invert(grey) if inverse else grey


def _grey(image: Image.Image) -> Image.Image:
    """Convert an image to 8-bit grey."""
    if image.mode == "F" or image.mode.startswith("I"):  # 16 or 32 bits
        return _to_8_bits(np.asarray(image, dtype=np.float64))
    if image.mode in ("RGBa", "La"):  # colours were multiplied by their opacity
        image = image.convert(image.mode.upper())
    return image if image.mode == "L" else image.convert("L")


def _to_8_bits(levels: np.ndarray, limits: np.ndarray | None = None) -> Image.Image:
    """Stretch grey levels linearly between limits, by default two percentiles."""
    if not np.isfinite(levels).all():
        raise UnreadableImage("grey values are not finite")
    darkest, brightest = np.percentile(levels, _PERCENTILES) if limits is None else limits
    if brightest <= darkest and limits is None:  # nearly all pixels have one level
        darkest, brightest = levels.min(), levels.max()
    scale = 255 / (brightest - darkest) if brightest > darkest else 0.0
    return Image.fromarray(np.rint(np.clip((levels - darkest) * scale, 0, 255)).astype(np.uint8))
