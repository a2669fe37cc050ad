"""Losses against plain float64 NumPy, scikit-learn and hand-worked numbers."""

import keras
import numpy as np
import pytest
from sklearn.metrics import log_loss

from xraylab import losses


@pytest.fixture
def answers():
    rng = np.random.default_rng(0)
    return (rng.random((6, 14)) < 0.3).astype(np.float32), rng.normal(0, 3, (6, 14))


def test_binary_cross_entropy_is_scikit_learns_log_loss(answers):
    y_true, logits = answers
    probabilities = 1 / (1 + np.exp(-logits))
    expected = np.mean(
        [log_loss(y_true[:, k], probabilities[:, k], labels=[0, 1]) for k in range(14)]
    )
    got = float(losses.binary_cross_entropy(y_true, logits.astype(np.float32)))
    assert got == pytest.approx(expected, rel=1e-6)


def test_binary_cross_entropy_by_hand():
    # At logit 0 every answer costs ln 2; at ±1000 a wrong one costs 1000 and does not overflow.
    assert float(losses.binary_cross_entropy([[1.0]], np.float32([[0.0]]))) == pytest.approx(
        np.log(2)
    )
    assert float(losses.binary_cross_entropy([[0.0]], np.float32([[1000.0]]))) == 1000.0
    assert float(losses.binary_cross_entropy([[1.0]], np.float32([[1000.0]]))) == 0.0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
def test_the_gradient_of_binary_cross_entropy_is_the_error_of_the_probability():
    """At logit 0 too, where heads that start at zero begin."""
    import tensorflow as tf

    logits = tf.constant([[0.0, 0.0, 2.0, -60.0, 60.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = losses.binary_cross_entropy([[1.0, 0.0, 1.0, 1.0, 1.0]], logits)
    expected = (np.array([[0.5, 0.5, 1 / (1 + np.exp(-2)), 0, 1]]) - [[1, 0, 1, 1, 1]]) / 5
    np.testing.assert_allclose(tape.gradient(loss, logits), expected, atol=1e-7)


def plain_focal(y_true, logits, alpha, gamma):
    """The equation as it is meant, on probabilities, where those are not yet 0 or 1."""
    p = 1 / (1 + np.exp(-logits))
    present = alpha * (1 - p) ** gamma * y_true * np.log(p)
    absent = (1 - alpha) * p**gamma * (1 - y_true) * np.log(1 - p)
    return np.mean(-np.sum(present + absent, axis=1))


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.9, 0.5), (0.0, 1.0), (1.0, 5.0)])
@pytest.mark.parametrize(("dtype", "rel"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_binary_focal_is_its_equation(answers, alpha, gamma, dtype, rel):
    y_true, logits = answers
    got = float(losses.binary_focal(y_true, logits.astype(dtype), alpha, gamma))
    assert got == pytest.approx(plain_focal(y_true, logits, alpha, gamma), rel=rel)


def test_binary_focal_without_focus_is_half_the_cross_entropy(answers):
    """At γ = 0 and α = 1/2, summed over the 14 labels instead of averaged."""
    y_true, logits = answers
    got = float(losses.binary_focal(y_true, logits, alpha=0.5, gamma=0.0))
    assert got == pytest.approx(14 / 2 * float(losses.binary_cross_entropy(y_true, logits)))


def test_binary_focal_by_hand():
    # At logit 0, (1 - p)² = 1/4: a finding costs a quarter of that quarter of ln 2, its absence
    # three times as much; two labels are summed, two images averaged.
    got = losses.binary_focal([[1.0, 0.0], [1.0, 1.0]], np.zeros((2, 2), np.float32))
    assert float(got) == pytest.approx((4 + 2) / 2 * np.log(2) / 16)


@pytest.mark.parametrize(
    ("y_true", "logit", "expected"),
    [(1.0, 1e4, 0.0), (1.0, -1e4, 2500.0), (0.0, 1e4, 7500.0), (0.0, -1e4, 0.0)],
)
def test_binary_focal_does_not_overflow(y_true, logit, expected):
    for gamma in (0.0, 0.5, 2.0):
        got = losses.binary_focal([[y_true]], np.float32([[logit]]), gamma=gamma)
        assert float(got) == expected


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_the_gradient_of_binary_focal(gamma):
    import tensorflow as tf

    logits = np.array([[-1e4, -30.0, -1.0, 0.0, 1.0, 30.0, 1e4]])
    for y_true in (np.zeros((1, 7)), np.ones((1, 7))):
        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            loss = losses.binary_focal(y_true, variable, gamma=gamma)
        gradient = tape.gradient(loss, variable).numpy()
        assert np.isfinite(gradient).all()
        inner = slice(2, 5)  # where a difference of the plain equation is exact enough
        for k in range(7)[inner]:
            step = np.eye(7)[[k]] * 1e-5
            part = [plain_focal(y_true[:, [k]], (logits + s)[:, [k]], 0.25, gamma)
                    for s in (-step, step)]  # fmt: skip
            assert gradient[0, k] == pytest.approx((part[1] - part[0]) / 2e-5, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": -0.1}, r"alpha must lie in \[0, 1\].*; -0.1 came"),
        ({"alpha": 1.5}, r"alpha must lie in \[0, 1\].*; 1.5 came"),
        ({"alpha": float("nan")}, "nan came"),
        ({"gamma": -1.0}, "gamma must be 0 or above and finite; -1.0 came"),
        ({"gamma": float("inf")}, "inf came"),
    ],
)
def test_binary_focal_refuses_what_is_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        losses.binary_focal(np.zeros((1, 1)), np.zeros((1, 1), np.float32), **arguments)


def test_reconstruction_error_by_hand():
    images = np.zeros((1, 2, 2, 1), np.float32)
    rebuilt = np.float32([0.0, 1.0, 2.0, 3.0]).reshape(1, 2, 2, 1)
    assert float(losses.reconstruction_error(images, rebuilt)) == pytest.approx(14 / 4)


@pytest.mark.parametrize("weight", [0.0, 0.5, 10.0])
def test_joint_loss_is_the_weighted_sum(answers, weight):
    y_true, logits = answers
    rng = np.random.default_rng(1)
    images, rebuilt = rng.random((2, 6, 8, 8, 1))
    stable = np.mean(np.logaddexp(0, logits) - logits * y_true)
    expected = stable + weight * np.mean((images - rebuilt) ** 2)
    got = losses.joint(
        y_true, logits.astype(np.float32), images, rebuilt.astype(np.float32), weight
    )
    assert float(got) == pytest.approx(expected, rel=1e-5)


def painted(seed=0):
    """Images, what a model painted, and a mask that leaves one image and two rows alone."""
    rng = np.random.default_rng(seed)
    images, rebuilt = rng.random((2, 4, 6, 6, 1))
    mask = rng.random((4, 6, 6, 1)) < 0.4
    mask[2] = False
    mask[:, :2] = False
    return images, rebuilt, mask


@pytest.mark.parametrize("kind", [bool, np.float32, np.uint8])
@pytest.mark.parametrize(("dtype", "rel"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_masked_reconstruction_is_the_mean_error_of_the_corrupted_pixels(dtype, rel, kind):
    images, rebuilt, mask = painted()
    total = count = 0
    for place in np.ndindex(mask.shape):
        if mask[place]:
            total, count = total + abs(images[place] - rebuilt[place]), count + 1
    got = losses.masked_reconstruction(images, rebuilt.astype(dtype), mask.astype(kind))
    assert float(got) == pytest.approx(total / count, rel=rel)


def test_masked_reconstruction_by_hand():
    images = np.zeros((2, 1, 3, 1), np.float32)
    rebuilt = np.float32([1.0, -2.0, 4.0, 8.0, 9.0, 9.0]).reshape(2, 1, 3, 1)
    mask = np.array([1, 1, 0, 1, 0, 0]).reshape(2, 1, 3, 1)
    # Over the pixels of the batch: the mean of the images' means would be (1.5 + 8) / 2.
    assert float(losses.masked_reconstruction(images, rebuilt, mask)) == pytest.approx(11 / 3)


def test_masked_reconstruction_of_nothing_is_nothing():
    images, rebuilt, mask = painted()
    whole = float(losses.masked_reconstruction(images, rebuilt, mask))
    keep = [0, 1, 3]  # the image without a corrupted pixel counts nothing
    assert float(losses.masked_reconstruction(images[keep], rebuilt[keep], mask[keep])) == whole
    assert float(losses.masked_reconstruction(images, rebuilt, np.zeros_like(mask))) == 0.0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
def test_the_gradient_of_masked_reconstruction_is_zero_on_clean_pixels():
    import tensorflow as tf

    images, rebuilt, mask = painted()
    rebuilt[~mask] = np.where(np.arange((~mask).sum()) % 2, np.nan, np.inf)  # nor do these matter
    for some in (mask, np.zeros_like(mask)):
        variable = tf.Variable(rebuilt)
        with tf.GradientTape() as tape:
            loss = losses.masked_reconstruction(images, variable, some)
        gradient = tape.gradient(loss, variable).numpy()
        expected = np.where(some, np.sign(rebuilt - images), 0) / max(some.sum(), 1)
        np.testing.assert_allclose(gradient, expected, rtol=1e-12)
        np.testing.assert_array_equal(gradient[~some], 0)


def test_masked_reconstruction_broadcasts_nothing():
    images, rebuilt, mask = painted()
    for wrong in (mask[..., 0], mask[:1], mask[:, :3], np.repeat(mask, 3, axis=3)):
        with pytest.raises(ValueError, match=r"must have one shape; .* came"):
            losses.masked_reconstruction(images, rebuilt, wrong)
    with pytest.raises(ValueError, match=r"\(1, 6, 6, 1\), \(4, 6, 6, 1\) and \(4, 6, 6, 1\) came"):
        losses.masked_reconstruction(images[:1], rebuilt, mask)


def plain_cross_entropy(targets, logits):
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    return -(targets * np.log(p) + (1 - targets) * np.log1p(-p))


def test_weighted_cross_entropy_is_its_equation(answers):
    y_true, logits = answers
    prevalence = np.linspace(0.02, 0.6, 14)
    weights = y_true / (2 * prevalence) + (1 - y_true) / (2 * (1 - prevalence))
    expected = np.mean(weights * plain_cross_entropy(y_true, logits))
    assert float(losses.weighted_binary_cross_entropy(y_true, logits, prevalence)) == pytest.approx(
        expected, rel=1e-12
    )


def test_weighted_cross_entropy_gives_both_classes_half_of_the_weight():
    y_true = np.float64([[1], [0], [0], [0]])
    for at in (-3.0, 3.0):  # wrong about one class only, whichever
        cost = losses.weighted_binary_cross_entropy(y_true, np.full((4, 1), at), [0.25])
        assert float(cost) == pytest.approx(
            0.5 * (np.logaddexp(0, -at) + np.logaddexp(0, at)), rel=1e-12
        )
    with pytest.raises(ValueError, match="cannot be weighted"):
        losses.weighted_binary_cross_entropy(y_true, np.zeros((4, 1)), [0.0])


@pytest.mark.parametrize(
    ("positive", "negative", "margin"), [(0.0, 4.0, 0.05), (1.0, 2.5, 0.2), (1.0, 1.0, 0.0)]
)
def test_asymmetric_is_its_equation(answers, positive, negative, margin):
    y_true, logits = answers
    p = 1 / (1 + np.exp(-logits))
    q = np.maximum(p - margin, 0)
    present = -((1 - p) ** positive) * np.log(p)
    absent = -(q**negative) * np.log(1 - q)
    expected = np.mean(np.sum(y_true * present + (1 - y_true) * absent, axis=1))
    got = losses.asymmetric(y_true, logits, positive, negative, margin)
    assert float(got) == pytest.approx(expected, rel=1e-9)


def test_asymmetric_without_focus_and_margin_is_the_cross_entropy(answers):
    y_true, logits = answers
    got = float(losses.asymmetric(y_true, logits, 0.0, 0.0, 0.0))
    assert got == pytest.approx(14 * float(losses.binary_cross_entropy(y_true, logits)), rel=1e-9)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads gradients off a tape")
def test_the_gradient_of_asymmetric_is_finite_and_that_of_differences():
    import tensorflow as tf

    values = np.array([[-200.0, -4.0, -2.944, -1.0, 0.0, 5.0, 200.0]])
    for y in (0.0, 1.0):
        logits = tf.constant(values)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = losses.asymmetric(np.full(values.shape, y), logits, 0.0, 4.0, 0.05)
        gradient = tape.gradient(loss, logits).numpy()
        assert np.isfinite(gradient).all()
        step = 1e-5
        for k in range(values.shape[1]):
            moved = [values.copy(), values.copy()]
            moved[0][0, k] -= step
            moved[1][0, k] += step
            low, high = (
                float(losses.asymmetric(np.full(values.shape, y), m, 0.0, 4.0, 0.05)) for m in moved
            )
            assert gradient[0, k] == pytest.approx((high - low) / (2 * step), abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": 1.0}, "margin must lie"),
        ({"gamma_negative": -1.0}, "gamma_negative must be 0 or above"),
        ({"gamma_positive": float("nan")}, "gamma_positive must be 0 or above"),
    ],
)
def test_asymmetric_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        losses.asymmetric([[1.0]], np.float32([[0.0]]), **arguments)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_distillation_is_its_equation(answers, temperature):
    _, logits = answers
    p = np.random.default_rng(1).uniform(0.01, 0.99, logits.shape)
    weights = 1 - p.mean(axis=0)
    softened = 1 / (1 + np.exp(-np.log(p / (1 - p)) / temperature))
    cost = plain_cross_entropy(softened, logits / temperature) * temperature**2
    expected = np.mean(weights * cost)
    got = losses.distillation(logits, p, temperature)
    assert float(got) == pytest.approx(expected, rel=1e-9)


def test_distillation_leaves_out_what_the_teacher_does_not_know(answers):
    _, logits = answers
    p = np.random.default_rng(1).random(logits.shape)
    p[:, 3] = np.nan
    rest = np.delete(np.arange(14), 3)
    expected = float(losses.distillation(logits[:, rest], p[:, rest]))
    assert float(losses.distillation(logits, p)) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="temperature must be above 0"):
        losses.distillation(logits, p, 0.0)


LABEL_LOSSES = {
    "binary_cross_entropy": {},
    "weighted_binary_cross_entropy": {"prevalence": [0.3] * 14},
    "binary_focal": {},
    "asymmetric": {},
    "double_sigmoid_cross_entropy": {},
}


@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_unknown_labels_cost_nothing(answers, name):
    """Whatever the model says about them."""
    y_true, logits = answers
    loss, options = getattr(losses, name), LABEL_LOSSES[name]
    y_true = y_true.copy()
    y_true[2, 5] = y_true[4, 0] = np.nan
    first = float(loss(y_true, logits, **options))
    assert np.isfinite(first)
    other = logits.copy()
    other[2, 5], other[4, 0] = 7.0, -7.0
    assert float(loss(y_true, other, **options)) == first
    assert float(loss(np.full_like(y_true, np.nan), logits, **options)) == 0.0


def test_means_are_over_what_is_known(answers):
    y_true, logits = answers
    y_true = y_true.copy()
    y_true[0] = np.nan
    expected = float(losses.binary_cross_entropy(y_true[1:], logits[1:]))
    assert float(losses.binary_cross_entropy(y_true, logits)) == pytest.approx(expected, rel=1e-12)


def test_the_double_sigmoid_hardly_moves():
    """Right or wrong, its loss lies between 0.31 and 1.31, mostly at 0.69."""
    y_true = np.zeros((1, 1))
    for logit in (-50.0, 0.0, 50.0):
        p = 1 / (1 + np.exp(-logit))
        expected = float(plain_cross_entropy(y_true, np.full((1, 1), p))[0, 0])
        got = float(losses.double_sigmoid_cross_entropy(y_true, np.full((1, 1), logit)))
        assert got == pytest.approx(expected, rel=1e-9)
    assert got > 1.3


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="looks into TensorFlow's graph")
@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_probabilities_are_refused_where_that_can_be_seen(name):
    import tensorflow as tf

    loss, options = getattr(losses, name), LABEL_LOSSES[name]

    @tf.function
    def step(x):
        return loss(tf.zeros_like(x), keras.ops.sigmoid(x), **options)

    with pytest.raises(ValueError, match="the output of a sigmoid came"):
        step(tf.zeros((2, 14)))
