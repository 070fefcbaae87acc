"""The service's settings: they survive the way to a worker, and impossible ones name their option."""

from __future__ import annotations

import pytest

from hierattn.errors import UsageError
from hierattn.serve.settings import ServiceSettings, read_api_keys

pytest.importorskip("fastapi")

KEY = "a-key-of-more-than-sixteen-characters"


def test_settings_survive_the_way_to_a_worker():
    settings = ServiceSettings("m.onnx", queue=3, origins=("https://a.example",), more=(("phone", "p.onnx"),))
    assert ServiceSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"queue": 0}, "--queue 0"), ({"rate": -1}, "--rate -1"), ({"origins": ("*",)}, "--origin"),
     ({"receive_seconds": 0}, "--receive-seconds 0"), ({"more": (("model", "x"),)}, "a different name"),
     ({"more": (("../x", "x"),)}, "model name")],
)  # fmt: skip
def test_impossible_settings_name_their_option(wrong, said):
    with pytest.raises(UsageError, match=said):
        ServiceSettings("m.onnx", **wrong)


@pytest.mark.parametrize("text", [",", " ", ", ,"])
def test_keys_that_were_set_and_hold_none_do_not_open_the_service(text):
    with pytest.raises(UsageError, match="HIERATTN_API_KEYS is set and holds no key"):
        read_api_keys(text)


def test_short_keys_are_refused_without_repeating_them():
    with pytest.raises(UsageError) as caught:
        read_api_keys(f"{KEY},hunter2")
    assert "key 2" in str(caught.value)
    assert "hunter2" not in str(caught.value)
