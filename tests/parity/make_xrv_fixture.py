"""Write the answers of TorchXRayVision's DenseNet to ``tests/models/fixtures``.

make parity && .venv-parity/bin/python tests/parity/make_xrv_fixture.py

Stored are names and shapes of the state dict and the answers. Weights are refilled, and films made
again, by the rules of ``tests/models/random_weights.py``.
"""

import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "parity"), str(TESTS / "models")]  # both have a conftest.py
SIZE, GAIN = 64, 0.5


def main():
    import torch
    from conftest import register_operators
    from random_weights import random_films, random_state

    register_operators(torch)
    import torchxrayvision as xrv

    model = xrv.models.DenseNet(weights=None, num_classes=18, in_channels=1).eval()
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    state = random_state(shapes, gain=GAIN)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()}, strict=False)
    films = torch.from_numpy(random_films(2, SIZE).transpose(0, 3, 1, 2))
    with torch.no_grad():
        logits = model((2 * films - 1) * 1024).numpy()
    path = TESTS / "models" / "fixtures" / "xrv_densenet121.npz"
    np.savez_compressed(
        path,
        names=np.array(list(shapes)),
        shapes=np.array([" ".join(map(str, shape)) for shape in shapes.values()]),
        image_size=SIZE,
        gain=GAIN,
        logits=logits,
        made_with=f"torchxrayvision {xrv.__version__}, torch {torch.__version__}",
    )
    print(f"{path.name}: {path.stat().st_size / 1024:.1f} KiB, logits {logits.round(3)}")


if __name__ == "__main__":
    main()
