"""Every named recipe trains from the command line, at its own size, on a few simulated images.

Long: it runs with ``make test-all``, or where XRAYLAB_EVERY_MODEL is set.
"""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from xraylab import phantom
from xraylab.cli import app
from xraylab.training import recipes

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return a function from a size to a file of eight simulated images in three splits."""
    folder = tmp_path_factory.mktemp("images")

    def write(size):
        path = folder / f"phantom_{size}.npz"
        if not path.exists():
            made = phantom.simulate(np.arange(8), size=size)
            rows = {"train": slice(0, 4), "val": slice(4, 6), "test": slice(6, 8)}
            arrays = {f"{split}_images": made.images[some] for split, some in rows.items()}
            arrays |= {f"{split}_labels": made.labels[some] for split, some in rows.items()}
            np.savez(path, **arrays)
        return path

    return write


@pytest.mark.parametrize("name", recipes.list_recipes())
def test_a_recipe_trains_and_is_scored(name, images, public_teacher, tmp_path, eager):
    recipe = recipes.get(name).recipe
    out = tmp_path / "run"
    batch_size = 1 if recipe.size == 224 else 2  # two of these tests may run at once
    arguments = [
        "train", name, "--out", str(out), "--data", str(images(recipe.size)),
        "--epochs", "1", "--batch-size", str(batch_size), "--set", "xla=false",
    ]  # fmt: skip
    if recipe.teacher:
        arguments += ["--set", f"teacher={public_teacher}"]
    if recipe.start_from:
        start = tmp_path / "pretraining"
        before = [*arguments]
        before[1], before[3] = "lt_vit_tiny_64_pretraining", str(start)
        assert CliRunner().invoke(app, before, catch_exceptions=False).exit_code == 0
        arguments += ["--set", f"start_from={start}"]
    trained = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert trained.exit_code == 0, trained.output
    report = json.loads((out / "report.json").read_text())
    assert report["steps"] == 4 // batch_size
    assert np.isfinite(json.loads((out / "history.json").read_text())[0]["loss"])
    if recipe.objective == "masked_reconstruction":
        return
    scored = CliRunner().invoke(app, ["evaluate", str(out), "--replicates", "10"])
    assert scored.exit_code == 0, scored.output
    assert json.loads((out / "scores-test.json").read_text())["score"]["num_images"] == 2
