"""Write outputs of public PyTorch models to ``tests/models/fixtures`` for tests without PyTorch.

make parity && .venv-parity/bin/python tests/parity/make_fixtures.py

Recorded are names and shapes of the state dict, the settings and the outputs. Weights and images
are drawn again, by the rules of ``tests/models/random_weights.py``.
"""

import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "parity"), str(TESTS / "models")]  # both have a conftest.py


def efficientvit_m0(size):
    """Return timm's EfficientViT-M0 with five labels, what it takes, and who made it."""
    import timm

    model = timm.create_model("efficientvit_m0", pretrained=False, num_classes=5, img_size=size)
    return model, lambda images: images.repeat(1, 3, 1, 1), f"timm {timm.__version__}"


def xrv_densenet121(size):
    """Return the same for TorchXRayVision's DenseNet-121."""
    import torchxrayvision as xrv

    model = xrv.models.DenseNet(weights=None, num_classes=18, in_channels=1)
    return model, lambda images: (2 * images - 1) * 1024, f"torchxrayvision {xrv.__version__}"


CASES = ((efficientvit_m0, 128, 0.75), (xrv_densenet121, 64, 0.5))
"""Network, image size, gain of the rule."""


def main():
    import torch
    from conftest import register_operators
    from random_weights import random_images, random_state

    register_operators(torch)
    for case, size, gain in CASES:
        model, prepare, made_with = case(size)
        shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        state = random_state(shapes, gain=gain)
        model.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()}, strict=False)
        images = torch.from_numpy(random_images(2, size).transpose(0, 3, 1, 2))
        with torch.no_grad():
            logits = model.eval()(prepare(images)).numpy()
        path = TESTS / "models" / "fixtures" / f"{case.__name__}.npz"
        np.savez_compressed(
            path,
            names=np.array(list(shapes)),
            shapes=np.array([" ".join(map(str, shape)) for shape in shapes.values()]),
            image_size=size,
            gain=gain,
            logits=logits,
            made_with=f"{made_with}, torch {torch.__version__}",
        )
        print(f"{path.name}: {path.stat().st_size / 1024:.1f} KiB, logits {logits.round(3)[0]}")


if __name__ == "__main__":
    main()
