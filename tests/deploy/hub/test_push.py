"""Pushing by the hub's own client to a server here: private, whole, only the list, and back as the same model."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.fake_hub import TOKEN, Hub, offline, running_hub, use

from hierattn import Predictor
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.hub.push import find_place, push
from hierattn.errors import HubError, UsageError
from hierattn.hub import BUNDLE, PUSHED


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with running_hub() as hub:
        use(hub, monkeypatch, tmp_path / "cache")
        yield hub


def test_a_push_is_private_whole_and_answers_as_the_file_does_offline_too(
    hub: Hub, copy: Path, tmp_path, monkeypatch, caplog, capfd
) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(copy, folder)
    (folder / "photo_of_a_patient.jpg").write_bytes(b"private")
    place = find_place("owner/name")
    assert (place.exists, place.public) == (False, False)
    assert push(folder, place).startswith(f"{hub.address}/owner/name/commit/")
    repository = hub.repositories["owner/name"]
    assert repository.private
    assert repository.files("main")[1] == {name: (copy / name).read_bytes() for name in PUSHED}
    assert find_place("owner/name").exists

    photo = render_lesion("NV", np.random.default_rng(0), 96).image
    wanted = Predictor.load(copy / BUNDLE)(photo).probabilities
    assert Predictor.load("hf-hub:owner/name")(photo).probabilities == wanted
    offline(monkeypatch)
    assert Predictor.load("hf-hub:owner/name")(photo).probabilities == wanted
    said = capfd.readouterr()
    assert TOKEN not in caplog.text + said.out + said.err


def test_a_public_repository_is_pushed_to_only_where_that_was_asked_for(hub: Hub, copy: Path) -> None:
    hub.put("owner/open", {"README.md": b"old"})
    place = find_place("owner/open")
    assert place.public
    with pytest.raises(UsageError, match="owner/open is public: add --public"):
        push(copy, place)
    assert hub.repositories["owner/open"].files("main")[1] == {"README.md": b"old"}
    push(copy, place, public=True)
    assert set(hub.repositories["owner/open"].files("main")[1]) == set(PUSHED)


def test_a_repository_that_came_out_public_gets_nothing(hub: Hub, copy: Path) -> None:
    hub.forced_public = True
    with pytest.raises(HubError, match="was to be private and is public: nothing was pushed"):
        push(copy, find_place("owner/name"))
    assert not hub.repositories["owner/name"].commits


def test_without_a_token_or_with_a_wrong_one_nothing_happens_and_none_is_told(
    hub: Hub, copy: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_aWrongToken")
    with pytest.raises(HubError) as refused:
        push(copy, find_place("owner/name"))
    assert "hf_aWrongToken" not in str(refused.value)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="no token for the hub"):
        find_place("owner/name")
    with pytest.raises(UsageError, match="without a revision"):
        find_place("owner/name@v1")
    assert not hub.repositories


def test_a_folder_that_lacks_a_file_is_not_pushed(hub: Hub, copy: Path, tmp_path) -> None:
    shutil.copy(copy / BUNDLE, tmp_path)
    with pytest.raises(UsageError, match=r"lacks model\.safetensors"):
        push(tmp_path, find_place("owner/name"))
