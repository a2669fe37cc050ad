"""What counts as measured; the measures themselves are those of xraylab.explain."""

import ast
from types import SimpleNamespace

import measure_localization
import pytest

from xraylab.io import read_json


@pytest.fixture
def update(tmp_path, monkeypatch):
    """Return a function that updates a file for models, and lists those it measured."""
    path, measured = tmp_path / "localization.json", []
    monkeypatch.setattr(measure_localization, "measure", lambda model, _: {"model": model})

    def of(images, **texts):
        measured.clear()
        found = {}
        for name, text in texts.items():
            weights = tmp_path / name
            weights.write_text(text)
            found[name] = weights, lambda name=name: measured.append(name) or name
        pairs = SimpleNamespace(facts=lambda: {"images": images})
        measure_localization.update(path, "polygons", pairs, found)
        assert [*read_json(path)["polygons"]["models"]] == [*texts]
        return measured

    return of


def test_models_are_measured_again_where_weights_images_or_code_differ(update, monkeypatch):
    assert update(3, dbct="a", rr_vit="b") == ["dbct", "rr_vit"]
    assert update(3, dbct="a", rr_vit="c") == ["rr_vit"]
    assert update(3, dbct="a") == []
    assert update(4, dbct="a") == ["dbct"]
    monkeypatch.setattr(measure_localization, "code_sha256", lambda: "other")
    assert update(4, dbct="a") == ["dbct"]


def test_docstrings_and_comments_are_no_code():
    texts = ['def f():\n    """Add."""\n    return 1 + 1  # two', "def f():\n    return 1+1"]
    trees = [measure_localization._WithoutDocstrings().visit(ast.parse(text)) for text in texts]
    assert ast.unparse(trees[0]) == ast.unparse(trees[1])
