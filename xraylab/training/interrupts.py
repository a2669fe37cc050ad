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
    not deliver signals, there is only the deadline. The next operation is assumed to take at most
    twice as long as the slowest of its kind so far.

    Args:
        hours: time limit, counted from now; None for no limit.

    Attributes:
        signaled: whether a signal has arrived.
        validation_steps: duration of a validation in training steps, an upper bound that is used
            until one was measured.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self, hours: float | None):
        self.signaled = False
        self.deadline = None if hours is None else time.monotonic() + 3600 * hours
        self.validation_steps = 1
        self._slowest: dict[str, float] = {}
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._handle) for number in self.SIGNALS}
        return self

    def __exit__(self, *exception: Any) -> None:
        for number, handler in self._former.items():
            if handler is not None:  # None: a handler not installed from Python
                signal.signal(number, handler)

    def _handle(self, number: int, frame: Any) -> None:
        if self.signaled:
            raise KeyboardInterrupt
        self.signaled = True

    def record(self, operation: str, start: float) -> None:
        """Record that an operation that started at ``start`` has ended.

        Args:
            operation: ``"first step"`` (with compilation), ``"step"``, ``"validation"`` or
                ``"checkpoint"``.
            start: its start on ``time.monotonic()``.
        """
        seconds = time.monotonic() - start
        self._slowest[operation] = max(self._slowest.get(operation, 0.0), seconds)

    def out_of_time(self, operation: str) -> bool:
        """Return whether a ``"step"`` or ``"validation"``, then a checkpoint, may end too late."""
        if self.deadline is None:
            return False
        step = self._slowest.get("step", self._slowest.get("first step", 0.0))
        validation = self._slowest.get("validation", self.validation_steps * step)
        seconds = validation if operation == "validation" else step
        seconds += self._slowest.get("checkpoint", 0.0)
        return time.monotonic() + 2 * seconds > self.deadline
