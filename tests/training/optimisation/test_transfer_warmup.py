"""Transferred layers are frozen for the first epochs and trained afterwards (Table 4)."""

import pytest
import torch
from noise_runs import TINY
from tiny_runs import state_of, tiny_recipe, with_one_thread
from torch import nn

from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.training.fit import fit
from hierattn.training.listener import Silent
from hierattn.training.optimisation.transfer_warmup import set_frozen
from hierattn.training.recipe import Recipe


@pytest.fixture(autouse=True)
def one_thread():
    yield from with_one_thread()


@pytest.fixture
def recipe(prepared):
    return tiny_recipe(prepared)


def test_frozen_layers_keep_their_transferred_weights_until_released(recipe, tmp_path):
    fit(recipe, tmp_path / "source", device="cpu")
    source = load_checkpoint(tmp_path / "source" / "best.safetensors")
    values = recipe.to_dict()
    values["transfer"] = {"checkpoint": str(tmp_path / "source" / "best.safetensors"), "frozen_epochs": 1}
    values["optimiser"]["averaging"] = 0.0
    values["seed"] = 77
    frozen = Recipe.from_dict(values)

    class Look(Silent):
        """Keeps the state as it was after the first epoch."""

        def epoch(self, row, best):
            if row["epoch"] == 0:
                self.after_first = load_checkpoint(tmp_path / "target" / "best.safetensors").state_dict

    look = Look()
    fit(frozen, tmp_path / "target", device="cpu", listener=look)
    at_the_end = state_of(tmp_path / "target")["model"]
    learnt = [name for name, _ in create_model("hierattn_xs", 8, **TINY).named_parameters()]
    transferred = [name for name in learnt if not name.startswith("classifier.")]
    assert len(transferred) > 100
    for name in transferred:
        assert torch.equal(look.after_first[name], source.state_dict[name]), name
    weights_only = [name for name in transferred if name.endswith(".weight")]
    assert not any(torch.equal(at_the_end[name], source.state_dict[name]) for name in weights_only)
    assert not torch.equal(look.after_first["classifier.weight"], source.state_dict["classifier.weight"])
    assert (tmp_path / "target" / "transfer.txt").read_text()


def test_a_frozen_layer_keeps_its_bits_and_its_statistics_follow_the_data():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    before = {name: value.detach().clone() for name, value in model.state_dict().items()}
    set_frozen(model, {"0.weight", "0.bias", "1.weight", "1.bias"}, True)
    model(torch.rand(8, 4)).square().sum().backward()
    optimiser.step()
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"2.weight", "2.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"}
    set_frozen(model, {"0.weight"}, False)
    assert [name for name, value in model.named_parameters() if value.requires_grad] == [
        "0.weight",
        "2.weight",
        "2.bias",
    ]
