"""What this process asks of the system: to start others whole or not at all, and to keep the memory that it frees."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM)
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


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


def keep_freed_memory() -> bool:
    """Let glibc keep what this process frees for what it asks for next; whether it does.

    On a CPU each batch asks for the same large tensors. By default glibc hands them back to the system, which clears
    every page anew: a quarter of a training step's processor time (docs/lab-notes.md). The price is some tenth of
    memory, and that it is returned only at the end. Elsewhere than on Linux with glibc nothing happens.
    """
    import ctypes  # few commands need it
    import platform

    libc = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
    if libc is None:
        return False
    never_mapped = libc.mallopt(_M_MMAP_MAX, 0)
    return bool(libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1) and never_mapped)
