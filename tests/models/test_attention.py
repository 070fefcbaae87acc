"""Each attention against a statement of its formula by loops or einsum."""

import pytest
import torch
from torch import Tensor
from torchvision.ops import SqueezeExcitation

from hierattn.errors import UsageError
from hierattn.models.attention import (
    ATTENTION_KINDS,
    ConvolutionalBlockAttention,
    CoordinateAttention,
    SameChannelAttention,
    make_attention,
)


def _x(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_same_channel_attention_equals_a_naive_loop() -> None:
    x = _x(2, 3, 4, 5)
    wanted = torch.empty_like(x)
    for image in range(2):
        for channel in range(3):
            total = sum(float(x[image, channel, i, j]) for i in range(4) for j in range(5))
            weight = 1 / (1 + torch.tensor(-total / 20, dtype=torch.float64).exp())
            wanted[image, channel] = x[image, channel] * weight
    torch.testing.assert_close(SameChannelAttention()(x), wanted)


def test_same_channel_attention_trains_with_the_gradient_of_its_formula() -> None:
    x, block = _x(2, 3, 4, 5).requires_grad_(), SameChannelAttention()
    torch.testing.assert_close(block.train()(x), block.eval()(x))
    assert torch.autograd.gradcheck(block.train(), (x,))


def test_same_channel_attention_has_no_parameters() -> None:
    assert list(SameChannelAttention().parameters()) == []


def test_cbam_equals_its_formula_place_by_place() -> None:
    torch.manual_seed(0)
    block, x = ConvolutionalBlockAttention(32).double(), _x(1, 32, 5, 6)
    squeeze, excite = block.squeeze.weight.flatten(1), block.excite.weight.flatten(1)

    def perceptron(vector: Tensor) -> Tensor:
        return excite @ (squeeze @ vector).clamp(min=0)

    flat = x[0].flatten(1)
    channel = torch.sigmoid(perceptron(flat.mean(1)) + perceptron(flat.max(1).values))
    y = x[0] * channel[:, None, None]
    summary = torch.stack([y.mean(0), y.max(0).values])
    padded = torch.zeros(2, 5 + 6, 6 + 6, dtype=torch.float64)
    padded[:, 3:-3, 3:-3] = summary
    for i in range(5):
        for j in range(6):
            place = torch.sigmoid((padded[:, i : i + 7, j : j + 7] * block.place.weight[0]).sum())
            torch.testing.assert_close(block(x)[0, :, i, j], y[:, i, j] * place)


def test_coordinate_attention_weights_are_a_row_times_a_column() -> None:
    torch.manual_seed(0)
    block, x = CoordinateAttention(16).eval().double(), _x(1, 16, 4, 6)
    weights = (block(x) / x)[0]
    for channel in weights:  # the outer product of two vectors has rank 1
        values = torch.linalg.svdvals(channel)
        assert values[1] < 1e-10 * values[0]
    assert ((weights > 0) & (weights < 1)).all()


def test_coordinate_attention_equals_einsum_of_its_two_branches() -> None:
    torch.manual_seed(0)
    block, x = CoordinateAttention(16).eval().double(), _x(2, 16, 4, 6)

    def branch(pooled: Tensor, layer: torch.nn.Conv2d) -> Tensor:
        squeezed = torch.einsum("oc,bcl->bol", block.squeeze.weight.flatten(1), pooled) + block.squeeze.bias[:, None]
        squeezed = squeezed / (1 + block.norm.eps) ** 0.5  # fresh running statistics: mean 0, variance 1
        hidden = squeezed * (squeezed + 3).clamp(0, 6) / 6
        return torch.sigmoid(torch.einsum("oc,bcl->bol", layer.weight.flatten(1), hidden) + layer.bias[:, None])

    rows, columns = branch(x.mean(3), block.rows), branch(x.mean(2), block.columns)
    torch.testing.assert_close(block(x), torch.einsum("bchw,bch,bcw->bchw", x, rows, columns))


def test_squeeze_excitation_is_torchvisions_with_a_quarter_of_the_blocks_channels() -> None:
    block = make_attention("se", channels=192, block_channels=48)
    assert isinstance(block, SqueezeExcitation)
    assert block.fc1.out_channels == 12


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_every_kind_keeps_the_shape(kind: str) -> None:
    x = torch.randn(2, 32, 7, 9)
    assert make_attention(kind, 32, 8).eval()(x).shape == x.shape


def test_none_changes_nothing() -> None:
    x = torch.randn(1, 4, 3, 3)
    assert torch.equal(make_attention("none", 4, 2)(x), x)


def test_an_unknown_kind_is_refused_with_the_list() -> None:
    with pytest.raises(UsageError, match="none, se, sc, cbam, coordinate"):
        make_attention("eca", 8, 4)
