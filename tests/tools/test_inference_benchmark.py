"""The inference benchmark: what is compared, and which way round; no speed is asserted."""

import json

import pytest


@pytest.fixture
def inference(load_benchmark):
    return load_benchmark("inference")


class Fake:
    """A worker whose functions take the seconds that are given, one after the other."""

    def __init__(self, log, **seconds):
        self.log, self.seconds = log, {name: list(times) for name, times in seconds.items()}
        self.functions = list(seconds)

    def time(self, function, batch, repeats):
        self.log.append(function)
        return self.seconds[function].pop(0)


def test_rounds_take_turns_and_the_first_prediction_is_not_timed(inference):
    log = []
    own = Fake(log, graph=[99, 1, 2, 4], xla=[99, 2, 2, 2])
    other = Fake(log, eager=[99, 2, 2, 2])
    seconds = inference.measure([own, other], batch=32, rounds=3)
    assert seconds == {"graph": [1, 2, 4], "xla": [2, 2, 2], "eager": [2, 2, 2]}
    turns = ["graph", "xla", "eager"]
    assert log == turns + turns + turns[::-1] + turns


def test_a_function_that_fails_is_left_out(inference):
    own = Fake([], graph=[99, 1, 2], xla=[None])
    assert inference.measure([own], batch=1, rounds=2) == {"graph": [1, 2]}


def test_a_ratio_above_one_says_that_ours_is_faster(inference):
    times = {"graph": [1, 1, 5], "xla": [4, 4, 20], "onnx_int8": [0.1, 0.1, 0.1]}
    found = inference.summary({**times, "eager": [2, 2, 10], "compiled": [3, 3, 3]})
    assert found["fastest"] == "eager / graph"
    assert found["ratio"] == 2
    assert found["xla"] == 4
    alone = inference.summary(times)
    assert alone == {"graph": 1, "xla": 4, "onnx_int8": 0.1}
    assert inference.row("resnet50", 64, 1, alone).count("—") == 7
    assert inference.row("resnet50", 64, 1, found).endswith("2.00  eager / graph")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--models", "resnet50", "dbct"], "resnet50 64, resnet50 224, dbct 64, dbct 224"),
        (["--models", "dbct", "rr_vit", "--quick"], "dbct 64, rr_vit 64"),
        (["--models", "dbct", "--sizes", "64", "224"], "dbct 64, dbct 224"),
        (
            ["--models", "hybrid_rr_vit", "--sizes", "64", "224"],
            "hybrid_rr_vit 64, hybrid_rr_vit 224",
        ),
        (["--models", "dbct", "--sizes", "128"], ""),
    ],
)
def test_what_is_measured(inference, arguments, expected):
    options = inference.parse_arguments(arguments)
    assert options.threads == 2
    assert ", ".join(f"{name} {size}" for name, size in inference.cases(options)) == expected


def test_impossible_options_are_refused(inference):
    with pytest.raises(SystemExit):
        inference.parse_arguments(["--threads", "0"])


def test_a_later_run_on_the_same_machine_adds_to_a_file(inference, tmp_path):
    path = tmp_path / "inference.json"
    assert inference.former(path, {"threads": 2}, 0.5) == ([], 0.5, set())
    row = {"model": "dbct", "size": 64}
    path.write_text(
        json.dumps({"threads": 2, "load_before": 1.0, "versions": ["a"], "rows": [row]})
    )
    assert inference.former(path, {"threads": 2}, 0.5) == ([row], 1.0, {"a"})
    inference.require_one_version(["Keras 3.1, timm 1.0", "Keras 3.1, torch 2.0"])
    with pytest.raises(SystemExit, match="another version of Keras"):
        inference.require_one_version(["Keras 3.1, timm 1.0", "Keras 3.2"])
    with pytest.raises(SystemExit, match="with other threads"):
        inference.former(path, {"threads": 1}, 0.5)
