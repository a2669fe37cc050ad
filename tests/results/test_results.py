"""Records of runs: content, recomputation of scores, errors, tables and comparisons."""

import csv
import io
import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from xraylab import __version__, data, evaluation, metrics, results, training
from xraylab.io import sha256
from xraylab.models.cost import recorded_cost
from xraylab.results.predictions import Predictions, save
from xraylab.results.record import _without_folders
from xraylab.training import recipes
from xraylab.training.report import commit

from ..conftest import eager_execution

pytestmark = pytest.mark.filterwarnings("ignore:Platt scaling has a negative slope")

LABELS = ("first", "second", "third")


@pytest.fixture(scope="module")
def runs(image_file, tmp_path_factory):
    """Train one recipe with two seeds."""
    recipe = training.Recipe(
        model="rr_vit_toy",
        data=str(image_file),
        size=16,
        epochs=2,
        batch_size=16,
        learning_rate=3e-3,
        label_names=LABELS,
        xla=False,
        model_options={"depth": 1},
    )
    root = tmp_path_factory.mktemp("runs")
    with eager_execution():
        return [
            training.fit(recipe.replace(seed=seed), root / f"run{seed}", progress=False)
            for seed in (0, 1)
        ]


@pytest.fixture(scope="module")
def recorded(runs, tmp_path_factory):
    """Record both runs in one folder."""
    folder = tmp_path_factory.mktemp("records")
    for run in runs:
        results.record(run, folder, replicates=50, keep_labels=True, progress=False)
    return folder


@pytest.fixture
def folder(recorded, tmp_path):
    """Copy the records, to be edited."""
    for path in recorded.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def result(recorded):
    return results.load_result(recorded / "run0.json")


def edit(path, change):
    """Change the content of a record."""
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


def test_record_describes_the_run(result, runs):
    run = runs[0]
    assert result.recipe == run.recipe.to_dict() | {"data": "discs.npz"}
    assert not result.simulated
    assert result.label_names == LABELS
    for split in ("train", "val"):
        assert result.data[split].fingerprint == run.report["data"][split]["fingerprint"]
    assert result.training.steps == 12
    assert result.training.peak_bytes > 1e6
    assert result.training.parameters == run.load_model().count_params()
    assert result.weights_sha256 == sha256(run.weights_file("best"))
    software = result.software
    assert software["trained_by"] == {"xraylab": __version__, "commit": run.facts["commit"]}
    assert software["recorded_by"] == {"xraylab": __version__, "commit": commit()}
    assert len(software["environment"]["versions"]) >= 4
    assert result.protocol.unit == "images"


def test_record_has_no_path_of_this_machine(recorded, runs, image_file):
    text = (recorded / "run0.json").read_text()
    assert str(image_file.parent) not in text
    assert str(runs[0].path.parent) not in text


def test_scores_match_the_evaluation_of_the_run(result, runs):
    scored = evaluation.evaluate(runs[0], replicates=50, progress=False)
    for name in evaluation.SCORES:
        assert result.score(name) == pytest.approx(getattr(scored.score, name), abs=1e-3)
    for name, interval in scored.intervals.items():
        assert asdict(result.intervals[name]) == pytest.approx(asdict(interval), abs=1e-3)
    test = result.predictions["test"]
    auc = metrics.roc_auc(test.y_true[:, 0], test.probabilities[:, 0])
    assert auc == pytest.approx(result.intervals["first"].value, abs=1e-12)


def test_calibration_and_thresholds_come_from_validation_images(result, runs):
    fitted = evaluation.calibrate(runs[0], progress=False)
    assert evaluation.load_calibration(runs[0]) == fitted
    platt = result.calibration["platt"]
    assert platt.calibration.slope == pytest.approx(fitted.platt.slope, rel=1e-3)
    assert platt.negative_slopes == tuple(LABELS[k] for k in fitted.platt.negative_slopes)
    test = result.predictions["test"]
    for rule, thresholds in fitted.thresholds.items():
        points = result.operating_points[rule]
        assert [point.threshold for point in points] == pytest.approx(thresholds)
    error = evaluation.calibration_error(test.y_true, fitted.platt(test.logits))
    assert platt.calibration_error.value == pytest.approx(error, abs=1e-6)
    assert platt.calibration_error.value >= platt.calibration_error.low


def test_negative_slopes_of_a_run_are_reported(runs, tmp_path, monkeypatch):
    from xraylab import models

    run = copy_of(runs[0], tmp_path)
    logits = models.predict_logits
    monkeypatch.setattr(models, "predict_logits", lambda *arguments: -logits(*arguments))
    with pytest.warns(UserWarning, match="negative slope"):
        fitted = evaluation.calibrate(run, progress=False)
    stored = json.loads((run / "calibration.json").read_text())
    assert stored["negative_slopes"] == [LABELS[k] for k in fitted.platt.negative_slopes] != []


def test_calibration_belongs_to_its_weights(runs, tmp_path):
    run = copy_of(runs[0], tmp_path / "my run")
    (run / "calibration.json").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError, match=r"xraylab calibrate '.*my run'"):
        evaluation.load_calibration(run)
    evaluation.calibrate(run, progress=False)
    other = runs[1].weights_file("best").read_bytes()
    (run / "best.weights.h5").write_bytes(other)
    with pytest.raises(ValueError, match="other weights"):
        evaluation.load_calibration(run)
    content = json.loads((run / "calibration.json").read_text())
    del content["weights_sha256"]
    for damaged in ({}, [], content):
        (run / "calibration.json").write_text(json.dumps(damaged))
        with pytest.raises(ValueError, match=r"is damaged\. Expected: a calibration"):
            evaluation.load_calibration(run)


def test_load_and_check_all_records(recorded):
    assert [result.name for result in results.load_results(recorded)] == ["run0", "run1"]
    assert results.check(recorded) == (["run0", "run1"], [])


def test_scores_without_labels_are_recomputed_where_the_images_are_at_hand(
    runs, image_file, tmp_path
):
    made = results.record(runs[0].path, tmp_path, replicates=5, progress=False)
    with np.load(tmp_path / "run0.npz") as stored:
        assert set(stored.files) == {"val_logits", "test_logits"}
    images = [
        data.load(image_file, split=split, label_names=LABELS, progress=False)
        for split in ("val", "test")
    ]
    assert results.check(tmp_path, images) == (["run0"], [])
    loaded = results.load_result(made.path, images)
    np.testing.assert_array_equal(
        loaded.predictions["test"].labels, made.predictions["test"].labels
    )

    others = [split.subset(slice(0, 30)) for split in images]
    assert results.check(tmp_path, [*others, images[0]]) == ([], ["run0"])
    without = results.load_result(made.path)
    assert without.predictions is None
    with pytest.raises(results.ResultError, match="pass the images"):
        results.compare(without, without)

    values = json.loads(made.path.read_text())
    values["scores"]["test"]["macro_auc"] = 0.99
    made.path.write_text(json.dumps(values))
    with pytest.raises(results.ResultError, match="scores/test/macro_auc"):
        results.check(tmp_path, images)


def test_records_by_patient_need_the_patients(runs, image_file, tmp_path):
    """Without them, the intervals would be those of images."""
    rows = [(s, i, f"{s}{i // 2}") for s, n in (("val", 40), ("test", 48)) for i in range(n)]
    table = tmp_path / "patients.csv"
    pd.DataFrame(rows, columns=["split", "row", "patient"]).to_csv(table, index=False)
    with_patients, without = (
        [
            data.load(image_file, split=s, label_names=LABELS, table=t, progress=False)
            for s in ("val", "test")
        ]
        for t in (table, None)
    )
    made = results.record(runs[0].path, tmp_path / "records", replicates=5, progress=False)
    assert results.load_result(made.path, with_patients).predictions["test"].unit == "images"
    edit(made.path, set_in("protocol", "unit", "patients"))
    assert results.load_result(made.path, with_patients).predictions["test"].unit == "patients"
    with pytest.raises(results.ResultError, match=r"images with the table of .* --table\)"):
        results.check(made.path.parent, without)


def test_changes_of_the_named_recipe_are_recorded(runs, tmp_path):
    made = results.record(
        runs[0].path,
        tmp_path,
        recipe_name="rr_vit_64_tuned",
        replicates=5,
        progress=False,
    )
    assert made.recipe_changes["size"] == (64, 16)
    assert "warmup" not in made.recipe_changes
    assert json.loads(made.path.read_text())["recipe_changes"]["size"] == [64, 16]


def test_predictions_on_simulated_images_are_always_stored(tmp_path, eager):
    recipe = training.Recipe(
        model="rr_vit_toy",
        model_options={"depth": 1},
        data="phantom",
        data_options={"num_images": {"train": 32, "val": 32, "test": 32}},
        size=32,
        epochs=1,
        batch_size=16,
        xla=False,
    )
    run = training.fit(recipe, tmp_path / "run", progress=False)
    made = results.record(run.path, tmp_path / "records", replicates=5, progress=False)
    assert made.simulated
    assert made.predictions["test"].logits.shape == (32, 14)


def set_in(*keys):
    """Make a function that sets a nested value: ``set_in("scores", "test", 0)``."""
    *path, last, value = keys

    def change(values):
        for key in path:
            values = values[key]
        values[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_in("simulated", "unclear"), "invalid record: simulated"),
        (lambda v: v.pop("intervals"), "invalid record: intervals: Field required"),
        (set_in("remark", "good"), "invalid record: remark: Extra inputs"),
        (set_in("protocol", "replicates", 50.5), "protocol/replicates"),
        (set_in("protocol", "label_names", ["a"]), "label_names"),
        (set_in("protocol", "train_prevalence", [0.1]), "prevalence"),
        (set_in("cost", {"latency_p50": "fast"}), "invalid record: cost"),
        (set_in("scores", "test", "macro_auc", 0.99), r"scores/test/macro_auc .* Received: 0\.99"),
        (set_in("scores", "val", "exact_match", None), "scores/val/exact_match .* Received: None"),
        (
            set_in("scores", "test", "per_finding", 1, "roc_auc", 0.9),
            "scores/test/per_finding/1/roc",
        ),
        (set_in("scores", "test", "baselines", 1, "micro_auc", 0.1), "scores/test/baselines/1"),
        (set_in("intervals", "macro_auc", "value", 0.99), r"intervals/macro_auc/value .*: 0\.99"),
        (set_in("data", "val", "labels_sha256", "0" * 64), "not those of the val images"),
        (set_in("predictions_file", "run2.npz"), "No such file"),
    ],
)
def test_edited_records_are_refused(folder, change, message):
    path = folder / "run0.json"
    edit(path, change)
    with pytest.raises(results.ResultError, match=message) as caught:
        results.load_results(folder)
    assert str(path) in str(caught.value)


def test_records_name_files_without_their_folders():
    recipe = {"teacher": ["/home/me/a", "/home/me/b"], "data_options": {"root": "/data/x"}}
    expected = {"teacher": ["a", "b"], "data_options": {"root": "x"}}
    assert _without_folders(recipe) == expected
    assert _without_folders(("/home/me/a", "phantom", 3)) == ("a", "phantom", 3)


@pytest.mark.parametrize(
    ("change", "location"),
    [
        (set_in("intervals", "micro_auc", "low", 0.9), "intervals/micro_auc/low"),
        (set_in("protocol", "replicates", 40), "intervals/"),
        (
            set_in("calibration", "uncalibrated", "null_calibration_error", 0.0),
            "calibration/uncalibrated/null_calibration_error",
        ),
        (set_in("calibration", "temperature", None), "calibration/temperature"),
        (set_in("operating_points", "f1", 0, "f1", 0.123), "operating_points/f1/0"),
    ],
)
def test_check_recomputes_everything(folder, change, location):
    edit(folder / "run0.json", change)
    results.load_results(folder)
    with pytest.raises(results.ResultError, match=rf"run0\.json: {location}.* the predictions"):
        results.check(folder)


def test_other_predictions_are_refused(folder):
    path = folder / "run0.npz"
    with np.load(path) as stored:
        better = {**stored, "test_logits": stored["test_labels"].astype(np.float32)}
    np.savez(path, **better)
    with pytest.raises(results.ResultError, match=r"run0\.json: scores/test.* the predictions"):
        results.load_results(folder)
    path.unlink()
    with pytest.raises(
        results.ResultError, match=r"run0\.npz: Expected: predictions .*No such file"
    ):
        results.load_results(folder)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"test_logits": np.full((3, 3), np.nan, np.float32)},
        {"test_labels": np.full((48, 3), 7, np.uint8)},
        {"test_logits": np.array([{}], dtype=object)},
        b"",
        b"no zip",
    ],
)
def test_unreadable_predictions_are_refused(folder, arrays):
    path = folder / "run0.npz"
    if isinstance(arrays, bytes):
        path.write_bytes(arrays)
    else:
        with np.load(path) as stored:
            np.savez(path, **({**stored, **arrays} if arrays else {"a": np.zeros(1)}))
    with pytest.raises(results.ResultError, match=r"run0\.json: "):
        results.load_results(folder)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]", b'{"name": NaN}', b"[" * 9999])
def test_files_that_are_not_records_are_refused(folder, content):
    (folder / "third.json").write_bytes(content)
    with pytest.raises(results.ResultError, match=r"third\.json"):
        results.load_results(folder)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"no such folder of records.* --folder '.*/my none'"
    ):
        results.load_results(tmp_path / "my none")
    (tmp_path / "a run").mkdir()
    (tmp_path / "a run" / "run.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"folder of runs.* record '.*/a run' --folder"):
        results.load_results(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        results.load_result(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        *(({"name": name}, "lower-case letters, digits") for name in ("", "A B", "../x", "a/b")),
        ({"replicates": 0}, "argument replicates. Expected: an integer of at least 1. Received: 0"),
        ({"level": 95}, "argument level"),
        ({"seed": -1}, "argument seed"),
        ({"recipe_name": "rr_vit_64_tune"}, "Did you mean 'rr_vit_64_tuned'"),
    ],
)
def test_invalid_arguments_are_refused_before_anything_is_predicted(
    runs, tmp_path, monkeypatch, options, message
):
    monkeypatch.setattr(type(runs[0]), "load_model", None)
    with pytest.raises(ValueError, match=message):
        results.record(runs[0], tmp_path, progress=False, **options)


def test_records_are_overwritten_only_on_request(runs, folder):
    former = (folder / "run0.json").read_bytes()
    with pytest.raises(FileExistsError, match="--replace"):
        results.record(runs[1].path, folder, name="run0", progress=False)
    assert (folder / "run0.json").read_bytes() == former
    (folder / "run1.json").unlink()
    made = results.record(
        runs[1].path, folder, name="run0", replicates=5, replace=True, progress=False
    )
    assert made.recipe["seed"] == 1
    assert results.load_result(made.path).predictions is None  # labels are no longer stored


def copy_of(run, folder):
    folder.mkdir(exist_ok=True)
    for path in run.path.glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_unfinished_runs_are_refused(runs, tmp_path):
    run = copy_of(runs[0], tmp_path / "my run")
    (run / "report.json").unlink()
    with pytest.raises(results.ResultError, match=r"Received: 2 of 2 epochs.* resume '.*my run'"):
        results.record(run, tmp_path / "records", name="a", progress=False)
    assert not (tmp_path / "records").exists()


def test_patients_are_stored_as_text_or_integers(image_file, tmp_path):
    split = data.load(image_file, split="test", label_names=LABELS, progress=False)
    patients = np.array([b"a", b"b"] * (len(split) // 2))
    predictions = Predictions.of(split, np.zeros((len(split), 3), np.float32), patients)
    save(tmp_path / "x.npz", {"val": predictions, "test": predictions}, labels=True)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as stored:
        assert set(stored["test_patients"]) == {"a", "b"}


# Tables


def test_table_shows_scores_and_intervals(recorded, result):
    records = results.load_results(recorded)
    made = results.table(records, ("macro_auc", "micro_baseline", "parameters", "latency"))
    assert list(made.frame.columns) == [
        "run",
        "macro AUC",
        "prevalence baseline",
        "parameters",
        "latency (ms)",
    ]
    assert made.frame["run"][0] == "run0"
    assert results.table(str(recorded)).frame.equals(results.table(records).frame)
    assert made.frame.iloc[0, 1].startswith(f"{result.score('macro_auc'):.3f} [")
    assert made.frame["latency (ms)"][0] == "not measured"
    assert "48 images of discs.npz" in made.caption
    assert "SIMULATED" not in made.caption
    assert made.caption.endswith("; 95 % intervals by bootstrap over images")
    assert "interval" not in results.table(records, ("accuracy", "exact_match")).caption


def test_tables_are_written_in_four_formats(recorded):
    made = results.table(results.load_results(recorded), ("macro_auc", "parameters"))
    cell = made.frame.iloc[0, 1]
    markdown = made.to_markdown()
    assert f"| {cell} |" in markdown
    assert markdown.endswith(f"*{made.caption}.*")
    assert f"& {cell} &" in made.to_latex()
    assert r"95 \% intervals" in made.to_latex()
    assert f"<td>{cell}</td>" in made.to_html() == made._repr_html_()
    first, *rest = made.to_csv().splitlines()
    assert first == f"# {made.caption}"
    assert list(csv.reader(io.StringIO("\n".join(rest)))) == [
        list(made.frame.columns),
        *made.frame.to_numpy().tolist(),
    ]


def test_special_characters_are_escaped():
    made = results.Table("a_b & {c}", pd.DataFrame({"x|y": ["~"], "50 %": ["\\ <i>"]}))
    assert r"\caption{a\_b \& \{c\}.}" in made.to_latex()
    assert r"\textasciitilde{} & \textbackslash{} <i> \\" in made.to_latex()
    assert r"x\|y" in made.to_markdown() and r"\<i>" in made.to_markdown()
    link = results.Table("[a](b)", pd.DataFrame({"`x`": ["<script>[c](d)"]})).to_markdown()
    assert r"\<script>[c\](d)" in link and r"[a\](b)" in link and r"\`x\`" in link
    assert "a_b &amp; {c}" in made.to_html()
    assert "&lt;i&gt;" in made.to_html()


def test_models_without_a_record_are_marked(recorded):
    records = results.load_results(recorded)
    made = results.table(records, ("macro_auc",), models=("dbct", "rr_vit_toy"))
    assert made.frame["run"].tolist() == ["dbct", "run0", "run1"]
    assert made.frame.iloc[0].tolist() == ["dbct", "not run"]
    with pytest.raises(ValueError, match="at least one record"):
        results.table(records, models=("dbct",))
    made = results.by_size(records, ("rr_vit_toy", "dbct"), (16, 64))
    both = ", ".join(f"{record.score('macro_auc'):.3f}" for record in records)
    assert made.frame.to_numpy().tolist() == [
        ["rr_vit_toy", both, "not run"],
        ["dbct", "not run", "not run"],
    ]


def test_an_undefined_score_is_not_a_missing_run(result):
    nan = evaluation.Interval(np.nan, np.nan, np.nan)
    undefined = result.model_copy(update={"intervals": result.intervals | {"macro_auc": nan}})
    made = results.by_size([undefined], ("rr_vit_toy",), (16,))
    assert made.frame.iloc[0, 1] == "undefined"


def test_records_on_other_images_are_refused(folder):
    edit(folder / "run1.json", set_in("data", "test", "fingerprint", "f" * 64))
    with pytest.raises(ValueError, match="records that share test images and labels"):
        results.table(results.load_results(folder))
    with pytest.raises(ValueError, match="at least one record"):
        results.table([])
    with pytest.raises(ValueError, match="macro_auc"):
        results.table([results.load_result(folder / "run0.json")], ["auc"])


def test_intervals_of_another_level_are_refused(folder):
    edit(folder / "run1.json", set_in("protocol", "level", 0.9))
    records = results.load_results(folder)
    with pytest.raises(ValueError, match=r"one level and unit. Received: 90 % .* and 95 % "):
        results.table(records)
    assert "interval" not in results.table(records, ("accuracy",)).caption


def test_records_are_grouped_by_their_test_images(folder):
    edit(folder / "run0.json", set_in("data", "test", "fingerprint", "f" * 64))
    groups = results.group_by_images(results.load_results(folder))
    assert [[record.name for record in group] for group in groups] == [["run0"], ["run1"]]


def test_same_images_at_two_sizes_share_a_table(folder):
    def enlarge(values):
        values["recipe"]["size"] = 32
        for images in values["data"].values():
            images |= {"size": 32, "fingerprint": "f" * 64}

    edit(folder / "run1.json", enlarge)
    made = results.by_size(results.load_results(folder), ("rr_vit_toy",), (16, 32))
    assert "not run" not in made.frame.to_numpy()
    assert "16, 32 px" in made.caption


def test_spread_over_seeds(recorded):
    records = results.load_results(recorded)
    (spread,) = results.seed_spread(records)
    aucs = [record.score("macro_auc") for record in records]
    assert spread.names == ("run0", "run1")
    assert spread.seeds == (0, 1)
    assert spread.deviation == pytest.approx(np.std(aucs, ddof=1))
    assert spread.mean == pytest.approx(np.mean(aucs))
    assert results.seed_spread(records[:1]) == []
    reordered = records[1].model_copy(update={"recipe": dict(reversed(records[1].recipe.items()))})
    assert results.seed_spread([records[0], reordered]) == [spread]


def test_two_records_are_compared(recorded, folder):
    pair = results.load_results(recorded)
    assert results.differences(*pair) == {"recipe: seed": (0, 1)}
    found = results.compare(*pair, replicates=120)
    gap = pair[1].score("macro_auc") - pair[0].score("macro_auc")
    assert found.scores["macro_auc"].value == pytest.approx(gap)
    assert all(found.holm[name] >= found.labels[name].p_value for name in LABELS)
    assert found.unit == "images"
    same = results.compare(pair[0], pair[0], replicates=120)
    assert same.scores["macro_auc"].p_value == 1
    narrow = results.compare(*pair, replicates=120, level=0.5).scores["macro_auc"]
    assert found.scores["macro_auc"].low < narrow.low < narrow.high
    with pytest.raises(TypeError, match="unexpected keyword argument 'scores'"):
        results.compare(*pair, scores=["macro_auc"])

    def rename(values):
        names = ["first", "second", "other"]
        values["protocol"]["label_names"] = values["recipe"]["label_names"] = names
        for split in ("val", "test"):
            for row, name in zip(values["scores"][split]["per_finding"], names, strict=True):
                row["label"] = name

    edit(folder / "run1.json", rename)
    with pytest.raises(results.ResultError, match="other images or labels"):
        results.compare(*results.load_results(folder))


def test_matrix_estimates_the_hours_of_missing_runs(result):
    def run(model, size, steps, **others):
        training = result.training.model_copy(update={"steps": steps})
        recipe = result.recipe | {"model": model, "size": size, "batch_size": 50}
        return result.model_copy(update={"recipe": recipe, "training": training, **others})

    small = [run("rr_vit", 64, steps) for steps in (100, 300)]
    large = run("dbct", 128, 500, initial_weights={"start_from": "f" * 64})
    made = results.matrix([large, *small], ("rr_vit", "dbct", "mine"))
    score = f"{result.score('macro_auc'):.3f}"
    assert made.frame.columns[1].endswith(", 64 px, scratch")
    assert made.frame.columns[2].endswith(", 128 px, other weights")
    speed = recipes.THROUGHPUT["2 cores"]
    growth = recorded_cost("rr_vit", 128).multiply_adds / recorded_cost("rr_vit", 64).multiply_adds
    hours = (200 * 50 / speed["dbct@64"] / 3600, 500 * 50 / speed["rr_vit@64"] * growth / 3600)
    assert made.frame.to_numpy()[:, 1:].tolist() == [
        [f"{score}, {score}", f"not run ({hours[1]:.1f} h)"],
        [f"not run ({hours[0]:.1f} h)", score],
        ["not run", "not run"],
    ]
    assert made.caption.endswith(f"{sum(hours):.0f} in all")
    with pytest.raises(ValueError, match="at least one record"):
        results.matrix([])
