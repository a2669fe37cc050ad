"""The benchmark of two processes: what is started; no speed is asserted."""

import pytest


@pytest.fixture
def benchmark(load_benchmark):
    return load_benchmark("two_processes")


@pytest.mark.parametrize(
    ("case", "batch", "cores"),
    [
        ("one", "32", [["4"]]),
        ("half", "16", [["4"]]),
        ("two", "32", [["4"], ["7"]]),
        ("cores", "32", [["4", "7"]]),
    ],
)
def test_processes_share_the_batch_and_have_own_cores(benchmark, monkeypatch, case, batch, cores):
    started = []

    def start(script, *arguments, **environment):
        started.append(([str(argument) for argument in arguments], environment))
        return {"step": len(started)}

    monkeypatch.setattr(benchmark.own_process, "start", start)
    monkeypatch.setattr(benchmark.own_process, "result", lambda process: process)
    slower = benchmark.run_case(case, "rr_vit", 32, 7, [4, 7])
    assert slower == {"step": len(cores)}
    for rank, (arguments, environment) in enumerate(started):
        assert arguments[arguments.index("--batch-size") + 1] == batch
        assert arguments[arguments.index("--cores") + 1 :] == cores[rank]
        assert environment["KERAS_BACKEND"] == "jax"
        expected = str(rank) if len(cores) > 1 else None
        assert environment.get("KERAS_DISTRIBUTION_PROCESS_ID") == expected
    assert len(started) == len(cores)


def test_a_case_fails_with_any_of_its_processes(benchmark, monkeypatch):
    results = iter([{"step": 1}, None])
    monkeypatch.setattr(benchmark.own_process, "start", lambda *_, **__: None)
    monkeypatch.setattr(benchmark.own_process, "result", lambda process: next(results))
    assert benchmark.run_case("two", "rr_vit", 32, 7, [0, 1]) is None
