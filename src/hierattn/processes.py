"""Processes that are started whole, or not at all, whenever a signal to stop comes."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Start processes here: a signal to stop waits until they are started.

    A process that is stopped half started reads from a pipe that nobody writes, and ends in a traceback; so does one
    that Ctrl-C reaches while it still imports. So Ctrl-C and SIGTERM are heard at the end of the block, and what is
    started in it begins with Ctrl-C held back: only this process decides when to stop.

    Only the main thread hears signals; in any other this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def wait(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    former = {number: signal.signal(number, wait) for number in STOPS}
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # what starts it later would let Ctrl-C through again
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for stop, handler in former.items():
            signal.signal(stop, handler)
        if came:
            signal.raise_signal(came[0])
