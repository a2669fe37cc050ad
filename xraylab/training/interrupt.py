"""Stopping between two steps instead of in the middle of one."""

import signal
import threading
import time


class TrainingInterrupted(RuntimeError):
    """Training was stopped from outside or ran out of time, after a checkpoint was written."""

    def __init__(self, path, step, out_of_time=False):
        why = "the time is up; stopped" if out_of_time else "stopped"
        super().__init__(f"{why} after step {step}; resume the run in {path} to go on from there")
        self.path, self.step, self.out_of_time = path, step, out_of_time


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
            if handler is not None:  # None: it was not set from Python, and cannot be
                signal.signal(number, handler)

    def _note(self, number, frame):
        """Remember the first signal; obey the second."""
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True


class Deadline:
    """Says whether training has to stop now, so that what lies ahead does not come too late.

    What lies ahead is taken to last twice as long as the slowest of its kind so far.

    Args:
        moment: moment of ``time.monotonic()`` at which all must be on the disk; None sets none.
        judging_steps: how many steps the judging lasts at most, as long as none was seen.
    """

    def __init__(self, moment, judging_steps):
        self.moment, self.judging_steps = moment, judging_steps
        self._slowest = {}

    def note(self, what, began):
        """Note that something that began at a moment is over.

        Args:
            what: ``"first step"``, which takes the longer for being compiled, ``"step"``,
                ``"judging"`` or ``"saving"``.
            began: when it began.
        """
        self._slowest[what] = max(self._slowest.get(what, 0.0), time.monotonic() - began)

    def is_near(self, ahead):
        """Return whether a ``"step"`` or ``"judging"``, then a saving, could end too late."""
        if self.moment is None:
            return False
        step = self._slowest.get("step", self._slowest.get("first step", 0.0))
        judging = self._slowest.get("judging", self.judging_steps * step)
        seconds = judging if ahead == "judging" else step
        return time.monotonic() + 2 * (seconds + self._slowest.get("saving", 0.0)) > self.moment
