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

PACKAGES = ("layers", "losses", "metrics", "models", "training")


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


class _Hook(importlib.abc.MetaPathFinder):
    """Runs :func:`register` after the outermost import during which Keras was imported.

    Keras may be imported by a module of xraylab. That module is then incomplete, and others that
    import it would fail: registration waits until no import of xraylab is in progress.
    """

    depth = 0

    def find_spec(self, fullname, path=None, target=None):
        """Count the imports of Keras and of modules of xraylab that are in progress."""
        if fullname != "keras" and not fullname.startswith("xraylab."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            self.depth += 1
            try:
                execute(module)
            finally:
                self.depth -= 1
            if self.depth == 0 and "keras" in sys.modules and self in sys.meta_path:
                sys.meta_path.remove(self)
                register()

        spec.loader.exec_module = exec_module
        return spec
