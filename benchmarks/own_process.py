"""Measure one case of a benchmark in a separate process, which has its own memory and caches."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from machine import processor


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


def parser(description: str, rounds: int) -> argparse.ArgumentParser:
    """Return a parser of the options of benchmarks that time steps of one model at a time."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to FILE")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    return parser


def facts(options: argparse.Namespace, size: int) -> dict[str, Any]:
    """Return what the measurement depends on: the settings, the processor and its load."""
    settings = {"batch_size": options.batch_size, "rounds": options.rounds, "size": size}
    machine = {"processor": processor(), "cores": os.cpu_count()}
    return {**settings, **machine, "load_before": os.getloadavg()[0]}


def run_model(script: str, name: str, options: argparse.Namespace, *arguments: Any) -> Any:
    """Run a script for one model with the options of :func:`parser`; exit if it fails."""
    settings = ("--rounds", options.rounds, "--batch-size", options.batch_size, *arguments)
    if (found := run(script, name, "--one", *settings)) is None:
        raise SystemExit(f"{name} failed")
    return found
