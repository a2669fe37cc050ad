"""Shared by the parity tests, which compare with public PyTorch models where there are any."""

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def torch():
    """Return PyTorch, fit to import torchvision, or skip the test by name."""
    # Its compiler Triton aborts the process if loaded after TensorFlow; nothing here needs it.
    sys.modules.setdefault("triton", None)
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make parity")
    register_operators(torch)
    return torch


def register_operators(torch):
    """Let torchvision be imported beside a PyTorch that its compiled operators do not fit.

    When imported, torchvision describes two of its operators to PyTorch. Where its compiled half
    does not load, there is nothing to describe, and the import fails; naming the operators first
    is enough. timm imports torchvision but calls neither.
    """
    package = importlib.util.find_spec("torchvision")
    if package is None:
        return
    for compiled in Path(package.origin).parent.glob("_C*"):
        try:
            torch.ops.load_library(str(compiled))
            return
        except OSError:
            continue
    # Its operators exist only as long as the library object.
    register_operators.library = torch.library.Library("torchvision", "DEF")
    for schema in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, Tensor idxs, float iou_threshold) -> Tensor",
    ):
        register_operators.library.define(schema)


@pytest.fixture(scope="session")
def timm(torch):
    """Return timm, or skip the test by name."""
    return pytest.importorskip("timm", reason="timm is not installed: make parity")
