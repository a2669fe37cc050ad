"""Figures of models draw the given attention, boxes, labels and steps of the pipeline."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from PIL import Image

from xraylab import metrics, models, plotting
from xraylab.findings import FINDINGS, SHORT_NAMES
from xraylab.training import augmentation


def meshes(axes):
    """Return the values and colors of the heatmap over an image."""
    mesh = axes.images[-1]
    return np.asarray(mesh.get_array()), mesh


def test_attention_difference_is_second_minus_first_around_white():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 4, 4))
    figure = plotting.attention_difference(np.zeros((8, 8)), first, second, names=("A", "B"))
    left, middle, right = figure.axes[:3]
    assert [axes.get_title() for axes in (left, middle, right)] == ["A", "B", "difference"]
    for axes, expected in ((left, first), (middle, second), (right, second - first)):
        np.testing.assert_array_equal(meshes(axes)[0], expected)
        # The grid covers the field of view of the image.
        assert (*axes.get_xlim(), *axes.get_ylim()) == tuple(axes.images[-1].get_extent())
    assert meshes(left)[1].get_clim() == meshes(middle)[1].get_clim() == (
        min(first.min(), second.min()), max(first.max(), second.max()),
    )  # fmt: skip
    mesh = meshes(right)[1]
    low, high = mesh.get_clim()
    assert low == -high
    assert high == pytest.approx(np.abs(second - first).max())
    red, white, blue = mesh.cmap([0.0, 0.5, 1.0])[:, :3]
    assert red[0] > red[2] and blue[2] > blue[0] and white.min() > 0.9
    row, column = np.unravel_index((second - first).argmax(), (4, 4))
    expected = f"{(column + 0.5) / 4:.0%} from the left and {(row + 0.5) / 4:.0%} from the top"
    assert expected in figure.alt


def test_equal_attention_has_no_difference():
    uniform = np.ones((2, 2))
    figure = plotting.attention_difference(np.zeros((8, 8)), uniform, uniform, names=("A", "B"))
    assert not meshes(figure.axes[2])[0].any()
    assert meshes(figure.axes[2])[1].get_clim() == (-1, 1)
    with pytest.raises(ValueError, match="resize_maps"):
        plotting.attention_difference(np.zeros((8, 8)), uniform, np.ones((3, 3)), names=("A", "B"))
    with pytest.raises(ValueError, match="two names"):
        plotting.attention_difference(np.zeros((8, 8)), uniform, uniform, names=("A",))


def test_regions_stand_over_the_labels_of_their_patients():
    rng = np.random.default_rng(2)
    corners = np.sort(rng.random((6, 2, 2)), axis=1)  # (n, low and high, x and y)
    labels = np.zeros((6, 14), np.float32)
    labels[1, 2], labels[1, 7], labels[4, 13], labels[5, 0] = 1, 1, 1, np.nan
    figure = plotting.regions_with_labels(np.zeros((6, 20, 40)), corners.reshape(6, 4), labels)
    *pictures, table = figure.axes
    assert [axes.get_title() for axes in pictures] == [f"pt{i}" for i in range(1, 7)]
    for axes, (low, high) in zip(pictures, corners, strict=True):
        (box,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        size = np.array([40, 20])
        np.testing.assert_allclose(box.get_xy(), low * size - 0.5)
        np.testing.assert_allclose([box.get_width(), box.get_height()], (high - low) * size)
    marks = {text.get_position(): text.get_text() for text in table.texts}
    assert {at for at, mark in marks.items() if mark == "●"} == {(1, 2), (1, 7), (4, 13)}
    assert [at for at, mark in marks.items() if mark == "?"] == [(5, 0)]
    assert len(marks) == 6 * 14
    assert [tick.get_text() for tick in table.get_yticklabels()][12] == "Pleural thickening"
    assert "pt2: Effusion, Pneumothorax; pt3: none" in figure.alt
    FigureCanvasAgg(figure).draw()  # the layout has room for all
    with pytest.raises(ValueError, match=r"shape \(6, 4\)"):
        plotting.regions_with_labels(np.zeros((6, 8, 8)), np.zeros((5, 4)), labels)


def test_the_pipeline_shows_what_the_model_predicts():
    model, rng = models.build("rr_vit_toy", 16, 14), np.random.default_rng(3)
    pictures = rng.integers(0, 256, (8, 40, 40), dtype=np.uint8)
    labels = rng.integers(0, 2, (8, 14)).astype(np.float32)
    labels[0, 3] = np.nan
    augment = augmentation.make("slides")
    figure = plotting.processing_pipeline(pictures, labels, model, augment)
    grey, rescaled, augmented, predicted, compared, measured = figure.axes
    squares = [Image.fromarray(x).resize((16, 16), Image.Resampling.BICUBIC) for x in pictures]
    squares = np.stack([np.asarray(x) for x in squares])
    np.testing.assert_array_equal(grey.images[0].get_array()[..., 0], pictures[0])
    np.testing.assert_array_equal(rescaled.images[0].get_array()[..., 0], squares[0])
    drawn = np.asarray(augmented.images[0].get_array())[..., 0]
    assert drawn.shape == (16, 16)
    seeded = np.asarray(augment(np.float32(squares[:1, ..., None]) / 255, labels[:1], 0)[0])
    np.testing.assert_allclose(drawn, 255 * np.clip(seeded[0, ..., 0], 0, 1), atol=1)
    assert np.abs(drawn - squares[0].astype(float)).max() > 2
    inputs = squares[..., None] / np.float32(255)
    probabilities = 1 / (1 + np.exp(-models.predict_logits(model, inputs).astype(np.float64)))
    for axes in (predicted, compared):
        widths = [bar.get_width() for bar in axes.patches]
        np.testing.assert_allclose(widths, probabilities[0], atol=1e-5)
        names = [tick.get_text() for tick in axes.get_yticklabels()]
        assert names == [SHORT_NAMES[name] for name in FINDINGS]
    (dots,) = compared.lines
    np.testing.assert_array_equal(dots.get_ydata(), np.delete(np.arange(14), 3))
    np.testing.assert_array_equal(dots.get_xdata(), np.delete(labels[0], 3))
    score = metrics.score(labels, probabilities)
    texts = [text.get_text() for text in measured.texts]
    assert {f"{score.macro_auc:.3f}", f"{score.accuracy:.3f}"} <= set(texts)
    assert f"macro AUC {score.macro_auc:.3f}" in figure.alt
