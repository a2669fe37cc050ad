"""Shared by all tests: a back end that keeps quiet, real images, JAX, and a browser.

The tools are scripts, not a package: their folder is put on the path.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Most of what XLA compiles here runs once or twice: compile it fast, not to be fast.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
REAL_IMAGES = Path(os.environ.get("XRAYLAB_REAL_IMAGES", ROOT.parent / "shared" / "data"))

EVERY_MODEL = bool(os.environ.get("XRAYLAB_EVERY_MODEL"))
"""Whether long tests run; ``make test-all`` sets the variable."""

SHALLOW = {
    "dbct_toy": {"depth": 1},
    "densenet121_toy": {"depths": [1, 1, 1]},
    "hybrid_rr_vit_toy": {"depth": 1},
    "lt_vit_toy": {"depth": 3},
    "medvit_toy": {"rounds": [1, 1, 1, 1]},
    "rr_vit_toy": {"depth": 1},
    "vit_toy": {"depth": 1},
}
"""Options that leave the repeated blocks of a toy out, which are the same code once more."""


def pytest_collection_modifyitems(items):
    """Leave tests marked as long to ``make test-all``."""
    if not EVERY_MODEL:
        skip = pytest.mark.skip(reason="long; run by make test-all")
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(skip)
    if "ONEDNN_MAX_CPU_ISA" in os.environ:
        # TensorFlow asks the processor, not this cap, whether oneDNN can multiply bfloat16, and
        # its kernel then ends the process: tf.matmul of two bfloat16 matrices alone does.
        skip = pytest.mark.skip(reason="TensorFlow aborts in bfloat16 with ONEDNN_MAX_CPU_ISA")
        for item in items:
            if "bfloat16" in item.nodeid or "mixed_precision" in item.nodeid:
                item.add_marker(skip)


@contextlib.contextmanager
def eager_execution():
    """Run TensorFlow functions eagerly: a few steps take less time than tracing."""
    import keras

    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def eager():
    with eager_execution():
        yield


@pytest.fixture
def real_images():
    """Return the folder of real images, or skip the test by name where it is absent."""
    if not (REAL_IMAGES / "README.md").exists():
        pytest.skip(f"no real images in {REAL_IMAGES}; set XRAYLAB_REAL_IMAGES to their folder")
    return REAL_IMAGES


@pytest.fixture(scope="session")
def random_weights():
    """Return ``tests/models/random_weights.py``, the rule behind recorded outputs."""
    path = ROOT / "tests" / "models" / "random_weights.py"
    spec = importlib.util.spec_from_file_location("random_weights", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


JAX_SERVER = """
import json, sys, traceback
import keras, numpy as np
replies, sys.stdout = sys.stdout, sys.stderr
# JAX compiles a random initializer for every shape, which takes longer than most scripts.
for kind in ("VarianceScaling", "TruncatedNormal", "RandomNormal", "RandomUniform"):
    cls = getattr(keras.initializers, kind)
    cls.__call__ = lambda self, shape, dtype=None, **_: np.random.normal(0, 0.05, shape)
for line in sys.stdin:
    script, *sys.argv[1:] = json.loads(line)
    error = None
    try:
        exec(script, {"__name__": "__main__"})
    except BaseException:
        error = traceback.format_exc()
    print(json.dumps(error), file=replies, flush=True)
"""


@pytest.fixture(scope="session")
def run_on_jax():
    """Return a function that runs a script with arguments in one process for all, on JAX."""
    pytest.importorskip("jax", reason="JAX is not installed")
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("compares with TensorFlow")
    process = subprocess.Popen(
        [sys.executable, "-c", JAX_SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ
        | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"},
        cwd=ROOT,
        text=True,
    )

    def run(script, *arguments):
        print(json.dumps([script, *map(str, arguments)]), file=process.stdin, flush=True)
        reply = process.stdout.readline()
        assert reply, "the JAX process ended"
        assert json.loads(reply) is None, json.loads(reply)

    yield run
    process.stdin.close()
    process.wait(60)


def require_browser(what, found):
    """Skip a test, or fail it under continuous integration, unless something was found."""
    if found:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"CI needs {what}")
    return pytest.skip(f"no {what} on this machine")


@pytest.fixture(scope="module")  # Playwright's event loop would stop those of other tests
def chromium():
    """Return a headless Chromium of the system, driven by Playwright."""
    try:
        import browser
    except ImportError:
        require_browser("Playwright", None)
    require_browser("Chromium", browser.CHROMIUM)
    with browser.chromium("--js-flags=--expose-gc") as started:
        yield started


@pytest.fixture
def browse(chromium):
    """Return a function that opens a page, which has no network; see ``open_page``."""
    from browser import open_page

    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(open_page(chromium, *args, **options))


@pytest.fixture(scope="session")
def image_file(tmp_path_factory):
    """Return a small MedMNIST-style file in which a bright disc marks each of three labels."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:16, :16]
    arrays = {}
    for split, num_images in (("train", 96), ("val", 40), ("test", 48)):
        labels = (rng.random((num_images, 3)) < 0.4).astype(np.uint8)
        labels[:2] = [[0, 1, 0], [1, 0, 1]]  # both classes of every label, whatever was drawn
        images = rng.integers(40, 90, (num_images, 16, 16))
        for k, centre in enumerate((4, 8, 12)):
            disc = (rows - centre) ** 2 + (columns - centre) ** 2 <= 6
            images += labels[:, k, np.newaxis, np.newaxis] * disc * 120
        arrays |= {f"{split}_images": images.astype(np.uint8), f"{split}_labels": labels}
    path = tmp_path_factory.mktemp("images") / "discs.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory):
    """Keep what tests unpack and simulate out of the user's own data folder."""
    folder = tmp_path_factory.mktemp("data")
    former = os.environ.get("XRAYLAB_DATA")
    os.environ["XRAYLAB_DATA"] = str(folder)
    yield folder
    if former is None:
        del os.environ["XRAYLAB_DATA"]
    else:
        os.environ["XRAYLAB_DATA"] = former
