"""The networks of the degradation measurement: their gradients, and what a plain network lacks."""

import measure_degradation
import numpy as np
import pytest


@pytest.mark.parametrize("residual", [True, False])
def test_gradients_agree_with_differences_of_the_loss(residual):
    rng = np.random.default_rng(0)
    weights = measure_degradation.initialize(rng, 10, 6, blocks=3, labels=4)
    weights = {name: w + 0.1 * rng.normal(size=w.shape) for name, w in weights.items()}
    x, y = rng.normal(size=(8, 10)), rng.integers(0, 2, (8, 4)).astype(float)
    _, slopes = measure_degradation.loss_and_gradients(weights, x, y, residual)
    for name, weight in weights.items():
        direction = rng.normal(size=weight.shape)
        up, down = (
            measure_degradation.loss_and_gradients(
                weights | {name: weight + step * direction}, x, y, residual
            )[0]
            for step in (1e-5, -1e-5)
        )
        expected = (up - down) / 2e-5
        assert np.sum(slopes[name] * direction) == pytest.approx(expected, rel=1e-4, abs=1e-8)
