"""Fetching from the hub, by its own client from a server here: its cache, offline mode, bounds, errors and tokens."""

from __future__ import annotations

import pytest
from tests.fake_hub import TOKEN, Hub, offline, running_hub, use

from hierattn.errors import HubError, UsageError
from hierattn.hub import hub_file, is_on_hub, repository


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with running_hub() as hub:
        use(hub, monkeypatch, tmp_path / "cache", token=None)
        yield hub


def test_a_file_is_fetched_once_and_then_read_offline(hub: Hub, monkeypatch) -> None:
    hub.put("owner/name", {"model.onnx": b"first"})
    path = hub_file("hf-hub:owner/name", "model.onnx", 100)
    assert path.read_bytes() == b"first"
    fetched = [line for line in hub.asked if line.startswith("GET")]
    hub_file("hf-hub:owner/name", "model.onnx", 100)
    assert [line for line in hub.asked if line.startswith("GET")] == fetched
    offline(monkeypatch)
    assert hub_file("hf-hub:owner/name", "model.onnx", 100) == path
    with pytest.raises(HubError, match="the cache has no copy"):
        hub_file("hf-hub:owner/other", "model.onnx", 100)


def test_a_revision_is_read_as_it_was(hub: Hub) -> None:
    former = hub.put("owner/name", {"model.onnx": b"first"})
    hub.put("owner/name", {"model.onnx": b"second"})
    assert hub_file(f"hf-hub:owner/name@{former}", "model.onnx", 100).read_bytes() == b"first"
    assert hub_file("hf-hub:owner/name", "model.onnx", 100).read_bytes() == b"second"
    with pytest.raises(HubError, match="no such revision"):
        hub_file("hf-hub:owner/name@absent", "model.onnx", 100)


def test_a_file_that_is_too_large_is_refused_before_it_is_fetched(hub: Hub) -> None:
    hub.put("owner/name", {"model.onnx": b"x" * 101})
    with pytest.raises(HubError, match="has 101 bytes: wanted at most 100"):
        hub_file("hf-hub:owner/name", "model.onnx", 100)
    assert not [line for line in hub.asked if line.startswith("GET")]


def test_a_size_that_was_a_lie_is_refused(hub: Hub) -> None:
    hub.put("owner/name", {"model.onnx": b"x" * 200})
    hub.announced = 50
    with pytest.raises(HubError, match=r"model\.onnx of hf-hub:owner/name"):
        hub_file("hf-hub:owner/name", "model.onnx", 100)


def test_what_is_missing_is_said_and_no_token_is(hub: Hub, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.put("owner/name", {"README.md": b""})
    with pytest.raises(HubError, match="no such file: is it a model that 'hierattn push' made") as no_file:
        hub_file("hf-hub:owner/name", "model.onnx", 100)
    with pytest.raises(HubError, match="no such repository, or a private one") as no_repository:
        hub_file("hf-hub:owner/absent", "model.onnx", 100)
    for error in (no_file, no_repository):
        assert TOKEN not in str(error.value)
        assert "\n" not in str(error.value)


def test_a_private_repository_is_read_with_a_token_alone(hub: Hub, monkeypatch) -> None:
    hub.put("owner/name", {"model.onnx": b"mine"}, private=True)
    with pytest.raises(HubError, match="hf auth login"):
        hub_file("hf-hub:owner/name", "model.onnx", 100)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert hub_file("hf-hub:owner/name", "model.onnx", 100).read_bytes() == b"mine"


@pytest.mark.parametrize(
    "wrong", ["name", "a/b/c", "../b", "a/..", "a/b@../../c", "a/b@x y", "/b", "a/", "a b/c", "é/b"]
)
def test_a_name_that_is_no_place_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="wanted hf-hub:OWNER/NAME"):
        repository(f"hf-hub:{wrong}")
    assert is_on_hub(f"hf-hub:{wrong}")
