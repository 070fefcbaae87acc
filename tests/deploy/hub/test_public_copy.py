"""What leaves the machine: the same answers, and nothing that leads back to a photograph or a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import timm
import torch

import hierattn.timm  # noqa: F401  registers
from hierattn.bundle.bundle import read_bundle
from hierattn.deploy.hub.public_copy import make_public_copy
from hierattn.errors import UsageError
from hierattn.hub import BUNDLE, CONFIG, PUSHED, WEIGHTS
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import RunFolder


def test_the_copy_is_the_list_and_names_no_folder_and_no_photograph(copy: Path) -> None:
    assert {path.name for path in copy.iterdir() if not path.name.startswith(".")} == set(PUSHED)
    for path in copy.rglob("*"):
        content = path.read_bytes()
        for secret in (b"Mustermann", b"/clinic/", b"patient_7", b"hierattn.trained_on", b"photograph.png"):
            assert secret not in content, (path.name, secret)


def test_the_copy_has_the_runs_weights_and_no_record_of_its_photographs(run: Path, copy: Path) -> None:
    ours, public = load_checkpoint(RunFolder(run).best), load_checkpoint(copy / WEIGHTS)
    assert all(torch.equal(value, public.state_dict[name]) for name, value in ours.state_dict.items())
    assert ours.trained_on is not None
    assert public.trained_on is None
    assert public.recipe["data"] == {"prepared": "", "fold": 0}
    assert public.recipe["transfer"]["checkpoint"] == "start.safetensors"
    assert public.recipe["distillation"]["teacher"] == ["teacher.safetensors"]
    assert read_bundle(copy / BUNDLE)[1].recipe == public.recipe


def test_timm_alone_builds_the_network_from_the_copy(copy: Path) -> None:
    model = timm.create_model(f"local-dir:{copy}", pretrained=True).eval()
    checkpoint = load_checkpoint(copy / WEIGHTS)
    size = checkpoint.image_spec.size
    images = torch.rand(2, 3, size, size)
    assert torch.equal(model(images), checkpoint.build()(images))
    assert json.loads((copy / CONFIG).read_text())["label_names"] == list(checkpoint.classes)


def test_a_run_that_was_not_evaluated_and_a_folder_of_others_are_refused(run: Path, copy: Path, tmp_path) -> None:
    with pytest.raises(UsageError, match="hierattn evaluate"):
        make_public_copy(tmp_path, tmp_path / "out", "owner/name")
    with pytest.raises(UsageError, match="wanted the run folder"):
        make_public_copy(RunFolder(run).evaluation, tmp_path / "out", "owner/name")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("mine")
    with pytest.raises(UsageError):
        make_public_copy(run, tmp_path / "mine", "owner/name")
    assert (tmp_path / "mine" / "note.txt").read_text() == "mine"
