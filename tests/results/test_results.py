"""A record says what a run was, cannot be typed, and is refused by name when it was."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from xraylab import __version__, data, evaluation, metrics, results, training
from xraylab.io import sha256
from xraylab.results.predictions import answers_of, write_predictions
from xraylab.results.scoring import plain
from xraylab.results.store import digest
from xraylab.training.report import commit

LABELS = ("first", "second", "third")


@pytest.fixture(scope="module")
def runs(image_file, tmp_path_factory):
    """Return two runs of one recipe under two seeds."""
    recipe = training.Recipe(
        model="rr_vit_toy",
        data=str(image_file),
        size=16,
        epochs=2,
        batch_size=16,
        learning_rate=3e-3,
        label_names=LABELS,
    )
    root = tmp_path_factory.mktemp("runs")
    return [
        training.fit(replace(recipe, seed=seed), root / f"run{seed}", progress=False)
        for seed in (0, 1)
    ]


@pytest.fixture(scope="module")
def recorded(runs, tmp_path_factory):
    """Return a folder with the records of both."""
    folder = tmp_path_factory.mktemp("records")
    for run in runs:
        results.record(run.path, folder, replicates=50, keep=True, progress=False)
    return folder


@pytest.fixture
def folder(recorded, tmp_path):
    """Return a copy of the records, to be spoilt."""
    for path in recorded.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def result(recorded):
    return results.load_result(recorded / "run0.json")


def spoil(path, change, sign=True):
    """Change a record; sign it anew, as somebody would who knows how."""
    values = json.loads(path.read_text())
    change(values)
    if sign:
        values["sha256"] = digest(values)
    path.write_text(json.dumps(values))


def test_a_record_holds_what_the_run_was(result, runs):
    run, values = runs[0], result.values
    assert result.recipe == run.recipe.to_dict() | {"data": "discs.npz"}
    assert not result.simulated
    assert result.label_names == LABELS
    for split in ("train", "val"):
        assert values["data"][split]["fingerprint"] == run.report["data"][split]["fingerprint"]
    assert values["training"]["steps"] == 12
    assert values["training"]["peak_bytes"] > 1e6
    assert values["training"]["parameters"] == run.load_model().count_params()
    assert values["weights_sha256"] == sha256(run.weights_file("best"))
    software = values["software"]
    assert software["trained_by"] == {"xraylab": __version__, "commit": run.facts["commit"]}
    assert software["recorded_by"] == {"xraylab": __version__, "commit": commit()}
    assert len(values["software"]["environment"]["versions"]) >= 4
    assert values["measure"]["unit"] == "images"


def test_a_record_tells_nothing_of_this_machine(recorded, runs, image_file):
    text = (recorded / "run0.json").read_text()
    assert str(image_file.parent) not in text
    assert str(runs[0].path.parent) not in text


def test_its_scores_are_those_of_the_run(result, runs):
    scored = evaluation.evaluate(runs[0].path, replicates=50, progress=False)
    assert result.values["scores"]["test"] == plain(scored.score.to_dict())
    assert result.values["intervals"] == plain(
        {name: vars(interval) for name, interval in scored.intervals.items()}
    )
    test = result.answers["test"]
    auc = metrics.roc_auc(test.truth[:, 0], test.probabilities[:, 0])
    assert auc == scored.intervals["first"].value


def test_calibration_and_thresholds_come_from_validation_images(result, runs):
    fitted = evaluation.calibrate(runs[0].path, progress=False)
    assert evaluation.load_calibration(runs[0].path) == fitted
    told = result.values["calibration"]["platt"]
    assert told["slope"] == pytest.approx(fitted.platt.slope, rel=1e-3)
    test, thresholds = result.answers["test"], result.values["thresholds"]
    for rule, chosen in fitted.thresholds.items():
        assert [point["threshold"] for point in thresholds[rule]] == pytest.approx(chosen)
    error = evaluation.calibration_error(test.truth, fitted.platt(test.logits))
    assert told["calibration_error"]["value"] == pytest.approx(error, abs=1e-6)
    assert told["calibration_error"]["value"] >= told["calibration_error"]["low"]


def test_a_calibration_belongs_to_its_weights(runs, tmp_path):
    for path in runs[0].path.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "calibration.json").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError, match="xraylab calibrate"):
        evaluation.load_calibration(tmp_path)
    evaluation.calibrate(tmp_path, progress=False)
    fitted = json.loads((tmp_path / "calibration.json").read_text())
    shorter = fitted | {"thresholds": {"f1": [0.5]}}
    other = runs[1].weights_file("best").read_bytes()
    (tmp_path / "best.weights.h5").write_bytes(other)
    with pytest.raises(ValueError, match="other weights"):
        evaluation.load_calibration(tmp_path)
    for content in ("[]", json.dumps(fitted | {"thresholds": []}), json.dumps(shorter)):
        (tmp_path / "calibration.json").write_text(content)
        with pytest.raises(ValueError, match="expected what xraylab calibrate writes"):
            evaluation.load_calibration(tmp_path)


def test_all_records_are_read_and_checked(recorded):
    assert [result.name for result in results.load_results(recorded)] == ["run0", "run1"]
    assert results.check_results(recorded) == (["run0", "run1"], [])


def test_without_predictions_only_hash_and_schema_are_checked(runs, tmp_path):
    made = results.record(runs[0].path, tmp_path, replicates=5, progress=False)
    assert made.answers is None
    assert results.check_results(tmp_path) == ([], ["run0"])
    with pytest.raises(results.ResultError, match="were not kept"):
        results.compare_results(made, made)


def test_the_recipe_a_run_was_made_from(runs, tmp_path):
    made = results.record(
        runs[0].path,
        tmp_path,
        recipe_name="rr_vit_64_tuned",
        replicates=5,
        keep=False,
        progress=False,
    )
    assert made.values["changes"]["size"] == [64, 16]
    assert "warmup" not in made.values["changes"]


def raise_auc(values):
    values["scores"]["test"]["macro_auc"] = 0.9999


@pytest.mark.parametrize(
    ("change", "sign", "message"),
    [
        (raise_auc, False, "was changed after it was written"),
        (lambda v: v.update(simulated="no"), True, "simulated is not as a record has it"),
        (lambda v: v.pop("intervals"), True, "'intervals' is a required property"),
        (lambda v: v.update(remark="good"), True, "'remark' was unexpected"),
        (lambda v: v.update(name="other"), True, "the record of other"),
        (raise_auc, True, r"it says scores/test/macro_auc 0\.9999; its predictions give"),
        (
            lambda v: v["scores"]["test"]["per_finding"][1].update(roc_auc=0.9),
            True,
            "scores/test/per_finding/1/roc_auc",
        ),
        (
            lambda v: v["scores"]["val"].update(exact_match=None),
            True,
            "scores/val/exact_match None; its predictions give",
        ),
        (
            lambda v: v["scores"]["test"]["baselines"][1].update(micro_auc=0.1),
            True,
            "scores/test/baselines/1/micro_auc",
        ),
        (
            lambda v: v["data"]["test"].update(images=7),
            True,
            "predictions are of other test images",
        ),
        (
            lambda v: v["data"]["val"].update(labels_sha256="0" * 64),
            True,
            "predictions are of other val images",
        ),
        (lambda v: v["predictions"].update(file="run1.npz"), True, "cannot be the predictions"),
        (lambda v: v["measure"].update(label_names=["a"]), True, "label names: it says"),
        (lambda v: v["measure"].update(unit="patients"), True, "must come from resampling images"),
        (lambda v: v["measure"].update(prevalence=[0.1]), True, "number of prevalences"),
        (lambda v: v["measure"].update(replicates=50.0), True, "measure/replicates is not as"),
        (lambda v: v["recipe"].update(seed=False), True, "recipe/seed is not as"),
        (lambda v: v.update(simulated=True), True, "simulated of the train images"),
        (lambda v: v["recipe"].update(size=224), True, "size of the train images"),
        (lambda v: v["recipe"].update(epochs=99), True, "epochs trained"),
        (lambda v: v["recipe"].update(data="chestmnist"), True, "source of the train images"),
        (lambda v: v["training"].update(best_epoch=9), True, "best epoch 9 is after the last"),
        (lambda v: v.update(cost={"latency_p50": "fast"}), True, "cost/latency_p50 is not as"),
        (lambda v: v["recipe"].pop("data"), True, "recipe is not as a record has it"),
    ],
)
def test_a_record_that_was_typed_is_refused_by_name(folder, change, sign, message):
    path = folder / "run0.json"
    spoil(path, change, sign)
    with pytest.raises(results.ResultError, match=message) as caught:
        results.load_results(folder)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda v: v["intervals"]["micro_auc"].update(low=0.9), "intervals/micro_auc/low"),
        (lambda v: v["measure"].update(replicates=40), "intervals/"),
        (
            lambda v: v["calibration"]["as_trained"].update(error_floor=0.0),
            "calibration/as_trained/error_floor",
        ),
        (lambda v: v["calibration"].update(temperature=None), "calibration/temperature"),
        (
            lambda v: v["thresholds"]["f1"][0].update(sensitivity=1.0, f1=1.0),
            "thresholds/f1/0",
        ),
    ],
)
def test_checking_computes_everything_anew(folder, change, place):
    spoil(folder / "run0.json", change)
    results.load_results(folder)
    with pytest.raises(results.ResultError, match=rf"run0\.json: it says {place}"):
        results.check_results(folder)


def test_other_predictions_are_refused(folder):
    (path,) = folder.glob("run0-*.npz")
    with np.load(path) as stored:
        better = {**stored, "test_logits": stored["test_labels"].astype(np.float32)}
    np.savez(path, **better)
    with pytest.raises(results.ResultError, match=r"run0-.*npz: not the predictions that were"):
        results.load_results(folder)
    path.unlink()
    with pytest.raises(results.ResultError, match=r"run0-.*npz: these predictions are missing"):
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
def test_predictions_that_are_none_are_refused(folder, arrays):
    """The file is rightly signed for, and still no predictions."""
    (path,) = folder.glob("run0-*.npz")
    if isinstance(arrays, bytes):
        path.write_bytes(arrays)
    else:
        with np.load(path) as stored:
            np.savez(path, **({**stored, **arrays} if arrays else {"a": np.zeros(1)}))
    total = sha256(path)
    other = path.with_name(f"run0-{total[:12]}.npz")
    path.rename(other)
    kept = {"file": other.name, "sha256": total}
    spoil(folder / "run0.json", lambda values: values.update(predictions=kept))
    with pytest.raises(results.ResultError, match="expected predictions written by xraylab"):
        results.load_results(folder)


def test_one_run_is_one_record(runs, folder):
    results.record(runs[0].path, folder, name="third", replicates=5, progress=False)
    with pytest.raises(results.ResultError, match=r"third\.json: run0 has the same weights"):
        results.load_results(folder)


def test_the_same_answers_under_another_seed_are_refused(folder):
    (path,) = folder.glob("run0-*.npz")
    with np.load(path) as stored:
        np.savez(folder / "copy.npz", **stored)  # not compressed, so another file
    total = sha256(folder / "copy.npz")
    (folder / "copy.npz").rename(folder / f"third-{total[:12]}.npz")
    values = json.loads((folder / "run0.json").read_text())
    values |= {"name": "third", "weights_sha256": "0" * 64}
    values["predictions"] = {"file": f"third-{total[:12]}.npz", "sha256": total}
    values["recipe"]["seed"] = 7
    spoil_into = folder / "third.json"
    spoil_into.write_text(json.dumps(values | {"sha256": digest(values)}))
    results.load_result(spoil_into)
    with pytest.raises(results.ResultError, match="same weights or predictions"):
        results.load_results(folder)


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"[]", b'{"name": NaN}', b'{"name": 1e999}', b"[" * 9999]
)
def test_what_is_no_record_is_refused(folder, content):
    (folder / "third.json").write_bytes(content)
    with pytest.raises(results.ResultError, match=r"third\.json"):
        results.load_results(folder)


def test_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a folder of records"):
        results.load_results(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="no such record"):
        results.load_result(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["", "Best Run", "../x", "a/b"])
def test_names_that_make_no_file(runs, tmp_path, name):
    with pytest.raises(ValueError, match="small letters, digits"):
        results.record(runs[0].path, tmp_path, name=name, progress=False)


def test_a_record_is_not_put_over_another_unasked(runs, folder):
    former = (folder / "run0.json").read_bytes()
    with pytest.raises(FileExistsError, match="--replace"):
        results.record(runs[1].path, folder, name="run0", progress=False)
    assert (folder / "run0.json").read_bytes() == former
    (folder / "run1.json").unlink()
    made = results.record(
        runs[1].path, folder, name="run0", replicates=5, keep=True, replace=True, progress=False
    )
    assert made.recipe["seed"] == 1
    assert len(list(folder.glob("run0-*.npz"))) == 1  # that of the former record has gone


def copy_of(run, folder):
    for path in run.path.glob("*.*"):
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_run_must_be_finished_and_its_files_agree(runs, tmp_path):
    place = copy_of(runs[0], tmp_path)
    report = json.loads((place / "report.json").read_text())

    def refused(match, **changes):
        (place / "report.json").write_text(json.dumps(report | changes))
        with pytest.raises(results.ResultError, match=match):
            results.record(place, tmp_path / "records", name="a", progress=False)

    refused("another recipe", recipe=report["recipe"] | {"seed": 5})
    better = {"val": report["scores"]["val"] | {"macro_auc": 0.99}}
    refused("says a validation macro AUC of 0.99", scores=better)
    (place / "report.json").write_text(json.dumps({"recipe": report["recipe"]}))
    with pytest.raises(results.ResultError, match=r"not as xraylab writes it: KeyError"):
        results.record(place, tmp_path / "records", name="a", progress=False)
    (place / "report.json").unlink()
    with pytest.raises(results.ResultError, match="has finished 2 of 2 epochs"):
        results.record(place, tmp_path / "records", name="a", progress=False)
    assert not (tmp_path / "records").exists()  # nothing half-written


def test_patients_are_kept_and_resampled(image_file, tmp_path):
    split = data.load(image_file, split="test", label_names=LABELS, progress=False)
    who = np.array([b"a", b"b"] * (len(split) // 2))
    logits = np.zeros((len(split), 3), np.float32)
    answers = answers_of(split, logits, who)
    assert answers.patients.dtype.kind == "U"
    kept = write_predictions(tmp_path, "x", {"val": answers, "test": answers})
    with np.load(tmp_path / kept["file"], allow_pickle=False) as stored:
        assert set(stored["test_patients"]) == {"a", "b"}


# Tables


def test_tables_show_what_the_records_say(recorded, result):
    made = results.table(
        results.load_results(recorded), ("macro_auc", "micro_floor", "parameters", "latency")
    )
    assert made.heads[1:] == ("macro AUC [95 %]", "its floor", "parameters", "latency (ms)")
    assert made.rows[0][0] == "run0"
    assert made.rows[0][1].startswith(f"{result.score('macro_auc'):.3f} [")
    assert made.rows[0][4] == "not measured"
    assert "48 images of discs.npz" in made.caption
    assert "SIMULATED" not in made.caption
    aucs = [mine.score("macro_auc") for mine in results.load_results(recorded)]
    ends = [mine.values["intervals"]["macro_auc"] for mine in results.load_results(recorded)]
    assert made.best == {
        (row, 1) for row, end in enumerate(ends) if end["low"] <= max(aucs) <= end["high"]
    }
    assert "bold: the best of a column" in made.caption
    floors = results.table(results.load_results(recorded), ("accuracy", "exact_match"))
    assert not floors.best
    assert "bold" not in floors.caption
    markdown = results.to_markdown(made)
    assert f"**{made.rows[int(np.argmax(aucs))][1]}**" in markdown
    assert markdown.endswith(f"*{made.caption}.*")
    assert r"[95 \%]" in results.to_latex(made)
    first, *rest = results.to_csv(made).splitlines()
    assert first == f"# {made.caption}"
    assert list(csv.reader(io.StringIO("\n".join(rest)))) == [
        list(row) for row in (made.heads, *made.rows)
    ]


def test_what_was_not_run_says_so(recorded):
    records = results.load_results(recorded)
    made = results.table(records, ("macro_auc",), models=("dbct", "rr_vit_toy"))
    assert [row[0] for row in made.rows] == ["dbct", "run0", "run1"]
    assert made.rows[0] == ("dbct", "not run")
    with pytest.raises(ValueError, match="0 records"):
        results.table(records, models=("dbct",))
    made = results.by_size(records, ("rr_vit_toy", "dbct"), (16, 64))
    mean = np.mean([record.score("macro_auc") for record in records])
    assert made.rows == (
        ("rr_vit_toy", f"{mean:.3f} (mean of 2)", "not run"),
        ("dbct", "not run", "not run"),
    )


def test_other_images_belong_in_another_table(folder):
    change = {"fingerprint": "f" * 64}
    spoil(folder / "run1.json", lambda values: values["data"]["test"].update(change))
    with pytest.raises(ValueError, match="belong in different tables"):
        results.table(results.load_results(folder))
    with pytest.raises(ValueError, match="needs a record and columns"):
        results.table([])
    with pytest.raises(ValueError, match="columns among"):
        results.table([results.load_result(folder / "run0.json")], ["auc"])


def test_the_same_images_at_two_sizes_go_into_one_table(folder):
    def enlarge(values):
        values["recipe"]["size"] = 32
        for images in values["data"].values():
            images |= {"size": 32, "fingerprint": "f" * 64}

    spoil(folder / "run1.json", enlarge)
    made = results.by_size(results.load_results(folder), ("rr_vit_toy",), (16, 32))
    assert "not run" not in made.rows[0]
    assert "16, 32 px" in made.caption


def test_latex_and_markdown_keep_their_signs():
    made = results.Table("a_b & {c}", ("x|y", "50 %"), (("~", "\\"),))
    assert r"a\_b \& \{c\}" in results.to_latex(made)
    assert r"\textasciitilde{} & \textbackslash{} \\" in results.to_latex(made)
    assert r"x\|y" in results.to_markdown(made)
    assert "a_b &amp; {c}" in made._repr_html_()


def test_spread_over_seeds(recorded):
    records = results.load_results(recorded)
    (spread,) = results.seed_spread(records)
    aucs = [record.score("macro_auc") for record in records]
    assert spread.names == ("run0", "run1")
    assert spread.seeds == (0, 1)
    assert spread.mean == pytest.approx(np.mean(aucs))
    assert spread.deviation == pytest.approx(np.std(aucs, ddof=1))
    assert (spread.low, spread.high) == (min(aucs), max(aucs))
    assert results.seed_spread(records[:1]) == []


def test_two_records_are_compared(recorded, folder):
    pair = results.load_results(recorded)
    assert results.differences(*pair) == {"recipe: seed": (0, 1)}
    found = results.compare_results(*pair, replicates=120)
    gap = pair[1].score("macro_auc") - pair[0].score("macro_auc")
    assert found.scores["macro_auc"].value == pytest.approx(gap)
    assert all(found.holm[name] >= found.findings[name].p_value for name in LABELS)
    assert found.unit == "images"
    same = results.compare_results(pair[0], pair[0], replicates=120)
    assert same.scores["macro_auc"].p_value == 1
    with pytest.raises(ValueError, match="take at least 120"):
        results.compare_results(*pair, replicates=100)

    def rename(values):
        names = ["first", "second", "other"]
        values["measure"]["label_names"] = values["recipe"]["label_names"] = names
        for split in ("val", "test"):
            for row, name in zip(values["scores"][split]["per_finding"], names, strict=True):
                row["label"] = name

    spoil(folder / "run1.json", rename)
    with pytest.raises(results.ResultError, match="other images or labels"):
        results.compare_results(*results.load_results(folder))


# What others have published


def test_published_figures_have_citations_and_are_the_slides():
    rows = results.published()
    keys = {(row.model, row.size, row.data, row.place): row for row in rows}
    assert len(keys) == len(rows)
    assert all(row.citation and row.place and row.scores for row in rows)
    slide = "slide 'Performance comparison - {0} × {0}'"
    mnist = "ChestMNIST"
    assert keys["hybrid_rr_vit", 128, mnist, slide.format(128)].scores["macro_auc"] == 0.761
    assert ("hybrid_rr_vit", 224, mnist, slide.format(224)) not in keys  # they have no such row
    paper = keys["efficientvit_m5_mxa", 224, "CheXpert", "Table 2"]
    assert paper.scores == {"micro_auc": 0.8344}
    assert keys["efficientvit_m5", 224, "CheXpert", "Table 1"].scores["micro_auc"] == 0.661


def test_published_tables_say_that_they_are():
    made = results.published_table("ChestMNIST", 128)
    assert made.caption.startswith("PUBLISHED by others")
    assert made.rows[-1][:5] == ("hybrid_rr_vit", "0.948", "0.761", "4.66", "10.33")
    made = results.published_table("CheXpert", 224)
    assert made.heads == ("model", "ACC", "micro AUC", "in")
    assert made.rows[0][:3] == ("efficientvit_m5", "0.84", "0.661")
    with pytest.raises(ValueError, match="nothing is known of CheXpert at 64 px"):
        results.published_table("CheXpert", 64)


def test_published_parameters_are_ours_to_the_printed_digits():
    from xraylab.models.stored import stored_cost

    for row in results.published():
        if row.parameters_millions is not None:
            cost = stored_cost(row.model, row.size)
            count = cost.trainable if row.model == "medvit_large" else cost.parameters
            assert round(count / 1e6, 2) == row.parameters_millions, row
