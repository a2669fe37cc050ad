"""Stopping a run between two optimizer steps: signals and a time limit."""

import signal
import threading
import time
from pathlib import Path
from typing import Any


class TrainingInterrupted(RuntimeError):
    """Training was stopped by a signal or its time limit, after a checkpoint was written.

    Attributes:
        path: folder of the run.
        step: optimizer steps taken.
        out_of_time: whether the time limit was the reason.
    """

    def __init__(self, path: Path, step: int, out_of_time: bool = False):
        reason = "Time limit reached: stopped" if out_of_time else "Stopped"
        super().__init__(f"{reason} after step {step}. Resume the run in {path} to continue.")
        self.path, self.step, self.out_of_time = path, step, out_of_time


class Interrupts:
    """Ctrl-C and SIGTERM while a ``with`` block runs, and a deadline.

    A second signal raises ``KeyboardInterrupt`` at once. Outside the main thread, where Python does
    not deliver signals, there is only the deadline.

    Args:
        hours: time limit, counted from now; None for no limit.

    Attributes:
        signaled: whether a signal has arrived.
    """

    def __init__(self, hours: float | None):
        self.signaled = False
        self.deadline = None if hours is None else time.monotonic() + 3600 * hours
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            signals = (signal.SIGINT, signal.SIGTERM)
            self._former = {number: signal.signal(number, self._handle) for number in signals}
        return self

    def __exit__(self, *exception: Any) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: Any) -> None:
        if self.signaled:
            raise KeyboardInterrupt
        self.signaled = True

    @property
    def out_of_time(self) -> bool:
        """Whether the time limit has passed."""
        return self.deadline is not None and time.monotonic() > self.deadline
