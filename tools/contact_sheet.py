"""Draw the contact sheet of ChestPhantom: each finding on a PA and on an AP image.

    python tools/contact_sheet.py            # book/images/chestphantom.png

The images depend on the simulator only. Run this again when ``phantom.VERSION`` has changed.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from xraylab import phantom, plotting
from xraylab.findings import FINDINGS, SHORT_NAMES

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "book" / "images" / "chestphantom.png"
MAX_BYTES = 400_000
"""Largest file size."""

SIZE, COLUMNS, GAP, LINE = 128, 5, 6, 27
"""Image size, images per row, pixels between images, and height of a line of text in pixels."""


def simulate_images(seed: int) -> dict[str, np.ndarray]:
    """Return (15, SIZE, SIZE) images by projection: no finding, then each of the 14.

    The two images of a finding show the same patient.
    """
    labels = np.concatenate([np.zeros((1, len(FINDINGS))), np.eye(len(FINDINGS))]).astype(np.uint8)
    indices = range(len(labels))
    return {
        projection: phantom.simulate(
            *(indices, SIZE, seed), labels=labels, projection=projection, severity=(0.5, 0.9)
        ).images
        for projection in ("PA", "AP")
    }


def draw_sheet(seed: int = 0) -> Image.Image:
    """Return the contact sheet, greyscale with light text on a dark background."""
    images_by_projection = simulate_images(seed)
    names = ["None", *(SHORT_NAMES[name] for name in FINDINGS)]
    num_rows = -(-len(names) // COLUMNS)
    step = SIZE + LINE + GAP
    width = COLUMNS * (SIZE + GAP) + GAP
    row_height = len(images_by_projection) * step + GAP
    height = LINE + GAP + num_rows * row_height
    background = round(np.mean([int(plotting.FOREGROUND[i : i + 2], 16) for i in (1, 3, 5)]))
    sheet = Image.new("L", (width, height), background)
    canvas = ImageDraw.Draw(sheet)
    fonts = Path(get_data_path()) / "fonts" / "ttf"
    plain, bold = (
        ImageFont.truetype(fonts / name, 19) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
    )
    title = f"ChestPhantom {phantom.VERSION}: simulated images, no patients"
    canvas.text((GAP, LINE / 2 + GAP / 2), title, 255, bold, anchor="lm")
    for index, name in enumerate(names):
        row, column = divmod(index, COLUMNS)
        left = GAP + column * (SIZE + GAP)
        for k, (projection, images) in enumerate(images_by_projection.items()):
            top = LINE + GAP + row * row_height + k * step
            canvas.text((left + 2, top + LINE / 2), name, 255, bold, anchor="lm")
            canvas.text((left + SIZE - 2, top + LINE / 2), projection, 190, plain, anchor="rm")
            sheet.paste(Image.fromarray(images[index]), (left, top + LINE))
    return sheet


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FILE, help="output file")
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulated patients")
    options = parser.parse_args(arguments)
    sheet = draw_sheet(options.seed)
    # Image noise dominates the file size: reduce the grey levels until the file is small enough.
    for levels in (256, 128, 96, 64, 48):
        rounded = np.round(np.asarray(sheet) * ((levels - 1) / 255)) * (255 / (levels - 1))
        quantized = Image.fromarray(np.round(rounded).astype(np.uint8)).quantize(levels)
        (sheet if levels == 256 else quantized).save(options.out, optimize=True)
        if options.out.stat().st_size < MAX_BYTES:
            break
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB, {levels} grey levels")
    return int(options.out.stat().st_size >= MAX_BYTES)


if __name__ == "__main__":
    raise SystemExit(main())
