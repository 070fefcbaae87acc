"""Checkpoints of the published code become ready models, and what does not fit is named."""

import json
from pathlib import Path

import pytest
import torch
from tests.conftest import SHARED
from tiny_runs import randomised
from torch import Tensor

from hierattn.errors import CheckpointError, UsageError
from hierattn.models.registry import create_model
from hierattn.models.weights.authors_checkpoint import import_authors_checkpoint
from hierattn.models.weights.foreign_names import AUTHORS

LAYOUT = SHARED / "paper" / "authors_checkpoint_layout.json"


def _published(name: str, classes: int = 8) -> dict[str, Tensor]:
    names = {ours: theirs for theirs, ours in AUTHORS.modules().items()}
    torch.manual_seed(0)
    state = randomised(create_model(name, classes))
    return {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value for key, value in state.items()}


@pytest.mark.parametrize("name", ["hierattn_xs"])
def test_a_published_checkpoint_becomes_a_ready_model(name: str, tmp_path: Path) -> None:
    torch.save(_published(name, classes=6), tmp_path / "published.pth")
    model = import_authors_checkpoint(tmp_path / "published.pth", name)
    assert not model.training
    assert model.num_classes == 6
    torch.manual_seed(0)
    wanted = create_model(name, 6).eval()
    wanted.load_state_dict(randomised(wanted))
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        logits = model(x)
        assert torch.isfinite(logits).all()
        assert torch.equal(logits, wanted(x))


def test_the_skip_is_the_callers_to_say() -> None:
    state, x = _published("hierattn_xs"), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        with_skip, without = (import_authors_checkpoint(state, "hierattn_xs", skip=skip)(x) for skip in (True, False))
    assert not torch.allclose(with_skip, without)


@pytest.mark.skipif(not LAYOUT.exists(), reason="the published checkpoints' layout is not beside this repository")
@pytest.mark.parametrize("name", ["hierattn_xs"])  # test_hierattn compares the names and shapes of all three
def test_the_recorded_layout_of_the_published_checkpoints_is_read(name: str) -> None:
    layout = json.loads(LAYOUT.read_text())[name]
    model = import_authors_checkpoint({key: torch.ones(shape) for key, shape in layout.items()}, name)
    assert model.num_classes == 8
    assert torch.equal(model.head_conv.conv.weight, torch.ones_like(model.head_conv.conv.weight))


def test_a_wrong_variant_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"is no hierattn_xs: .*; its transformers are hierattn_s's"):
        import_authors_checkpoint(_published("hierattn_s"), "hierattn_xs")
    with pytest.raises(UsageError, match="mobilenet_v2"):
        import_authors_checkpoint(_published("hierattn_s"), "mobilenet_v2")


def test_a_missing_and_a_strange_tensor_are_named() -> None:
    missing = _published("hierattn_xs")
    del missing["Layer3.1.Fusion.Bn.bias"]
    with pytest.raises(CheckpointError, match=r"stages\.0\.cth\.fusion\.norm\.bias is missing"):
        import_authors_checkpoint(missing, "hierattn_xs")
    strange = _published("hierattn_xs") | {"Layer1.0.Block.2.fc1.weight": torch.ones(4, 32, 1, 1)}
    with pytest.raises(CheckpointError, match=r"Layer1\.0\.Block\.2\.fc1\.weight has no place here"):
        import_authors_checkpoint(strange, "hierattn_xs")
    with pytest.raises(CheckpointError, match=r"Classifier\.fc\.weight"):
        import_authors_checkpoint({}, "hierattn_xs")
