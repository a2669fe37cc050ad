"""The API reference covers every public name; ``make book`` checks the rendered pages."""

import importlib
import inspect
from pathlib import Path

import pytest
import yaml

pytest.importorskip("sphinx")

import accessible
import api_reference
from sphinx.util.inventory import InventoryFile

from xraylab.phantom import PhantomConfig

BOOK = Path(__file__).resolve().parents[2] / "book"


def test_every_subpackage_has_a_page():
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    (api,) = (chapter for chapter in chapters if chapter["file"] == "api")
    pages = {section["file"] for section in api["sections"]}
    names = {package.__name__ for package in api_reference.public_subpackages()}
    assert pages == {f"api/{name.removeprefix('xraylab.')}" for name in names}
    overview = (BOOK / "api.md").read_text(encoding="utf-8")
    for page in pages:
        text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
        assert f".. automodule:: xraylab.{page.removeprefix('api/')}\n" in text
        assert f"{{doc}}`{page}`" in overview


def public_functions():
    """Yield the public functions, and the public methods of public classes, by name."""
    for name in api_reference.public_names():
        module, _, attribute = name.rpartition(".")
        found = getattr(importlib.import_module(module), attribute)
        if inspect.isfunction(found):
            yield name, found
        elif inspect.isclass(found) and found.__module__.startswith("xraylab"):
            for method, function in inspect.getmembers(found, inspect.isfunction):
                if not function.__name__.startswith("_") and "xraylab" in function.__module__:
                    yield f"{name}.{method}", function


def test_public_functions_are_annotated():
    functions = dict(public_functions())
    assert len(functions) > 100
    missing = [
        f"{name}: {argument.name}"
        for name, function in functions.items()
        for argument in inspect.signature(function).parameters.values()
        if argument.annotation is argument.empty
        and argument.name != "self"
        and argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)
    ]
    missing += [
        f"{name}: returns"
        for name, function in functions.items()
        if inspect.signature(function).return_annotation is inspect.Signature.empty
    ]
    assert not missing


def test_signatures_of_pydantic_models_list_names_and_defaults():
    short = api_reference.omit_validators(
        None, "class", "", PhantomConfig, None, "(*, a: ~typing.Annotated[…] = 1)", None
    )
    assert short[0].startswith("(*, prevalence=None, sensitivity=1.0")
    assert api_reference.omit_validators(None, "class", "", Path, None, "(x)", None) is None


def test_the_first_words_of_a_constant_are_not_its_type():
    lines = ["One box: row, column, sides.", "More: text."]
    api_reference.replace_colon(None, "data", "", None, None, lines)
    assert lines == ["One box – row, column, sides.", "More: text."]


def test_missing_names_are_found(tmp_path, monkeypatch):
    documented = {"py:function": {"xraylab.a": ("xraylab", "", "api.html#xraylab.a", "-")}}
    monkeypatch.setattr(InventoryFile, "load", lambda *arguments: documented)
    monkeypatch.setattr(api_reference, "public_names", lambda: ["xraylab.a", "xraylab.b"])
    (tmp_path / "objects.inv").touch()
    assert api_reference.missing_names(tmp_path) == ["xraylab.b"]


def test_the_corner_of_a_table_is_no_header():
    context = {"body": "<tr><th></th><th>auc</th></tr>"}
    accessible.make_accessible(None, "page", "page.html", context, None)
    assert context["body"] == "<tr><td></td><th>auc</th></tr>"
