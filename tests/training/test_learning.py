"""Real models in training: they learn, with the loss of the recipe, and can be fine-tuned."""

import numpy as np
import pytest

from xraylab import data, losses, models, training
from xraylab.findings import FINDINGS
from xraylab.training import Recipe
from xraylab.training.objectives import Classification, compile_for_training
from xraylab.training.run import build_model, load_initial_weights

from .conftest import LABELS, make_recipe, train

long = pytest.mark.long


@pytest.fixture(scope="module")
def learned(image_file, tmp_path_factory):
    """A run of a real model, compiled as usual, until it predicts the labels."""
    recipe = make_recipe(
        image_file, num_images=None, epochs=10, learning_rate=1e-2, model_options={"depth": 1}
    )
    return train(recipe, tmp_path_factory.mktemp("learned") / "run")


def test_a_model_learns(learned):
    assert learned.report["scores"]["val"]["macro_auc"] > 0.9
    curve = [row["loss"] for row in learned.history]
    assert curve[-1] < 0.5 * curve[0]


@pytest.mark.parametrize("changes", [{"model": "rr_vti"}, {"size": 20}])
def test_a_recipe_that_cannot_be_built_leaves_no_folder(image_file, tmp_path, changes):
    with pytest.raises(ValueError, match=r"Did you mean 'rr_vit|multiple of 8"):
        training.fit(make_recipe(image_file, **changes), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def loss_of_a_step(recipe, model, images, labels, splits=None):
    """Compile a model as ``fit`` does, and return the loss that Keras reports for one batch."""
    objective = Classification(recipe, splits)
    trained = compile_for_training(model, recipe, 100, objective)
    inputs, targets, weights = objective.batch(images, labels, np.arange(len(images)), seed=0)
    return float(trained.train_on_batch(inputs, targets, weights, return_dict=True)["loss"])


def test_the_trained_loss_includes_the_reconstruction(image_file, eager):
    recipe = make_recipe(image_file, reconstruction_weight=0.7, model_options={"dropout": 0.0})
    model = build_model(recipe)
    split = data.load(image_file, split="val", label_names=LABELS)
    images, labels = split.to_dataset(16)[0]
    out = model(images, return_intermediates=True)
    expected = float(losses.BinaryCrossentropy()(labels, out["logits"]))
    expected += 0.7 * float(np.mean(losses.reconstruction_error(images, out["reconstruction"])))
    assert loss_of_a_step(recipe, model, images, labels) == pytest.approx(expected, rel=1e-6)


@pytest.fixture(scope="module")
def dbct():
    return models.build("dbct_toy", image_size=16, num_labels=3)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_the_trained_loss_is_that_of_the_recipe(image_file, name, dbct, eager):
    recipe, model = make_recipe(image_file, model="dbct_toy", loss=name), dbct
    split = data.load(image_file, split="val", label_names=LABELS)
    images, labels = split.to_dataset(16)[0]
    labels = np.where(np.random.default_rng(0).random(labels.shape) < 0.2, np.nan, labels)
    options = {"prevalence": split.labels.mean(axis=0)} if name.startswith("weighted") else {}
    expected = losses.get(name, **options)(labels, model(images, training=True))
    found = loss_of_a_step(recipe, model, images, labels.astype("float32"), {"train": split})
    assert found == pytest.approx(float(expected), rel=1e-5)


OTHER_LABELS = "except the classifier, which starts at random"
OTHER_SIZE = "weights for images of 64 px; rr_vit is for 32 px"


@pytest.mark.parametrize(
    ("size", "names", "warned"),
    [
        (64, FINDINGS, ()),
        (64, tuple(reversed(FINDINGS)), (OTHER_LABELS,)),
        (32, FINDINGS, (OTHER_SIZE,)),
        (32, tuple(reversed(FINDINGS)), (OTHER_SIZE, OTHER_LABELS)),
        (32, FINDINGS[:3], (OTHER_SIZE, OTHER_LABELS)),
    ],
)
def test_a_recipe_starts_from_the_shipped_weights(size, names, warned, recwarn):
    recipe = Recipe(model="rr_vit", size=size, label_names=names, start_from="pretrained")
    assert recipe.start_from == "pretrained"
    model, other = build_model(recipe), models.build("rr_vit", image_size=64, weights="pretrained")
    recwarn.clear()
    load_initial_weights(recipe, model)
    messages = [str(w.message) for w in recwarn if w.category is UserWarning]
    for message, text in zip(messages, warned, strict=True):
        assert text in message
    assert model.label_names == names
    mine, theirs = ({w.path: w.numpy() for w in m.weights} for m in (model, other))
    equal = {p for p in mine if mine[p].shape == theirs[p].shape and (mine[p] == theirs[p]).all()}
    different = {path.split("/", 1)[1] for path in mine.keys() - equal}
    changed = {OTHER_SIZE: {"positions/table"}, OTHER_LABELS: {"head/kernel", "head/bias"}}
    assert different == set().union(*(changed[text] for text in warned))


def test_a_recipe_starts_from_no_weights_that_are_not_shipped(image_file, tmp_path):
    recipe = make_recipe(image_file, model="rr_vit_toy", start_from="pretrained")
    with pytest.raises(ValueError, match=r"No pretrained weights are shipped for rr_vit_toy"):
        training.fit(recipe, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "names", [("first", "second"), pytest.param(("other", "second", "third"), marks=long)]
)
def test_fine_tuning_on_other_labels_starts_with_a_new_classifier(
    learned, image_file, tmp_path, names, eager
):
    with np.load(image_file) as file:
        arrays = dict(file)
    for split in ("train", "val", "test"):
        arrays[f"{split}_labels"] = arrays[f"{split}_labels"][:, : len(names)]
    np.savez(tmp_path / "images.npz", **arrays)
    recipe = make_recipe(
        tmp_path / "images.npz", label_names=names, start_from=str(learned.path), epochs=1,
        learning_rate=1e-12, weight_decay=0.0, model_options={"depth": 1},
    )  # fmt: skip
    with pytest.warns(UserWarning, match="except the classifier, which starts at random"):
        run = training.fit(recipe, tmp_path / "run", progress=False)
    tuned, former = run.load_model("last"), learned.load_model("best")
    changed = [
        mine.path
        for mine, theirs in zip(tuned.weights, former.weights, strict=True)
        if mine.shape != theirs.shape or not np.allclose(mine, theirs, atol=1e-5)
    ]
    assert len(changed) in (1, 2), changed  # kernel, and bias unless both are zero
    assert tuned.num_labels == len(names)
