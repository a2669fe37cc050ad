"""The inference benchmark: what is compared, and which way round; no speed is asserted."""

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "inference.py"


@pytest.fixture(scope="module")
def inference():
    spec = importlib.util.spec_from_file_location("inference_benchmark", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    other = Fake(log, theirs=[99, 2, 2, 2])
    seconds = inference.measure([own, other], batch=32, rounds=3)
    assert seconds == {"graph": [1, 2, 4], "xla": [2, 2, 2], "theirs": [2, 2, 2]}
    turns = ["graph", "xla", "theirs"]
    assert log == turns + turns + turns[::-1] + turns


def test_a_ratio_above_one_says_that_ours_is_faster(inference):
    found = inference.summary({"graph": [1, 1, 5], "xla": [4, 4, 20], "theirs": [2, 2, 10]})
    assert found == {"graph": 1, "xla": 4, "theirs": 2, "ratio_graph": 2, "ratio_xla": 0.5}
    alone = inference.summary({"graph": [1.0], "xla": [2.0]})
    assert alone == {"graph": 1, "xla": 2}
    assert inference.row("resnet50", 64, 1, alone).count("—") == 3
    assert len(inference.row("resnet50", 64, 1, found)) == len(inference.TITLES)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "resnet50 64, resnet50 224, densenet121 64, densenet121 224, efficientvit_m5 224"),
        (["--quick"], "resnet50 64, densenet121 64, efficientvit_m5 224"),
        (["--sizes", "64"], "resnet50 64, densenet121 64"),
        (["--models", "efficientvit_m5", "--sizes", "64"], ""),
    ],
)
def test_what_is_measured(inference, arguments, expected):
    options = inference.parse_arguments(arguments)
    assert options.threads == 2
    assert ", ".join(f"{name} {size}" for name, size in inference.cases(options)) == expected


def test_impossible_options_are_refused(inference):
    with pytest.raises(SystemExit):
        inference.parse_arguments(["--threads", "0"])
