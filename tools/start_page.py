"""The start page: its moving picture, and a Sphinx extension for the numbers in its text.

::

    python tools/start_page.py    # draw book/images/start.html

``{{ start_low }}`` on a page is the lowest macro AUC of the recorded runs on real images; see
:func:`numbers` for the other ones.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "book" / "images" / "start.html"
PATIENT, SIZE = 33, 192
SHOWN = (
    "effusion", "cardiomegaly", "mass", "pneumothorax", "consolidation", "emphysema", "fibrosis",
)  # fmt: skip

STYLE = """
.start svg { display: block; width: 100%; max-width: 600px; }
.start text { fill: currentColor; font: 18px sans-serif; text-anchor: middle; }
.start .frame { opacity: 0; animation: start 14s 3; }
.start .frame:first-of-type { opacity: 1; }
.start:has(input:checked) .frame { animation-play-state: paused; }
@keyframes start { 0%, 14.5% { opacity: 1 } 14.6%, 99.9% { opacity: 0 } }
@media print, (prefers-reduced-motion: reduce) { .start .frame { animation: none; } }
"""


def setup(app):
    app.connect("config-inited", add_substitutions)
    return {"parallel_read_safe": True}


def add_substitutions(app, config):
    """Add the numbers to the substitutions of MyST."""
    found = {f"start_{name}": value for name, value in numbers().items()}
    config.myst_substitutions = {**config.myst_substitutions, **found}


def numbers(folder: Path = ROOT / "book" / "results") -> dict[str, str]:
    """Return the numbers of the start page from the records of runs on real images.

    Returns:
        ``count`` of models, ``train`` and ``test`` images, ``low`` and ``high`` macro AUC of the
        runs from random weights with the first seed, ``half`` of the mean width of their intervals,
        and ``seeds``, the largest difference of runs that differ in nothing but the seed.
    """
    # Read as JSON: importing xraylab.results would import Keras into every build.
    records = {path.stem: path.read_text("utf-8") for path in folder.glob("*_nih_*.json")}
    records = {name: json.loads(text) for name, text in records.items()}
    auc = {name: record["scores"]["test"]["macro_auc"] for name, record in records.items()}
    first = [name for name in auc if name.endswith("_nih_scratch")]
    seeds = {}
    for name, record in records.items():
        setting = [{**record["recipe"], "seed": None}, record["initial_weights"]]
        seeds.setdefault(json.dumps(setting, sort_keys=True), []).append(auc[name])
    bands = [records[name]["intervals"]["macro_auc"] for name in first]
    (train,) = {records[name]["data"]["train"]["num_images"] for name in first}
    (test,) = {records[name]["data"]["test"]["num_images"] for name in first}
    return {
        "count": str(len(first)),
        "train": f"{train:,}",
        "test": f"{test:,}",
        "low": f"{min(auc[name] for name in first):.2f}",
        "high": f"{max(auc[name] for name in first):.2f}",
        "half": f"{np.mean([band['high'] - band['low'] for band in bands]) / 2:.2f}",
        "seeds": f"{max(max(scores) - min(scores) for scores in seeds.values()):.3f}",
    }


def draw() -> str:
    """Return the HTML of the picture: a simulated patient without and with each finding."""
    from xraylab import phantom, plotting
    from xraylab.findings import FINDINGS, title

    setting = {"projection": "PA", "severity": (0.7, 0.7)}
    labels = np.array([np.isin(FINDINGS, name) for name in ("", *SHOWN)])
    made = phantom.simulate([PATIENT] * len(labels), SIZE, labels=labels, masks=True, **setting)
    frames = []
    for row, name in enumerate(SHOWN, start=1):
        mask = made.masks[row, FINDINGS.index(name)]
        outline = plotting.mark_boundaries(made.images[row], mask, finding=name)
        frames.append(
            f'<g class="frame" style="animation-delay:{2 * row - 2}s">'
            f"{_image(made.images[row], 220)}{_image(outline, 440)}"
            f'<text x="320" y="222">{title(name)}</text><text x="540" y="222">Extent</text></g>'
        )
    names = ", ".join(title(name).lower() for name in SHOWN)
    return (
        f'<div class="start"><style>{STYLE}</style><svg viewBox="0 0 640 230" role="img" '
        'aria-label="One simulated patient without a '
        f'finding, with it, and with its outline: {names}.">{_image(made.images[0], 0)}'
        f'<text x="100" y="222">No finding</text>{"".join(frames)}</svg>'
        '<label><input type="checkbox"> Pause</label></div>\n'
    )


def _image(pixels: np.ndarray, x: int) -> str:
    """Return an SVG image at x."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=85)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<image x="{x}" width="200" height="200" href="data:image/jpeg;base64,{data}"/>'


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
