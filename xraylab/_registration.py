"""Register the Keras classes and functions of xraylab as soon as Keras is imported.

``keras.models.load_model`` finds a class only after the module that defines it was imported.
Importing those modules with ``import xraylab`` would import Keras, which takes seconds that the
command line and :mod:`xraylab.data` do not need. Therefore an import hook waits for Keras.
"""

import importlib
import importlib.abc
import importlib.machinery
import pkgutil
import sys

PACKAGES = ("layers", "losses", "metrics", "models")


def install() -> None:
    """Register now if Keras is imported already, else when its import is complete."""
    if "keras" in sys.modules:
        register()
    else:
        sys.meta_path.insert(0, _Hook())


def register() -> None:
    """Import every module that registers something with Keras."""
    for name in PACKAGES:
        package = importlib.import_module(f"xraylab.{name}")
        for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
            if not module.ispkg:
                importlib.import_module(f"xraylab.{name}.{module.name}")


class _Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Runs :func:`register` after the outermost import during which Keras was imported.

    Keras may be imported by a module of xraylab. That module is then incomplete, and others that
    import it would fail: registration waits until no import of xraylab is in progress.
    """

    def __init__(self):
        self.loaders, self.depth = {}, 0

    def find_spec(self, fullname, path=None, target=None):
        """Wrap the loaders of Keras and of the modules of xraylab."""
        if fullname != "keras" and not fullname.startswith("xraylab."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        self.loaders[fullname], spec.loader = spec.loader, self
        return spec

    def create_module(self, spec):
        """Create the module with the original loader."""
        return self.loaders[spec.name].create_module(spec)

    def exec_module(self, module):
        """Execute the module with the original loader, then register if this was the outermost."""
        loader = self.loaders.pop(module.__name__)
        module.__loader__ = loader
        if module.__spec__ is not None:
            module.__spec__.loader = loader
        self.depth += 1
        try:
            loader.exec_module(module)
        finally:
            self.depth -= 1
        if self.depth == 0 and "keras" in sys.modules and self in sys.meta_path:
            sys.meta_path.remove(self)
            register()
