"""Silence while exporters and quantisers work: their warnings are about their own insides; what fails still raises."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_logs() -> Iterator[None]:
    """No log line up to a warning, of any logger, for the time of the block."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def quiet() -> Iterator[None]:
    """No such log line and no Python warning for the time of the block."""
    with quiet_logs(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
