"""Write public PyTorch models' answers to ``tests/models/fixtures``, for tests without PyTorch.

make parity && .venv-parity/bin/python tests/parity/make_fixtures.py

Stored are names and shapes of the state dict, the settings and the answers. Weights are refilled by
the rule of ``tests/models/random_weights.py``, films by NumPy's generator.
"""

import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "models"), str(TESTS / "parity")]

CASES = {
    # file: timm's model, image size, labels, gain of the rule
    "efficientvit_m0": ("efficientvit_m0", 128, 5, 0.75),
}


def main():
    import torch
    from conftest import register_operators
    from random_weights import random_films, random_state

    register_operators(torch)
    import timm

    for file, (name, size, num_labels, gain) in CASES.items():
        model = timm.create_model(name, pretrained=False, num_classes=num_labels, img_size=size)
        shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
        state = random_state(shapes, gain=gain)
        model.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()}, strict=False)
        films = random_films(2, size)
        with torch.no_grad():
            colour = torch.from_numpy(films.transpose(0, 3, 1, 2)).repeat(1, 3, 1, 1)
            logits = model.eval()(colour).numpy()
        path = TESTS / "models" / "fixtures" / f"{file}.npz"
        np.savez_compressed(
            path,
            names=np.array(list(shapes)),
            shapes=np.array([" ".join(map(str, shape)) for shape in shapes.values()]),
            image_size=size,
            gain=gain,
            logits=logits,
            made_with=f"timm {timm.__version__}, torch {torch.__version__}",
        )
        print(f"{path.name}: {path.stat().st_size / 1024:.1f} KiB, logits {logits.round(3)[0]}")


if __name__ == "__main__":
    main()
