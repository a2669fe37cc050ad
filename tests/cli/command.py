"""Run the command line and read its output."""

import contextlib
import io
import os
import sys
from unittest import mock

from xraylab.cli import main

LABELS = "first,second,third"

TRAIN = (
    "train", "rr_vit_toy", "--size", "16", "--epochs", "2", "--batch-size", "16",
    "--label-names", LABELS, "--set", "xla=false",
    "--set", "model_options.depth=1",
)  # fmt: skip


def xraylab(*arguments, expect=0):
    """Run a command in this process and return its output."""
    output, status = io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["xraylab", *map(str, arguments)]),
        mock.patch.dict(os.environ, COLUMNS="160"),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
    ):
        try:
            main()
        except SystemExit as done:
            status = done.code or 0
    assert status == expect, output.getvalue()
    return output.getvalue()
