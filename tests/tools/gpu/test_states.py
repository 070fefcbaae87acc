from __future__ import annotations

import torch
from torch import nn

from tools.gpu import states


def test_moments_outlive_the_process_in_half_the_bytes():
    def begun() -> tuple[nn.Linear, torch.optim.AdamW]:
        torch.manual_seed(0)
        layer = nn.Linear(4, 3)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1)

    def step(layer: nn.Linear, optimiser: torch.optim.AdamW) -> None:
        optimiser.zero_grad()
        layer(torch.ones(2, 4)).square().sum().backward()
        optimiser.step()

    layer, optimiser = begun()
    for _ in range(5):
        step(layer, optimiser)
    names = {value: name for name, value in layer.named_parameters()}
    moments = states.moments_of(optimiser, names)
    assert set(moments) == {f"{name}/{key}" for name in ("weight", "bias") for key in ("exp_avg", "exp_avg_sq")}
    assert all(value.dtype == torch.bfloat16 for value in moments.values())
    other, resumed = begun()
    other.load_state_dict(layer.state_dict())
    states.restore_moments(resumed, {value: name for name, value in other.named_parameters()}, moments, 5)
    step(layer, optimiser)
    step(other, resumed)
    assert torch.allclose(layer.weight, other.weight, atol=2e-3)


def test_a_damaged_file_is_left_aside_for_an_older_one(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        states.save_tensors(folder / "a.safetensors", {"x": torch.ones(2)}, {"step": 3})
    (new / "a.safetensors").write_bytes(b"cut")
    assert states.find("a.safetensors", [new, old]) == old / "a.safetensors"
    assert states.load_tensors(old / "a.safetensors")[1]["step"] == "3"
    assert states.find("b.safetensors", [new, old]) is None
