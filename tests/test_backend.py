"""Memory of the process as the system reports it."""

from pathlib import Path

import numpy as np
import pytest

from xraylab.backend import process_memory, reset_memory_peak, start_keras


def test_a_peak_that_the_system_does_not_report_is_none(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "Name:\tpython\nVmRSS:\t  2048 kB\n")
    assert process_memory() == 2048 * 1024
    assert process_memory(peak=True) is None


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_memory_peak_is_reset():
    start_keras()  # takes memory, which would count after the reset
    size = 300_000_000
    array = np.ones(size, np.uint8)
    current = process_memory()
    assert process_memory(peak=True) > current - size / 10  # updated with delay
    assert current > array.nbytes
    del array
    assert process_memory() < current - 0.9 * size
    assert process_memory(peak=True) > current - size / 10
    reset_memory_peak()
    assert process_memory(peak=True) < current - 0.9 * size
