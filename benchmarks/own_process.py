"""Measure one case of a benchmark in a separate process, which has its own memory and caches."""

import json
import os
import subprocess
import sys
from typing import Any


def start(script: str, *arguments: Any, **environment: str) -> subprocess.Popen:
    """Start a script, with additional environment variables."""
    command = [sys.executable, script, *map(str, arguments)]
    variables = os.environ | environment
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables)


def result(process: subprocess.Popen) -> Any:
    """Wait for a script, and return the JSON of its last line of output; None if it fails."""
    output, _ = process.communicate()
    return json.loads(output.splitlines()[-1]) if process.returncode == 0 else None


def run(script: str, *arguments: Any) -> Any:
    """Run a script, and return the JSON of its last line of output; None if it fails."""
    return result(start(script, *arguments))
