"""Write the contact sheet of ChestPhantom: each finding once, on a PA image and on an AP image.

    python tools/contact_sheet.py            # book/images/chestphantom.png

The images depend on the simulator alone; run it again whenever ``phantom.VERSION`` has changed.
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
LIMIT_BYTES = 400_000
"""What the sheet may weigh."""

SIZE, COLUMNS, GAP, LINE = 128, 5, 6, 27
"""Side of an image, images side by side, pixels between them, and the height of a line of text."""

NONE = "None"
"""What stands above the images without a finding."""


def draw_images(seed: int) -> dict[str, np.ndarray]:
    """Return the images by projection, (15, SIZE, SIZE) each: no finding, then the 14 in order.

    A finding's two images show the same patient.
    """
    labels = np.concatenate([np.zeros((1, len(FINDINGS))), np.eye(len(FINDINGS))]).astype(np.uint8)
    indices = range(len(labels))
    return {
        projection: phantom.simulate(
            *(indices, SIZE, seed), labels=labels, projection=projection, severity=(0.5, 0.9)
        ).images
        for projection in ("PA", "AP")
    }


def sheet(seed: int = 0) -> Image.Image:
    """Return the contact sheet: grey, light text on dark, for light and for dark pages."""
    drawn = draw_images(seed)
    names = [NONE, *(SHORT_NAMES[name] for name in FINDINGS)]
    bands = -(-len(names) // COLUMNS)
    step = SIZE + LINE + GAP
    width = COLUMNS * (SIZE + GAP) + GAP
    height = LINE + GAP + bands * (len(drawn) * step + GAP)
    background = round(np.mean([int(plotting.INK[i : i + 2], 16) for i in (1, 3, 5)]))
    made = Image.new("L", (width, height), background)
    pen = ImageDraw.Draw(made)
    fonts = Path(get_data_path()) / "fonts" / "ttf"
    plain, bold = (
        ImageFont.truetype(fonts / name, 19) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
    )
    said = f"ChestPhantom {phantom.VERSION}: simulated images, no patients"
    pen.text((GAP, LINE / 2 + GAP / 2), said, 255, bold, anchor="lm")
    for place, name in enumerate(names):
        band, column = divmod(place, COLUMNS)
        left = GAP + column * (SIZE + GAP)
        for row, (projection, images) in enumerate(drawn.items()):
            top = LINE + GAP + band * (len(drawn) * step + GAP) + row * step
            pen.text((left + 2, top + LINE / 2), name, 255, bold, anchor="lm")
            pen.text((left + SIZE - 2, top + LINE / 2), projection, 190, plain, anchor="rm")
            made.paste(Image.fromarray(images[place]), (left, top + LINE))
    return made


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FILE, help="the file to write")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other patients")
    options = parser.parse_args(arguments)
    drawn = sheet(options.seed)
    # The noise of the images is what weighs: grey levels are left out until the file is small.
    for levels in (256, 128, 96, 64, 48):
        even = np.round(np.asarray(drawn) * ((levels - 1) / 255)) * (255 / (levels - 1))
        small = Image.fromarray(np.round(even).astype(np.uint8)).quantize(levels)
        (drawn if levels == 256 else small).save(options.out, optimize=True)
        if options.out.stat().st_size < LIMIT_BYTES:
            break
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB, {levels} grey levels")
    return int(options.out.stat().st_size >= LIMIT_BYTES)


if __name__ == "__main__":
    raise SystemExit(main())
