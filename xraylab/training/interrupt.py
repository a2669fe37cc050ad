"""Stopping between two steps instead of in the middle of one."""

import signal
import threading


class TrainingInterrupted(RuntimeError):
    """Training was stopped from outside, after a checkpoint was written."""

    def __init__(self, path, step):
        super().__init__(f"stopped after step {step}; resume the run in {path} to go on from there")
        self.path, self.step = path, step


class StopRequest:
    """Turns Ctrl-C and SIGTERM into a flag while a ``with`` block runs; true once one came.

    A second Ctrl-C stops at once. Outside the main thread, where Python does not deliver signals,
    the flag stays false.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        self._requested = False
        self._former = {}

    def __bool__(self):
        return self._requested

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(self, *exception):
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        """Remember the first signal; obey the second."""
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
