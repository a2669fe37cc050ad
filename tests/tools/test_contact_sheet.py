"""The contact sheet is small, says that it is simulated, and holds images that nothing covers."""

import contact_sheet
import numpy as np
from PIL import Image

from xraylab.findings import FINDINGS


def test_the_sheet_holds_every_image_as_it_is(tmp_path):
    assert contact_sheet.main(["--out", str(tmp_path / "sheet.png")]) == 0
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("L")).astype(int)
    assert (tmp_path / "sheet.png").stat().st_size < contact_sheet.LIMIT_BYTES
    drawn = contact_sheet.draw_images(0)
    assert {len(images) for images in drawn.values()} == {len(FINDINGS) + 1}
    first, size = drawn["PA"][0], contact_sheet.SIZE
    top, left = 2 * contact_sheet.LINE + contact_sheet.GAP, contact_sheet.GAP
    assert np.abs(sheet[top : top + size, left : left + size] - first).max() <= 4
