"""Sphinx extension of the API reference: public constants, and a check that no name is missing.

autodoc looks for the docstring of a constant in the module that it documents. The subpackages of
xraylab re-export constants, so this extension takes the docstrings from the defining modules. In
the signatures of pydantic models it omits annotations, which would list the code of validators,
and it keeps napoleon from taking the first words of a constant's docstring for its type.
"""

import importlib
import inspect
import pkgutil
from pathlib import Path

import pydantic

import xraylab


def setup(app):
    app.connect("builder-inited", lambda app: document_constants())
    app.connect("autodoc-process-signature", omit_validators)
    app.connect("autodoc-process-docstring", replace_colon, priority=400)  # before napoleon
    return {"parallel_read_safe": True}


def public_subpackages():
    """Yield the modules that ``import xraylab`` offers as attributes."""
    for module in pkgutil.iter_modules(xraylab.__path__):
        if module.name in dir(xraylab):
            yield importlib.import_module(f"xraylab.{module.name}")


def public_names() -> list[str]:
    """Return the full names that the subpackages export."""
    return [f"{p.__name__}.{name}" for p in public_subpackages() for name in _exported(p)]


def document_constants():
    """Load lazy names, and give re-exported constants the docstrings of their definitions."""
    from sphinx.pycode import ModuleAnalyzer

    for package in public_subpackages():
        for name in _exported(package):  # autodoc does not call the package's __getattr__
            setattr(package, name, getattr(package, name))
        target = ModuleAnalyzer.for_module(package.__name__)
        target.analyze()
        for module in pkgutil.walk_packages(
            getattr(package, "__path__", ()), f"{package.__name__}."
        ):
            source = ModuleAnalyzer.for_module(module.name)
            source.analyze()
            for (scope, name), docstring in source.attr_docs.items():
                if not scope and name in _exported(package):
                    target.attr_docs["", name] = docstring


def omit_validators(app, what, name, obj, options, signature, return_annotation):
    """Return the signature of a pydantic model with names and defaults only, None for others."""
    if what != "class" or not issubclass(obj, pydantic.BaseModel):
        return None
    parameters = inspect.signature(obj).parameters.values()
    plain = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
    return str(inspect.Signature(plain)), return_annotation


def replace_colon(app, what, name, obj, options, lines):
    """Write a dash for the first colon of a constant or property, which would end its type."""
    if what in ("attribute", "data", "property") and lines:
        lines[0] = lines[0].replace(": ", " – ", 1)


def missing_names(html: Path) -> list[str]:
    """Return the public names that a rendered book does not document."""
    from sphinx.util.inventory import InventoryFile

    with (html / "objects.inv").open("rb") as stream:
        inventory = InventoryFile.load(stream, "", lambda base, path: path)
    documented = {name for kind in inventory if kind.startswith("py:") for name in inventory[kind]}
    return [name for name in public_names() if name not in documented]


def _exported(package) -> list[str]:
    """Return the names in ``__all__`` except submodules."""
    names = getattr(package, "__all__", ())
    return [name for name in names if not inspect.ismodule(getattr(package, name))]
