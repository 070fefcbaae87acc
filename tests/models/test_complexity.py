"""Counts against published figures and against sums by hand."""

import pytest
import torch
from torch import nn

from hierattn.models.complexity import measure_complexity
from hierattn.models.registry import create_model


@pytest.mark.parametrize(
    ("name", "size", "published"),
    [
        ("mobilenet_v2", 224, 300e6),  # Sandler et al. 2018, Table 4
        ("mobilevit_xxs", 256, 0.4e9),  # Mehta and Rastegari 2021
        ("shufflenet_v2_1x", 224, 146e6),  # Ma et al. 2018, Table 8
        ("efficientnet_b0", 224, 0.39e9),  # Tan and Le 2019
    ],
)
def test_multiply_adds_agree_with_the_published_figures(name: str, size: int, published: float) -> None:
    assert measure_complexity(name, num_classes=1000, size=size).multiply_adds == pytest.approx(published, rel=0.03)


def test_multiply_adds_of_hierattn_equal_the_sum_over_its_layers() -> None:
    model, total = create_model("hierattn_xs").eval(), 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
        elif type(module).__name__ == "SelfAttention":
            sequences, tokens, dim = inputs[0].shape
            total += 2 * sequences * tokens * tokens * dim
        elif type(module).__name__ == "BranchAttention":
            for stage in inputs[0]:  # P X P^T with 1 + 3 + 5 rows
                _, channels, height, width = stage.shape
                total += channels * 9 * (height * width + 9 * height)

    for module in model.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        model(torch.zeros(1, 3, 96, 96))
    assert measure_complexity("hierattn_xs", size=96).multiply_adds == total


def test_counting_leaves_the_callers_random_numbers_alone() -> None:
    torch.manual_seed(2)
    wanted = torch.rand(3)
    torch.manual_seed(2)
    measure_complexity("shufflenet_v2_1x", size=32)
    assert torch.equal(torch.rand(3), wanted)


def test_memory_is_four_bytes_a_value() -> None:
    cost = measure_complexity("hierattn_xs", size=256)
    state = create_model("hierattn_xs").state_dict()
    floats = sum(value.numel() for value in state.values() if value.is_floating_point())
    counters = sum(1 for value in state.values() if not value.is_floating_point())
    assert cost.weight_bytes == 4 * floats + 8 * counters
    # A block's expansion on the stem's 128 x 128; the fused attention never holds its 16 x 256 x 256 scores.
    assert cost.largest_activation_bytes == 4 * 32 * 128 * 128
