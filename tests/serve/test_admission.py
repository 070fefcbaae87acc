"""Admission: tokens return with time, and places after a failure."""

from __future__ import annotations

import pytest

from hierattn.serve.admission import Places, RateLimit
from hierattn.serve.problems import Refusal

pytest.importorskip("fastapi")


def test_tokens_return_with_time():
    limit = RateLimit(60)
    assert sum(limit.take("a", now=0.0) == 0 for _ in range(100)) == 60
    assert limit.take("a", now=2.5) == 0
    assert limit.take("b", now=2.5) == 0


def test_places_come_back_after_a_failure():
    places = Places(1)
    with pytest.raises(ValueError), places.take():
        raise ValueError
    with places.take(), pytest.raises(Refusal), places.take():
        pass
    assert places.taken == 0
