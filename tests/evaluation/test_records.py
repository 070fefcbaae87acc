"""Records as plain values and back: nothing lost, and what does not fit named by its path."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from hierattn.evaluation.records import defined, from_plain, rest, to_plain


@dataclass(frozen=True)
class Inner:
    value: float | None
    pair: tuple[float, float] | None = None


@dataclass(frozen=True)
class Outer:
    name: str
    level: float
    rows: tuple[Inner, ...]
    by_code: Mapping[str, Inner]
    more: Mapping[str, Any] = rest()


OUTER = Outer("a", 0.5, (Inner(None), Inner(1.0, (0.25, 0.75))), {"MEL": Inner(0.5)}, {"other": [1]})


def test_a_record_comes_back_through_json():
    plain = json.loads(json.dumps(to_plain(OUTER), allow_nan=False))
    assert plain == {
        "name": "a", "level": 0.5, "rows": [{"value": None}, {"value": 1.0, "pair": [0.25, 0.75]}],
        "by_code": {"MEL": {"value": 0.5}}, "other": [1],
    }  # fmt: skip
    assert from_plain(Outer, plain) == OUTER


def test_what_is_undefined_is_null_in_the_file_and_nan_in_the_record():
    assert to_plain(Outer("a", math.nan, (), {}))["level"] is None
    assert math.isnan(from_plain(Outer, {"name": "a", "level": None, "rows": [], "by_code": {}}).level)
    assert defined(math.inf) is defined(math.nan) is None
    assert to_plain({"x": (np.float64(0.5), np.int64(3), np.array([1.0, np.nan]))}) == {"x": [0.5, 3, [1.0, None]]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": 3}, "name is '3', wanted a text"),
        ({"level": True}, "level is 'True', wanted a number"),
        ({"rows": [{}]}, r"rows\[0\]\.value is missing"),
        ({"rows": [{"value": 1, "pair": [1]}]}, r"rows\[0\]\.pair is '\[1\]', wanted 2 values"),
        ({"by_code": {"MEL": 1}}, r"by_code\.MEL is '1', wanted an object"),
    ],
)
def test_what_does_not_fit_is_named(change, said):
    with pytest.raises(ValueError, match=said):
        from_plain(Outer, {**to_plain(OUTER), **change})
