"""Measure one case of a benchmark in a separate process, which has its own memory and caches."""

import json
import subprocess
import sys
from typing import Any


def run(script: str, *arguments: Any) -> Any:
    """Run a script, and return the JSON of its last line of output; None if it fails."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
