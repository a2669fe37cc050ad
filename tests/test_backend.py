"""What the system tells of a process's memory."""

from pathlib import Path

import numpy as np
import pytest

from xraylab.backend import forget_memory_peak, process_memory


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux alone tells")
def test_the_peak_is_forgotten():
    size = 300_000_000
    held = np.ones(size, np.uint8)
    now = process_memory()
    assert process_memory(peak=True) > now - size / 10  # the system counts with some delay
    assert now > held.nbytes
    del held
    assert process_memory() < now - 0.9 * size
    assert process_memory(peak=True) > now - size / 10
    forget_memory_peak()
    assert process_memory(peak=True) < now - 0.9 * size
