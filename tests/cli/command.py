"""The command line as text: what is typed, what is printed, and the exit status."""

import contextlib
import io
import os
import subprocess
import sys
from unittest import mock

from xraylab.cli import main

LABELS = "first,second,third"

TRAIN = (
    "train", "rr_vit_toy", "--size", "16", "--epochs", "2", "--batch-size", "16",
    "--label-names", LABELS,
)  # fmt: skip


def xraylab(*arguments, expect=0):
    """Run a command in this process, where Keras has started already, and return its output."""
    printed, status = io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["xraylab", *map(str, arguments)]),
        mock.patch.dict(os.environ, COLUMNS="160"),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            main()
        except SystemExit as done:
            status = done.code or 0
    assert status == expect, printed.getvalue()
    return printed.getvalue()


def xraylab_apart(*arguments, expect=0, **environment):
    """Run a command in a process of its own, as a newcomer does, and return its output."""
    done = subprocess.run(
        [sys.executable, "-c", "from xraylab.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "160"} | environment,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr
