"""Out of memory: recognised on CPU and GPU, and answered with the batch that would fit, found by trying."""

from __future__ import annotations

import ctypes
import gc
import traceback
from collections.abc import Callable
from contextlib import suppress

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that there is no memory left, on a GPU or on the CPU."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    # The second is what oneDNN, the CPU's convolutions, says when its buffers do not fit.
    return isinstance(error, RuntimeError) and any(
        words in str(error) for words in ("allocate memory", "could not create a primitive")
    )


def fitting_batch(attempt: Callable[[int], object], batch: int) -> int:
    """The largest of 2, 4, 8, ... below ``batch`` with which ``attempt`` succeeds; 0 where not even 2 does.

    Upwards, because an attempt that fails in the CPU's backward pass may not give all its memory back.
    """
    fits, smaller = 0, 2
    while smaller < batch:
        _give_back()
        try:
            attempt(smaller)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)
            break
        fits, smaller = smaller, 2 * smaller
    return fits


def _give_back() -> None:
    """Return freed memory to the device and to the system: allocators keep it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)
