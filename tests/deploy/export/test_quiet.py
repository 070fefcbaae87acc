"""Silence: no log line, no warning, and both as before afterwards, errors included."""

from __future__ import annotations

import logging
import warnings

import pytest

from hierattn.deploy.export.quiet import quiet, quiet_logs


def test_nothing_is_logged_or_warned_inside_and_everything_again_after_it(caplog):
    logger = logging.getLogger("someone")
    with quiet():
        logger.warning("inside")
        warnings.warn("inside", UserWarning, stacklevel=1)  # an error in these tests, were it not silenced
    logger.warning("after")
    assert [record.message for record in caplog.records] == ["after"]
    with pytest.warns(UserWarning, match="after"):
        warnings.warn("after", UserWarning, stacklevel=1)


def test_a_failure_inside_is_raised_and_ends_the_silence(caplog):
    with pytest.raises(ValueError, match="spoilt"), quiet_logs():
        raise ValueError("spoilt")
    logging.getLogger("someone").warning("after")
    assert [record.message for record in caplog.records] == ["after"]
