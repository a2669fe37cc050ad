"""Exercise checkers accept correct answers and recognize common mistakes."""

import functools

import keras
import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit, log_expit
from scipy.stats import norm
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from xraylab import check, evaluation, losses, models, phantom
from xraylab.check import catalog
from xraylab.explain.localization import _prepare, _scores
from xraylab.findings import FINDINGS
from xraylab.layers.attention import scaled_dot_product_attention
from xraylab.layers.convolution import SqueezeExcite
from xraylab.layers.tokens import patchify
from xraylab.models import mxa
from xraylab.models.medvit import EMHSA, MHCA
from xraylab.phantom.exposure import WATER_ATTENUATION
from xraylab.plotting.charts import pareto_front


def feedback(answer, expected=0.5, mistakes=(), **options):
    """Return the feedback on an answer to an exercise with these mistakes."""
    exercise = check.Exercise(expected, **options)
    for value, hint in mistakes:
        exercise.mistake(value, hint)
    return exercise.check(answer)


def test_a_correct_number_is_accepted():
    found = feedback(0.5004, tolerance=1e-3, success="Half.")
    assert found
    assert "Right. Half." in repr(found)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.25, "squared"),
        (0.9, "too large"),
        (0.1, "too small"),
        (50, "as a percentage"),
        (None, "No answer yet"),
        (..., "No answer yet"),
        ("half", "Expected: numbers. Received: a str"),
        ([0.5, 0.5], "Expected: one number"),
        (float("nan"), "nan"),
        (np.inf, "inf"),
    ],
)
def test_a_wrong_number_gets_a_hint(answer, words):
    found = feedback(answer, mistakes=[(0.25, "You squared it.")])
    assert not found
    assert words in found.message


@pytest.mark.parametrize("answer", [np.float32(0.5), np.array([[0.5]]), "0.5"])
def test_anything_that_holds_one_number_is_accepted(answer):
    assert feedback(answer)


def test_arrays_are_compared_by_shape_and_value():
    expected = np.array([[1.0, 2.0], [3.0, np.nan]])
    assert feedback([[1, 2], [3, np.nan]], expected)
    assert "shape (2, 2)" in feedback([1, 2, 3], expected).message
    assert "2 of 4 values are wrong" in feedback([[1, 2], [4, 5]], expected).message


def test_a_common_mistake_of_another_shape_is_recognized():
    expected = np.arange(6.0).reshape(2, 3)
    hint = "Rows and columns are swapped."
    assert feedback(expected.T, expected, [(expected.T, hint)]).message == hint


def rms(x, axis):
    """Return the root mean square along an axis."""
    return np.sqrt(np.mean(np.square(x), axis=axis))


def code_feedback(answer):
    """Return the feedback on a function that is to compute the root mean square."""
    exercise = check.CodeExercise(
        rms,
        [(np.arange(6.0).reshape(2, 3), axis) for axis in (0, 1)],
        success="Root, mean, square.",
    )
    exercise.mistake(lambda x, axis: np.mean(np.square(x), axis=axis), "Take the root.")
    return exercise.check(answer)


def test_code_that_computes_the_same_is_accepted():
    found = code_feedback(lambda x, axis: np.linalg.norm(x, axis=axis) / np.sqrt(x.shape[axis]))
    assert found
    assert found.message == "Root, mean, square."
    assert code_feedback(lambda x, axis: keras.ops.sqrt(keras.ops.mean(x**2, axis=axis)))


def spoil(x, axis):
    """Change the argument before it is used."""
    x *= 0
    return rms(x, axis)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, axis: np.mean(x**2, axis=axis), "Take the root"),
        (lambda x, axis: rms(x, 0), "shape or value (2, 3), 1: expected shape (2,), received (3,)"),
        (lambda x, axis: np.std(x, axis=axis), "shape or value (2, 3), 0: 3 of 3 values are wrong"),
        (lambda x, axis: None if axis else rms(x, 0), "expected numbers, received array(None"),
        (lambda x: x, "raises TypeError"),
        (lambda x, axis: 1 / 0, "raises ZeroDivisionError: division by zero"),
        (spoil, "3 of 3 values are wrong"),
        (0.5, "Expected: a function; pass its name. Received: a float"),
    ],
)
def test_wrong_code_gets_a_hint(answer, words):
    found = code_feedback(answer)
    assert not found
    assert found.attempted
    assert words in found.message


def test_hidden_arguments_survive_an_answer_that_changes_them():
    arguments = [(np.arange(6.0),)]
    exercise = check.CodeExercise(np.sum, arguments)
    assert not exercise.check(lambda x: np.sum(np.multiply(x, 0, out=x)))
    assert exercise.check(np.sum)


@pytest.mark.parametrize("answer", [None, ..., lambda x, axis: None, lambda x, axis: ...])
def test_code_that_is_still_to_be_written_is_not_wrong(answer):
    found = code_feedback(answer)
    assert not found
    assert not found.attempted


@pytest.mark.parametrize("answer", [lambda x, axis: "3.0", lambda x, axis: np.empty(0, object)])
def test_code_that_returns_no_numbers_is_wrong(answer):
    assert "expected numbers" in code_feedback(answer).message


def test_long_feedback_is_wrapped():
    assert max(map(len, repr(check.Feedback(False, "word " * 60)).splitlines())) <= 72


def test_a_missing_answer_is_not_a_wrong_answer():
    assert repr(feedback(None)).startswith("… No answer yet")


@pytest.fixture
def example(monkeypatch):
    """Replace the book's exercises by one chapter with two."""
    known = {"77.half": check.Exercise(0.5), "77.again": check.Exercise(0.5)}
    monkeypatch.setattr(check.catalog, "_modules", lambda: ["chapter_77"])
    monkeypatch.setattr(check.catalog, "find_exercises", {"chapter_77": known}.get)


def test_exercises_are_found_by_name(example):
    assert check.exercises() == ("77.again", "77.half")
    for name in check.exercises():
        assert check.exercise(name, 0.5)
        assert not check.exercise(name, 0.4)


def test_a_chapter_without_a_quiz_is_rejected():
    with pytest.raises(ValueError, match="Received: '1'"):
        check.quiz("1")


@pytest.mark.parametrize("path", sorted(catalog._QUIZZES.iterdir()), ids=lambda path: path.stem)
def test_every_quiz_has_questions_with_one_right_choice(path):
    assert check.quiz(path.stem)._repr_html_().count("✓ Right.") > 1


@pytest.mark.parametrize("name", ["77.nothing", "99.half", "half", ""])
def test_an_unknown_exercise_is_rejected(example, name):
    with pytest.raises(ValueError, match=r"Expected: one of '77\.again', '77\.half'\. Received"):
        check.exercise(name, 1)


def score_solutions():
    """Compute scores with scikit-learn, and the focal fraction by grid search."""
    images = np.repeat([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]],
                      [46, 20, 14, 12, 5, 3], axis=0)  # fmt: skip
    y, scores = [1, 1, 1, 1, 0, 0, 0, 0, 0], [8, 6, 6, 3, 6, 5, 3, 3, 1]
    near = np.float64([[np.log(p / (1 - p))] for p in (0.4 - 1e-3, 0.4 + 1e-3)])
    there, absent = (
        np.diff(losses.binary_focal_crossentropy([[y]] * 2, near, alpha=0.5, gamma=1.0), axis=0)[0]
        for y in (1.0, 0.0)
    )
    fractions = np.linspace(0, 1, 100_001)
    return {
        "04.empty": accuracy_score(images, np.zeros_like(images)),
        "04.pairs": roc_auc_score(y, scores),
        "04.auc": roc_auc_score,
        "04.known": lambda y, z: np.nanmean(np.logaddexp(0, z) - y * z),
        "04.interval": 42 * (0.05 / 0.01) ** 2,
        "04.focal": fractions[np.argmin(np.abs(fractions * there + (1 - fractions) * absent))],
    }


def medvit_solutions():
    """Take attention and statistics from the package and Keras, and pool by slices."""

    def attention(*arrays):
        return scaled_dot_product_attention(*(x[None, None] for x in arrays))[0][0, 0]

    def moments(x, order):
        flat = x.reshape(len(x), -1, x.shape[-1])
        standard = flat - flat.mean(axis=1)[:, None]
        standard /= flat.std(axis=1)[:, None]
        new = standard * flat.std(axis=1)[order, None] + flat.mean(axis=1)[order, None]
        return new.reshape(x.shape)

    def squares(tokens, s):
        corners = np.ndindex(tokens.shape[0] // s, tokens.shape[1] // s)
        return [
            tokens[s * i : s * (i + 1), s * j : s * (j + 1)].mean(axis=(0, 1)) for i, j in corners
        ]

    mhca = MHCA(32)
    mhca.build((None, 4, 4, 384))
    return {
        "08.attention": attention,
        "08.moments": moments,
        "08.squares": squares,
        "08.grouped": sum(np.prod(v.shape) for v in mhca.trainable_variables),
        "08.keys": EMHSA(8, sr_ratio=4).pool(np.zeros((1, (128 // 8) ** 2, 8))).shape[1],
    }


def transformer_solutions():
    """Solve the exercises of DBCT and RR-ViT with the package, or patch by patch."""

    def positions(rows, columns, dim):
        waves = 10000.0 ** (-np.arange(0, dim // 2, 2) / (dim // 2))
        return [
            np.concatenate(
                [np.stack([np.sin(n * waves), np.cos(n * waves)], -1).ravel() for n in (i, j)]
            )
            for i, j in np.ndindex(rows, columns)
        ]

    def focal(y, p, alpha, gamma):
        loss = keras.losses.BinaryFocalCrossentropy(True, alpha, gamma, reduction=None)
        return loss(y[..., None].astype("float64"), p[..., None].astype("float64"))

    def masked_error(images, reconstruction, hidden):
        pairs = zip(images[hidden], reconstruction[hidden], strict=True)
        return np.mean([((a - b) ** 2).mean() for a, b in pairs])

    focal_answers = np.linspace(0.001, 0.999, 99_801)
    expected = -0.1 * 0.25 * (1 - focal_answers) ** 2 * np.log(focal_answers)
    expected -= 0.9 * 0.75 * focal_answers**2 * np.log(1 - focal_answers)
    return {
        "09.positions": positions,
        "09.focal": focal,
        "09.constant": focal_answers[np.argmin(expected)],
        "09.one_more_norm": models.build("dbct", image_size=224).count_params() + 2 * 256,
        "09.width": next(d for d in 2 ** np.arange(12) if 30_000 < (16**2 - 8**2) * d < 50_000),
        "10.patches": lambda image, size: patchify(image[None, ..., None], size)[0],
        "10.parameters": models.build("rr_vit", image_size=224).count_params(),
        "10.bottleneck": min(p for p in range(1, 65) if 64 % p == 0 and p * p > 128),
        "10.masked_error": masked_error,
    }


def mxa_solutions():
    """Count the parameters of an MXA layer and let it round a box."""
    layer = mxa.MXA()
    layer.build((None, 14, 14, 192))
    box = np.asarray(mxa.round_box_to_grid(np.float32([[0.48, 0.40, 0.55, 0.62]]), 14, 14))[0]
    return {
        "12.parameters": layer.count_params(),
        "12.cells": round(float(np.prod((box[2:] - box[:2]) * 14)), 3),
        "12.channel_gate": channel_gate,
    }


def channel_gate(x, w1, w2):
    """Let the layer of the package compute the gate."""
    layer = mxa.ChannelGate(reduction=w1.shape[0] // w1.shape[1])
    layer.build((None, *x.shape))
    layer.set_weights([w1, w2])
    return np.asarray(layer(np.float32(x[None])))[0]


def receptive_field(kernels, strides):
    """Count backwards, from one position to the pixels."""
    side = 1
    for kernel, stride in zip(kernels[::-1], strides[::-1], strict=True):
        side = (side - 1) * stride + kernel
    return side


def merge(m1, l1, o1, m2, l2, o2):
    """Weight the normalised outputs by the share of each tile in the softmax."""
    share = expit(m1 + np.log(l1) - m2 - np.log(l2))
    return share * o1 / l1 + (1 - share) * o2 / l2


def distillation_loss(z, t, tau):
    """Average the cross-entropy of the known labels, written with logarithms of sigmoids."""
    z, p = z[~np.isnan(t)] / tau, expit(t[~np.isnan(t)] / tau)
    return -(tau**2) * np.mean(p * log_expit(z) + (1 - p) * log_expit(-z))


def distillation_solutions():
    """Compute the distillation loss, and its slope at a high temperature."""
    predicted = np.float32([[0.8, np.nan], [0.4, 0.1]])
    heat = 1e5
    return {
        "13.loss": float(losses.Distillation()(predicted, np.zeros((2, 2), np.float32))),
        "13.limit": heat * (np.tanh(3 / heat / 2) - np.tanh(-1 / heat / 2)) / 2,
        "13.distillation_loss": distillation_loss,
    }


def calibration_solutions():
    """Compute calibration with the package, and the lowest of five normal values by quadrature."""
    truth = np.repeat([1, 0, 0], [2, 2, 6])[:, np.newaxis]
    predicted = np.repeat([0.8, 0.1], [4, 6])[:, np.newaxis]
    frequency = np.repeat([0.5, 0.0], [4, 6])[:, np.newaxis]
    there = [0.91, 0.66, 0.52, 0.40, 0.33, 0.27, 0.21, 0.15, 0.08, 0.02]
    absent = [0.35, 0.18, 0.11, 0.06, 0.05, 0.03, 0.02, 0.01]
    images = np.r_[np.ones(10), np.zeros(8)][:, np.newaxis], np.r_[there, absent][:, np.newaxis]
    chosen = evaluation.choose_thresholds(*images, "sensitivity", sensitivity=0.9)
    x = np.linspace(-9, 9, 200_001)
    lowest = 5 * x * norm.pdf(x) * norm.sf(x) ** 4
    return {
        "17.reliability": evaluation.brier(truth, predicted) - evaluation.brier(truth, frequency),
        "17.ece": lambda y, p, bins: evaluation.reliability(y, p, bins).error,
        "17.net_benefit": lambda y, p, t: (
            np.mean((p > t) * y) - np.mean((p > t) * (1 - y)) / (1 / t - 1)
        ),
        "17.precision": evaluation.operating_points(*images, chosen)[0].precision,
        "17.offset": np.log(0.02 * 0.90 / (0.98 * 0.10)),
        "17.worst": 0.82 + 0.02 * np.trapezoid(lowest, x),
    }


def double_sigmoid_gradient(z, y):
    """Differentiate the loss by central differences."""
    z, y, step = np.asarray(z), np.asarray(y), 1e-4

    def loss(z):
        return np.log1p(np.exp(1 / (1 + np.exp(-z)))) - y / (1 + np.exp(-z))

    return (loss(z + step) - loss(z - step)) / (2 * step)


def masked_crossentropy(labels, logits):
    """Average the loss in extended precision, which does not overflow."""
    known = ~np.isnan(labels)
    z = logits[known].astype(np.longdouble)
    return np.float64(np.mean(np.log(1 + np.exp(z)) - labels[known] * z))


def practice_solutions():
    """Solve the exercises on papers, robustness and coursework."""

    def selected(val, test):
        rows = [(v, -i, t) for i, (v, t) in enumerate(zip(val, test, strict=True)) if v == v]
        return max(rows)[2]

    def impulses(images, drawn, amount):
        found = images.copy()
        found[drawn < amount] = 1
        found[drawn < amount / 2] = 0
        return found

    return {
        "18.selection": selected,
        "18.excess": (0.71 - 0.5) / (0.62 - 0.5) - 1,
        "18.gradient": double_sigmoid_gradient,
        "19.shot": 0.05**-2,
        "19.impulse": impulses,
        "19.noise": 0.5 + (0.70 - 0.5) / (1 - 0.25),
        "20.masked": masked_crossentropy,
        "20.split": lambda patients, chosen: np.array([p in chosen for p in patients]),
        "21.budget": sum(arms * 3 * 10 * 10_000 <= 6 * 3600 * 280 for arms in range(1, 99)),
        "21.permutation": lambda hits: (
            hits[np.eye(len(hits)) == 1].mean() - hits[np.eye(len(hits)) == 0].mean()
        ),
        "20.images": next(n for n in range(13) if (9 + n) / 12 > 0.9),
    }


def normalize_as_keras(x, gamma, beta, epsilon=1e-3):
    """Normalize a batch with Keras."""
    layer = keras.layers.BatchNormalization(epsilon=epsilon, dtype="float64")
    layer.build(x.shape)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    return np.asarray(layer(x, training=True))


def squeeze_excite_as_package(x, w1, b1, w2, b2):
    """Reweight channels with the package's layer."""
    layer = SqueezeExcite(len(b1), "swish", dtype="float64")
    layer.build(x.shape)
    layer.set_weights([w1, b1, w2, b2])
    return np.asarray(layer(x))


def cnn_solutions():
    """Use layers of Keras and of the package for the code of the chapters on CNNs."""
    return {
        "05.batch_norm": normalize_as_keras,
        "06.grad_cam": lambda f, g: (
            np.einsum("yxc,c->yx", f, np.einsum("yxc->c", g)).clip(0) / f[..., 0].size
        ),
        "07.squeeze_excite": squeeze_excite_as_package,
    }


@functools.cache
def solutions():
    """Return the solution to each exercise, computed independently of its checker."""
    vectors, counts = phantom.label_counts()
    train = np.repeat(vectors, counts[:, 0], axis=0)
    test = np.repeat(vectors, counts[:, 2], axis=0)
    edema, effusion = (train[:, FINDINGS.index(name)] == 1 for name in ("edema", "effusion"))
    pneumonia = train[:, FINDINGS.index("pneumonia")]
    image = keras.KerasTensor((1, 64, 64, 1))
    out = models.build("densenet121").compute_output_spec(image, return_intermediates=True)
    dense = [m for name, m in out["maps"].items() if name == "pool3" or name.startswith("conv4")]
    sixteen = np.ones((4, 4))
    sixteen[1, 1] = 13
    halves = [(np.eye(2) + np.array(m)) / 2 for m in ([[0.2, 0.8], [1, 0]], [[0.5, 0.5], [0, 1]])]
    inside = np.zeros((4, 4), bool)
    inside[:2, :2] = True
    ramp = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32)[:, None], (1, 64, 64, 1))
    window = keras.layers.RandomZoom((-0.5, -0.5), fill_mode="constant")
    return {
        "01.all_negative": accuracy_score(test.ravel(), np.zeros(test.size)),
        "01.edema_effusion": effusion[edema].mean(),
        "01.balanced_accuracy": lambda y_true, y_pred: np.mean(
            [balanced_accuracy_score(*columns) for columns in zip(y_true.T, y_pred.T, strict=True)]
        ),
        **score_solutions(),
        "02.two_rays": np.exp(WATER_ATTENUATION) ** 10,
        "02.specificity": brentq(
            lambda s: 0.8 * pneumonia.mean() - 0.9 * np.where(pneumonia == 1, 0.8, 1 - s).mean(),
            0.5,
            1.0,
        ),
        "02.cardiothoracic": lambda *masks: np.divide(
            *[np.ptp(np.nonzero(mask)[1]) + 1 for mask in masks]
        ),
        "03.window": 63 * np.asarray(window(ramp, training=True))[0, 5, 0, 0],
        "03.combine": lambda first, second: np.einsum("ij,jk", first, second),
        "03.cutmix": np.pad(np.zeros((32, 16)), ((9, 23), (5, 43)), constant_values=1).mean(),
        **transformer_solutions(),
        **medvit_solutions(),
        "16.grad_cam": lambda features, gradient: np.einsum(
            "ijc,c->ij", features, np.einsum("ijc->c", gradient) / gradient[..., 0].size
        ).clip(0),
        "16.energy": _scores(_prepare(sixteen[None]), inside[None])["energy"][0],
        "16.rollout": np.linalg.multi_dot([[1, 0], *halves, [0, 1]]),
        "15.front": sum(
            {"A": 1, "B": 2, "C": 5, "D": 9}[name]
            for name in pareto_front(
                {"A": (1, 0.7), "B": (2, 0.69), "C": (5, 0.74), "D": (9, 0.74)}
            )
        ),
        "15.paired": lambda first, second, rows: np.percentile(
            [np.mean(second[row]) - np.mean(first[row]) for row in rows], [2.5, 97.5]
        ),
        "15.spread": (0.747 - np.mean([0.731, 0.742, 0.736]))
        / np.hypot(*[np.std([0.731, 0.742, 0.736], ddof=1)] * 2),
        "05.idle": sum(
            np.prod(v.shape) for v in models.build("resnet50").weights if "_conv/bias" in v.path
        )
        + 64,
        "05.positions": (224 / 32) ** 2 / (64 / 32) ** 2,
        "06.channels": dense[-2].shape[-1],
        **cnn_solutions(),
        "06.copies": sum(m.shape[-1] for m in dense[1:]) / dense[-1].shape[-1],
        "07.separable": (25 * 672 + 672**2) / (25 * 672**2),
        "07.scaling": np.exp(np.log([1.2, 1.1, 1.1, 1.15, 1.15]).sum()),
        **mxa_solutions(),
        **distillation_solutions(),
        **calibration_solutions(),
        **practice_solutions(),
        "11.map_bytes": np.dtype("float32").itemsize * np.prod([8, 3137, 3137]),
        "11.receptive_field": receptive_field,
        "11.merge": merge,
        "11.segments": min(s + 64 / s for s in range(1, 65)),
        "14.label_cost": np.diff(
            [models.build("lt_vit_tiny", num_labels=k).count_params() for k in (1, 2)]
        )[0],
        "14.mask": lambda patches, labels, between=True: np.array(
            [
                [
                    key < patches or (query >= patches and (between or query == key))
                    for key in range(patches + labels)
                ]
                for query in range(patches + labels)
            ]
        ),
        "14.gain": (0.15 / (1 - 0.10)) / 0.05,
    }


def test_every_exercise_has_an_independent_solution():
    assert set(solutions()) == set(check.exercises())


@pytest.mark.parametrize("name", check.exercises())
def test_only_the_solution_is_accepted(name):
    solution = solutions()[name]
    assert check.exercise(name, solution), check.exercise(name, solution)
    changes = (lambda x: x * 1.01, lambda x: x + 1, lambda x: 1 - x, lambda x: 100 * x)
    for change in changes:
        if callable(solution):
            wrong = lambda *arguments: change(np.asarray(solution(*arguments)))  # noqa: B023, E731
        else:
            wrong = change(solution)
        assert not check.exercise(name, wrong)


@pytest.mark.parametrize("name", check.exercises())
def test_every_exercise_accepts_a_missing_answer(name):
    found = check.exercise(name, None)
    assert not found
    assert not found.attempted
