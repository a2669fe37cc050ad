"""Start of the backend, and memory of the process as the system reports it."""

import subprocess
import sys
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


def test_a_lean_start_imports_no_optional_package_and_all_import_later():
    code = """if True:
        import sys
        from xraylab.backend import start_keras
        assert float(start_keras(lean=True).ops.ones(())) == 1
        from xraylab import data, evaluation, models  # what xraylab predict imports
        imported = {name.partition(".")[0] for name in sys.modules}
        assert not {"matplotlib", "pandas", "sklearn"} & imported
        import pandas, sklearn
        assert pandas.__version__ and sklearn.__version__
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_listing_the_models_imports_neither_keras_nor_pandas():
    code = """if True:
        import sys
        from xraylab import models
        assert "rr_vit" in models.list_models()
        assert not {"keras", "pandas", "scipy"} & sys.modules.keys()
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_keras_starts_without_a_standard_error_stream():
    code = "import os; os.close(2); import sys; sys.stderr = None; "
    code += "from xraylab.backend import start_keras; from xraylab.io import progress_bar; "
    code += "start_keras(); progress_bar(); print('started')"
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert done.stdout == "started\n"
