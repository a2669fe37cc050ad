"""What the appendix on export says of time, size and 8 bits."""

from pathlib import Path
from types import SimpleNamespace

import export_table

BOOK = Path(__file__).resolve().parents[2] / "book"


def test_losses_are_named():
    row = {"model": "a", "format": "onnx", "macro_auc_float32": 0.7}
    rows = [{**row, "macro_auc_int8": 0.699}, {**row, "format": "litert", "macro_auc_int8": 0.66}]
    found = export_table.losses(rows)
    assert found == "1 of 2 files lose more than 0.005 of macro AUC: LiteRT of a (0.040)"
    assert export_table.losses(rows[:1]).startswith("0 of 1 files")


def test_models_without_scores_have_their_cost():
    row = {"model": "b", "format": "onnx", "seconds_float32": 2.25, "bytes_float32": 3e6}
    rows = [row, {**row, "format": "litert", "seconds_float32": 31.0}, {**row, "model": "a"}]
    first, second = export_table.costs(rows).to_dict("records")
    assert (first["model"], first["LiteRT, s"], first["ONNX, size"]) == ("a", "–", "3 MB")
    assert second["LiteRT, s"] == "31.0"
    assert export_table.seconds(rows) == "from 2.2 (a, ONNX) to 31.0 (b, LiteRT) seconds"


def test_every_substitution_is_on_the_page():
    config = SimpleNamespace(myst_substitutions={})
    export_table.add_substitutions(SimpleNamespace(srcdir=BOOK), config)
    page = (BOOK / "appendix" / "export.md").read_text("utf-8")
    for name, text in config.myst_substitutions.items():
        assert f"{{{{ {name} }}}}" in page
        assert text
    head, _, *rows = config.myst_substitutions["export_table"].splitlines()
    assert head.count("|") == 7
    assert len(rows) == len({row.split("|")[1] for row in rows}) > 1
