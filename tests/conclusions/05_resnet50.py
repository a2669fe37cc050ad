# ruff: noqa: F821
"""What chapter 5 concludes; runs at its end, with its variables."""

total = resnet50.count_params()
assert 0.88 < (stages["conv4"] + stages["conv5"]) / total < 0.93, "nine tenths"
assert stages["conv1"] / total < 0.001, "almost none"
assert np.abs(change).max() < 1e-3, "a rounding error"

# Gradients grow backwards, in plain networks by about the same factor at each block.
deep = max(DEPTHS)
assert all(value > 1 for value in growth.values()), "they do not vanish"
assert deep == 16
assert 1000 < growth[deep, "plain"] < 10_000, "some thousand"
assert 50 < growth[deep, "residual"] < 500, "some hundred"
steps = np.diff(np.log(norms[deep, "plain"][:0:-1]))
assert 0.85 < np.exp(steps.mean()) / theory < 1.15, "close to the theory"
assert steps.min() > 0

# Degradation: the training loss of plain networks rises with depth, that of residual ones falls.
residual, plain = final["residual"], final["plain"]
assert blocks == [2, 4, 8, 16, 32]
assert residual.shape == (5, 5), "five seeds"
assert (np.diff(residual.mean(axis=1)) < 0).all(), "falls with depth"
assert plain.mean(axis=1).argmin() == 1, "lowest with four blocks"
assert (np.diff(plain.mean(axis=1))[1:] > 0).all(), "then rises"
assert plain[-1].min() > plain[0].max(), "with 32 blocks higher than with two"
assert residual[0].max() > plain[0].min(), "with two blocks the ranges overlap"
assert (residual.max(axis=1) < plain.min(axis=1))[1:].all(), "from four blocks on they do not"


def solution(x, gamma, beta, epsilon=1e-3):
    """Solve the exercise on batch normalisation."""
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


assert check.exercise("05.batch_norm", solution)
