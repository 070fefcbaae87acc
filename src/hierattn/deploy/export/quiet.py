"""What exporters and quantisers say about their own insides, held back while they work; what fails, raises."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def log_lines_held_back() -> Iterator[None]:
    """No log line up to a warning, of any logger, for the time of the block."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def warnings_held_back() -> Iterator[None]:
    """No such log line and no Python warning for the time of the block."""
    with log_lines_held_back(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
