"""Diagrams agree with the models: every weight counted once, shapes of real intermediates."""

import functools

import numpy as np
import pytest

from xraylab import models, plotting
from xraylab.plotting.architecture import stages

TOYS = sorted({*models.list_models("*_toy")} - {"efficientvit_toy", "vit_toy"})
"""Without those all layers of which are in ``efficientvit_mxa_toy`` and ``rr_vit_toy``."""


@pytest.fixture(scope="module")
def toy():
    """Return a function that builds each toy once."""
    return functools.cache(lambda name: models.build(name, 64, 5))


@pytest.mark.parametrize("name", TOYS)
def test_every_parameter_and_stage_is_drawn_once(toy, name):
    model = toy(name)
    found = stages(model)
    assert sum(stage.parameters for stage in found) == model.count_params()
    figure = plotting.architecture(model)
    texts = [text.get_text() for text in figure.axes[0].texts]
    for stage in found:
        assert texts.count(stage.size) >= 1, stage
        drawn = f"{stage.title}: {stage.kind}" if stage.kind else stage.title
        assert texts.count(drawn) == 1, drawn
        assert stage.size in figure.alt
    assert figure.axes[0].get_title(loc="left") == f"{name}: {model.count_params():,} parameters"
    assert "currentColor" in figure.to_svg()


@pytest.mark.parametrize("name", ["resnet50_toy", "efficientvit_mxa_toy", "medvit_toy"])
def test_shapes_are_those_of_the_maps(toy, name):
    model = toy(name)
    outputs = model(np.zeros((1, 64, 64, 1), np.float32), return_intermediates=True)
    last = [stage for stage in stages(model) if len(stage.shape) == 3][-1]
    assert last.shape == tuple(outputs["features"].shape[1:])
    for layer, values in outputs.get("maps", {}).items():
        if layer.endswith("_block1"):
            (stage,) = [s for s in stages(model) if s.name == layer.removesuffix("1")]
            assert stage.shape == tuple(values.shape[1:])


def test_branches_run_beside_the_trunk(toy):
    """Left and right boxes of one section start at the same height or end at it."""
    figure = plotting.architecture(toy("dbct_toy"))
    at = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    patches, local = at["patch embedding: Dense"], at["convolution 0: Conv2D"]
    assert patches[1] == local[1] and patches[0] < local[0]
    cross = next(xy for text, xy in at.items() if text.startswith("cross attention"))
    assert patches[0] < cross[0] < local[0]
    found = stages(toy("lt_vit_toy"))
    titles = [stage.title for stage in found if "block" in stage.name]
    assert titles == ["block 0–3", "block 4–5 with label tokens"]


def test_a_block_is_drawn_with_its_own_layers(toy):
    block = toy("efficientvit_mxa_toy").trunk[0]
    figure = plotting.architecture(block)
    at = {text.get_text(): text.get_position() for text in figure.axes[0].texts}
    assert at["attention: WindowAttention"][1] == at["mxa: MXA"][1]
    assert f"{block.count_params():,} parameters" in figure.alt


def test_what_cannot_be_drawn_is_refused(toy):
    authors = models.build("efficientvit_mxa_toy", 64, 5, arrangement="authors")
    with pytest.raises(ValueError, match="authors"):
        plotting.architecture(authors.trunk[0])
    with pytest.raises(ValueError, match="a built model"):
        plotting.architecture(toy("dbct_toy").head)
