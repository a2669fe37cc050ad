"""The live model of the book: its weights as JavaScript, and the result shown before it loads.

::

    python tools/live_model.py FOLDER    # write the generated files into FOLDER

A Sphinx extension replaces ``<div class="live-model">…</div>`` on a page by ``live_model.html``,
filled with the predictions of the default image. The script ``book/live/live.js`` loads the
weights at the first use. The files are written again when a file they depend on has changed.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import live_onnx

ROOT = Path(__file__).resolve().parents[1]
MODEL, SIZE = "rr_vit", 64
RECORDS = ROOT / "book" / "results"
RECORD = RECORDS / "rr_vit_64_nih_scratch.json"
REFUSAL = ROOT / "book" / "measured" / "refusal.json"
TEMPLATE = ROOT / "tools" / "live_model.html"
PLACEHOLDER = re.compile(r'<div class="live-model">.*?</div>', re.S)

SAMPLES = {
    "": 33, "effusion": 12, "cardiomegaly": 5, "pneumothorax": 21, "mass": 8, "consolidation": 41,
}  # fmt: skip
"""Seed of the simulated patient by the finding that the image shows; the second is the default."""
DEFAULT = 1
ERROR_LIMIT = 0.25
"""Difference of grey levels, of 1, at the upper end of the colours of the error map."""
SCRIPTS = ("images.js", "views.js", "live.js")
"""Scripts of ``book/live`` that a page with the component loads at once."""
AUC = {"auc": "value", "low": "low", "high": "high"}
INPUTS = (
    "xraylab/**/*.py",
    "xraylab/models/pretrained/*",
    "weights/*",
    "tools/live_*",
    "book/results/*_64_nih_scratch.json",
)


def setup(app):
    app.connect("config-inited", prepare)
    app.connect("html-page-context", fill)
    return {"parallel_read_safe": True}


def prepare(app, config):
    """Write the generated files if they are out of date; add their folder and the numbers."""
    config.myst_substitutions = {**config.myst_substitutions, **numbers()}
    folder = Path(app.outdir).parent / "live"
    if not (folder / "stamp").exists() or (folder / "stamp").read_text() != stamp():
        # In another process, so that Keras does not stay in the memory of the build.
        subprocess.run([sys.executable, __file__, folder], check=True, cwd=ROOT)
    # Not in book/_static, whose scripts Jupyter Book adds to every page.
    shutil.copytree(ROOT / "book" / "live", folder / "static" / "live", dirs_exist_ok=True)
    config.html_static_path.append(str(folder / "static"))


def fill(app, pagename, templatename, context, doctree):
    """Replace the placeholder of a page by the component, and add its script and style."""
    if not PLACEHOLDER.search(context.get("body", "")):
        return
    text = (Path(app.outdir).parent / "live" / "component.html").read_text("utf-8")
    context["body"] = PLACEHOLDER.sub(lambda _: text, context["body"])
    app.add_css_file("live/live.css")
    for script in SCRIPTS:
        app.add_js_file(f"live/{script}", loading_method="defer")


def numbers() -> dict[str, str]:
    """Return the numbers in the text of the page: ``live_auc``, ``refusal_test`` and so on."""
    record = json.loads(RECORD.read_text("utf-8"))
    interval = record["intervals"]["macro_auc"]
    measured = json.loads(REFUSAL.read_text("utf-8"))["measured"]
    others = measured["others"].values()
    drawn = sum(kind["pictures"] for kind in others)

    def percent(value):
        return f"{100 * value:.1f} %"

    def rate(name):
        return percent(sum(kind["pictures"] * kind[name] for kind in others) / drawn)

    return {
        **{f"live_{a}": f"{interval[b]:.2f}" for a, b in AUC.items()},
        "refusal_test": f"{measured['test_images']:,}",
        "refusal_refused": percent(measured["refused"]),
        "refusal_named": percent(measured["named"]),
        "refusal_turned": percent(min(x["named"] for x in measured["orientation"].values())),
        "refusal_drawn": f"{drawn:,}",
        "refusal_kinds": str(len(others)),
        "refusal_others": rate("refused"),
        "refusal_unseen": rate("unseen"),
    }


def stamp() -> str:
    """Compute a digest of the files that the generated ones depend on."""
    digest = hashlib.sha256()
    files = [path for pattern in INPUTS for path in ROOT.glob(pattern)]
    for path in sorted([*files, REFUSAL]):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def write(folder: Path) -> None:
    """Write the models, the component and the stamp into a folder."""
    from xraylab import models

    model = models.build(MODEL, image_size=SIZE, weights="pretrained")
    static = folder / "static" / "live"
    shutil.rmtree(static, ignore_errors=True)
    static.mkdir(parents=True)
    (static / "rr_vit_weights.js").write_text(weights_script(model), "utf-8")
    try:
        others = live_onnx.write(static)
    except (ImportError, RuntimeError) as error:
        if os.environ.get("CI"):
            raise
        print(f"WARNING: the live page has RR-ViT only: {error}")
        others = {}
    (folder / "component.html").write_text(component(model, others), "utf-8")
    if others:  # otherwise they are tried again by the next build
        (folder / "stamp").write_text(stamp())


def weights_script(model) -> str:
    """Return a script that defines RR_VIT_WEIGHTS: configuration, shapes and float16 in base64."""
    names = ("image_size", "patch_size", "embed_dim", "depth", "num_heads", "num_labels")
    arrays = {w.path.removeprefix(f"{model.name}/"): np.asarray(w) for w in model.weights}
    numbers = np.concatenate([array.ravel() for array in arrays.values()]).astype("<f2")
    content = {
        "config": {name: getattr(model, name) for name in names},
        "shapes": {name: array.shape for name, array in arrays.items()},
        "float16": base64.b64encode(numbers.tobytes()).decode(),
    }
    return f"var RR_VIT_WEIGHTS = {json.dumps(content)};\n"


def component(model, others: dict[str, dict] | None = None) -> str:
    """Return the HTML of the component with the results of the default image.

    ``others`` has title and scripts of the models beside RR-ViT, by name.
    """
    import jinja2
    import matplotlib
    from scipy.special import expit

    from xraylab.findings import FINDINGS, title
    from xraylab.plotting import overlay_heatmap
    from xraylab.plotting.heatmaps import colormap_colors
    from xraylab.plotting.images import data_uri
    from xraylab.plotting.style import COLORMAP

    size = len(weights_script(model))
    own = {"title": "RR-ViT", "scripts": {"rr_vit.js": 0, "rr_vit_weights.js": size}}
    entries = {
        name: {**entry, "claim": claim(name), **probability_tables(name)}
        for name, entry in {MODEL: own, **(others or {})}.items()
    }
    samples = simulate()
    image = np.float32(samples[DEFAULT]["pixels"]) / 255
    found = model(image[None, ..., None], training=False, return_intermediates=True)
    logits = np.asarray(found["logits"])[0].astype(float)
    tables = entries[MODEL]
    probabilities = expit(np.multiply(tables["slope"], logits) + tables["offset"])
    # The view in which the page opens: the last block, mean over its heads.
    attention = np.asarray(found["attention"][f"block_{model.depth - 1}"])[0, :, 0, 1:].mean(axis=0)
    attention = attention.reshape(model.side, model.side)
    reconstruction = np.asarray(found["reconstruction"])[0, ..., 0]
    error = np.abs(reconstruction - image)
    colours = matplotlib.colormaps[COLORMAP](np.clip(error / ERROR_LIMIT, 0, 1))[..., :3]
    pictures = {
        "input": image,
        "attention": overlay_heatmap(image, attention, (0, float(attention.max()))),
        "reconstruction": np.clip(reconstruction, 0, 1),
        "error": colours,
    }
    points = tables["points"]["f1"]
    axis = max(0.5, np.ceil(10 * max(*probabilities, *points)) / 10)
    config = {
        "findings": [title(name) for name in FINDINGS],
        "image_size": SIZE,
        "models": entries,
        "logits": np.round(logits, 5).tolist(),
        "default": DEFAULT,
        "colours": colormap_colors(64),
        "error_limit": ERROR_LIMIT,
        "refusal": json.loads(REFUSAL.read_text("utf-8"))["classifier"],
    }
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    rows = zip(config["findings"], probabilities, points, strict=True)
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        axis=axis,
        config=json.dumps(config),
        depth=model.depth,
        heads=model.num_heads,
        limits={"attention": float(attention.max()), "error": ERROR_LIMIT},
        models=entries,
        pictures={name: data_uri(picture) for name, picture in pictures.items()},
        rows=[dict(zip(("name", "probability", "point"), row, strict=True)) for row in rows],
        samples=[{**sample, "src": data_uri(sample["pixels"])} for sample in samples],
        shown=samples[DEFAULT]["name"],
        gradient=", ".join(colormap_colors(9)),
    )


def claim(name: str) -> str:
    """Return the training data and the test macro AUC of a shipped model, as a sentence."""
    record = json.loads((RECORDS / f"{name}_64_nih_scratch.json").read_text("utf-8"))
    score = record["intervals"]["macro_auc"]
    train, test = (f"{record['data'][split]['num_images']:,}" for split in ("train", "test"))
    return (
        f"Trained on {train} real NIH images of {SIZE} × {SIZE} pixels; macro AUC "
        f"{score['value']:.2f} [{score['low']:.2f}, {score['high']:.2f}] on {test} test images."
    )


def simulate() -> list[dict]:
    """Return the simulated images to choose from: ``name`` and ``pixels`` (64, 64) uint8."""
    from xraylab import phantom
    from xraylab.findings import FINDINGS, title

    labels = np.array([np.isin(FINDINGS, name) for name in SAMPLES])
    made = phantom.simulate([*SAMPLES.values()], SIZE, labels=labels, projection="PA")
    names = [title(name) if name else "No finding" for name in SAMPLES]
    return [{"name": name, "pixels": made.images[i]} for i, name in enumerate(names)]


def probability_tables(name: str) -> dict:
    """Return Platt's slope and offset, and the operating points by rule, of shipped weights."""
    from xraylab.cli.predict import decide
    from xraylab.evaluation import load_calibration
    from xraylab.evaluation.thresholds import RULES
    from xraylab.models.weights import shipped_weights

    calibration = load_calibration(shipped_weights()[name, SIZE])
    if calibration.platt.negative_slopes:
        raise SystemExit("Labels with a negative slope stay uncalibrated; live.js does not know it")
    zeros = np.zeros((1, len(calibration.platt.slope)))
    points = {rule: decide(zeros, calibration, rule)[1] for rule in RULES}

    def rounded(values):
        return np.round(values, 6).tolist()

    return {
        **{name: rounded(getattr(calibration.platt, name)) for name in ("slope", "offset")},
        "points": {rule: rounded(row) for rule, row in points.items()},
    }


if __name__ == "__main__":
    from xraylab.backend import start_keras

    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    start_keras()
    write(Path(sys.argv[1]))
