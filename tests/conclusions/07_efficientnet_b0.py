# ruff: noqa: F821
"""What chapter 7 concludes; runs at its end, with its variables."""

# Costs, and times that are not proportional to them.
assert round(costs["standard"] / pair, 1) == round(1 / (1 / WIDTH + 1 / 9), 1)
rates = {name: costs[name] / layer_times[name] for name in costs}
assert min(rates, key=rates.get) == "depthwise"
assert max(rates.values()) > 2 * min(rates.values()), "far from equal"
assert total == counted, "the two agree exactly"
assert max(spent, key=spent.get) == "pointwise"
assert spent["depthwise"] < 0.15 * total, "a small part"
seconds_of = {(r.model, r.size): r.inference_seconds for r in published}
longer = [seconds_of["efficientnet_b0", n] > seconds_of["resnet50", n] for n in (64, 128, 224)]
assert sum(longer) == 2, "at two of three sizes"

# Scores.
first, second = (record.intervals["macro_auc"] for record in records.values())
shared = min(first.high, second.high) - max(first.low, second.low)
assert shared > 0.7 * (first.high - first.low), "overlap almost completely"
best = {}
for r in published:
    if r.model in ("resnet50", "densenet121", "efficientnet_b0"):
        best.setdefault(r.size, {})[r.model] = r.scores["macro_auc"]
assert [max(best[size], key=best[size].get) for size in (64, 128, 224)] == [
    "efficientnet_b0",
    "densenet121",
    "efficientnet_b0",
]

# Gates.
assert len(measured["blocks"]) == 16
more_between_images = [
    b["between_images"] > b["between_channels"] for b in measured["blocks"].values()
]
assert more_between_images == [False] * 4 + [True] * 12
assert value > 0, "slightly higher"
assert abs(low) < 0.001, "begins at about zero"


def solution(x, w1, b1, w2, b2):
    """Solve the exercise on squeeze and excitation."""
    h = x.mean(axis=(1, 2)) @ w1 + b1
    gates = sigmoid(h * sigmoid(h) @ w2 + b2)
    return x * gates[:, None, None, :]


assert check.exercise("07.squeeze_excite", solution)
