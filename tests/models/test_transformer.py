"""The small-scale transformer against torch's own multi-head attention and encoder layer."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hierattn.errors import UsageError
from hierattn.models.transformer import SelfAttention, SmallScaleTransformer, TransformerLayer, attend


def _copy_attention(ours: SelfAttention, theirs: nn.MultiheadAttention) -> None:
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias.uniform_(-1, 1))
        theirs.out_proj.weight.copy_(ours.out.weight)
        theirs.out_proj.bias.copy_(ours.out.bias)


def test_self_attention_equals_torchs_multi_head_attention() -> None:
    torch.manual_seed(0)
    ours, theirs = SelfAttention(24, 4).double(), nn.MultiheadAttention(24, 4, batch_first=True).double()
    _copy_attention(ours, theirs)
    x = torch.randn(3, 10, 24, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0])


def test_self_attention_equals_the_softmax_formula_in_einsum() -> None:
    torch.manual_seed(0)
    ours = SelfAttention(12, 4).double()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    query, key, value = ours.qkv(x).chunk(3, dim=-1)
    heads = []
    for head in range(4):
        mine = slice(3 * head, 3 * head + 3)
        scores = torch.einsum("bqd,bkd->bqk", query[..., mine], key[..., mine]) / 3**0.5
        heads.append(torch.einsum("bqk,bkd->bqd", scores.softmax(-1), value[..., mine]))
    torch.testing.assert_close(ours(x), ours.out(torch.cat(heads, -1)))


def test_plain_products_in_bfloat16_are_the_fused_attention_and_give_its_gradients() -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(6, 4, 10, 8, dtype=torch.bfloat16).requires_grad_() for _ in range(3))
    exact = functional.scaled_dot_product_attention(query.double(), key.double(), value.double())
    plain = attend(query, key, value)
    assert plain.dtype == torch.bfloat16
    torch.testing.assert_close(plain.double(), exact, rtol=0.03, atol=0.02)
    wanted = torch.autograd.grad(exact.square().sum(), (query, key, value))
    found = torch.autograd.grad(plain.square().sum(), (query, key, value))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.1, atol=0.05)


@pytest.mark.parametrize("training", [False, True])
def test_layer_equals_torchs_pre_norm_encoder_layer(training: bool) -> None:
    torch.manual_seed(0)
    ours = TransformerLayer(24, heads=4, mlp_ratio=2, dropout=0.0).double().train(training)
    theirs = nn.TransformerEncoderLayer(
        24, 4, dim_feedforward=48, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    theirs = theirs.double().train(training)
    _copy_attention(ours.attention, theirs.self_attn)
    pairs = (
        (theirs.norm1, ours.attention_norm),
        (theirs.norm2, ours.mlp_norm),
        (theirs.linear1, ours.mlp[0]),
        (theirs.linear2, ours.mlp[2]),
    )
    for target, source in pairs:
        nn.init.uniform_(source.weight, -0.5, 0.5)
        target.load_state_dict(source.state_dict())
    x = torch.randn(3, 10, 24, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))


def test_dropout_stands_only_after_the_mlp() -> None:
    torch.manual_seed(0)
    layer = TransformerLayer(8, heads=4, mlp_ratio=2, dropout=0.5).train()
    assert [type(part).__name__ for part in layer.mlp] == ["Linear", "GELU", "Linear", "Dropout"]
    x = torch.randn(1, 4, 8)
    after_attention = x + layer.attention(layer.attention_norm(x))
    update = layer(x) - after_attention
    assert 0.2 < (update == 0).float().mean().item() < 0.8


def test_tokens_in_another_order_give_the_same_outputs_in_that_order() -> None:
    torch.manual_seed(0)
    model = SmallScaleTransformer(16, layers=2, heads=4, mlp_ratio=2, dropout=0.0).double().eval()
    x, order = torch.randn(2, 9, 16, dtype=torch.float64), torch.randperm(9)
    torch.testing.assert_close(model(x[:, order]), model(x)[:, order])


def test_the_last_step_is_a_layer_normalisation() -> None:
    torch.manual_seed(0)
    model = SmallScaleTransformer(16, layers=3, heads=4, mlp_ratio=2, dropout=0.1)
    out = model(torch.randn(2, 9, 16) * 50)
    torch.testing.assert_close(out.mean(-1), torch.zeros(2, 9), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(-1, correction=0), torch.ones(2, 9), atol=1e-3, rtol=0)


def test_a_width_that_the_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(UsageError, match="multiple of the number of heads"):
        SelfAttention(30, 4)
