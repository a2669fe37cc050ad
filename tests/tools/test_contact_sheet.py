"""The contact sheet is small and shows every image unchanged."""

import contact_sheet
import numpy as np
from PIL import Image

from xraylab.findings import FINDINGS


def test_sheet_shows_every_image_unchanged(tmp_path):
    assert contact_sheet.main(["--out", str(tmp_path / "sheet.png")]) == 0
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("L")).astype(int)
    assert (tmp_path / "sheet.png").stat().st_size < contact_sheet.MAX_BYTES
    images_by_projection = contact_sheet.simulate_images(0)
    assert {len(images) for images in images_by_projection.values()} == {len(FINDINGS) + 1}
    first, size = images_by_projection["PA"][0], contact_sheet.SIZE
    top, left = 2 * contact_sheet.LINE + contact_sheet.GAP, contact_sheet.GAP
    assert np.abs(sheet[top : top + size, left : left + size] - first).max() <= 4
