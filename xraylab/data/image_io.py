"""One image from an image file: any format, depth and shape to square 8-bit grey."""

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SQUARES = {"pad": ImageOps.pad, "crop": ImageOps.fit, "stretch": Image.Image.resize}
"""Functions that make an image square, see :func:`read_image`."""

DECODER = 2
"""Version of the rules in this module; it changes whenever the resulting pixels do."""

_DAMAGE = (
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)


class UnreadableImage(Exception):
    """A file is no image, or a damaged one; the message says what is wrong with it."""


def read_image(path: Path, size: int, square: str = "pad") -> np.ndarray:
    """Read an image file as a square grey image of the given size.

    Colour becomes grey by its luma (ITU-R BT.601); transparent pixels become black. An image of
    more than 8 bits is stretched linearly from its darkest to its brightest pixel to 0…255, because
    how many of its bits are used is unknown. Resizing is bicubic and antialiased.

    Shapes:
        returns: (size, size) uint8, 0 to 255.

    Args:
        path: an image file that Pillow can open; of several images in it the first is read.
        size: side of the result in pixels.
        square: ``"pad"`` adds black at both ends of the shorter side, ``"crop"`` cuts both ends of
            the longer side equally, ``"stretch"`` resizes each side on its own. The three give the
            same result for a square image.

    Raises:
        UnreadableImage: if the file is no image, or a damaged one.
        OSError: if the system cannot read the file.
    """
    try:
        with Image.open(path) as opened:
            return square_image(opened, size, square)
    except (OSError, *_DAMAGE) as error:
        # Pillow reports damage as an OSError without a number. One with a number comes from the
        # system and does not concern the image.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        unknown = isinstance(error, UnidentifiedImageError)  # its text has the path
        reason = "not an image in a known format" if unknown else str(error)
        raise UnreadableImage(reason or type(error).__name__) from error


def square_image(image: Image.Image, size: int, square: str = "pad") -> np.ndarray:
    """Convert an image to a square grey image by the rules of :func:`read_image`.

    Shapes:
        returns: (size, size) uint8, 0 to 255.
    """
    return np.asarray(SQUARES[square](_grey(image), (size, size), Image.Resampling.BICUBIC))


def _grey(image: Image.Image) -> Image.Image:
    """Convert an image to 8-bit grey."""
    if image.mode == "F" or image.mode.startswith("I"):  # 16 or 32 bits
        levels = np.asarray(image, dtype=np.float64)
        if not np.isfinite(levels).all():
            raise UnreadableImage("grey values are not finite")
        darkest, brightest = levels.min(), levels.max()
        scale = 255 / (brightest - darkest) if brightest > darkest else 0.0
        return Image.fromarray(np.rint((levels - darkest) * scale).astype(np.uint8))
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        black = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, picture)
    return image.convert("L")
