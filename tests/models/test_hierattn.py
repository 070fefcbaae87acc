"""HierAttn's switches, sizes and head, and the exact numbers of parameters."""

import pytest
import torch
from torch import nn

from hierattn.errors import UsageError
from hierattn.models.attention import ATTENTION_KINDS
from hierattn.models.hierattn import HIERATTN_XS, HierAttn, HierAttnConfig
from hierattn.models.registry import create_model
from hierattn.models.stochastic_depth import StochasticDepth
from hierattn.models.weights.checkpoint import count_parameters


@pytest.fixture(scope="module")
def xs() -> HierAttn:
    torch.manual_seed(0)
    model = create_model("hierattn_xs").eval()
    assert isinstance(model, HierAttn)
    return model


@pytest.mark.parametrize("attention", ATTENTION_KINDS)
def test_every_attention_trains_without_skip_and_branch_attention_too(attention: str) -> None:
    torch.manual_seed(0)
    model = create_model("hierattn_xs", 3, attention=attention, branch_attention=False, cth_skip=False)
    model(torch.rand(2, 3, 64, 64)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (127, 70)])
def test_any_size_from_64_up_gives_logits(xs: HierAttn, size: tuple[int, int]) -> None:
    with torch.no_grad():
        assert xs(torch.rand(1, 3, *size)).shape == (1, 8)


@pytest.mark.parametrize("channels", [1, 4])
def test_any_number_of_image_channels(channels: int) -> None:
    model = create_model("hierattn_xs", 2, in_channels=channels).eval()
    with torch.no_grad():
        assert model(torch.rand(1, channels, 64, 64)).shape == (1, 2)


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (1, 3, 31, 64)])
def test_images_of_another_shape_are_refused_with_the_wanted_one(xs: HierAttn, shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"wanted \(batch, 3, H, W\)"):
        xs(torch.zeros(shape))


def test_the_last_cth_block_is_where_heat_maps_look(xs: HierAttn) -> None:
    seen = []
    handle = xs.stages[-1].cth.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    with torch.no_grad():
        features = xs.forward_features(torch.rand(1, 3, 256, 256))
    handle.remove()
    assert features.shape == (1, 80, 8, 8)
    assert torch.equal(features, seen[0])


def test_global_pool_is_the_mean_of_the_absolute_value(xs: HierAttn) -> None:
    stages = [torch.randn(2, channels, side, side) for channels, side in ((48, 8), (64, 4), (80, 2))]
    with torch.no_grad():
        head = xs.head_conv(xs.branch(stages))
        assert (head < 0).any()  # SiLU lets negatives through, so the absolute value matters
        wanted = torch.einsum("bchw->bc", head.abs()) / 36 @ xs.classifier.weight.T + xs.classifier.bias
        torch.testing.assert_close(xs.forward_head(stages), wanted)


def test_without_branch_attention_the_head_is_mobilevits() -> None:
    model = create_model("hierattn_xs", branch_attention=False)
    assert model.head_conv.conv.weight.shape == (320, 80, 1, 1)
    assert model.classifier.weight.shape == (8, 320)


def test_stochastic_depth_rises_linearly_to_a_fifth_at_the_last_block() -> None:
    model = create_model("hierattn_s")
    rates = {name: part.rate for name, part in model.named_modules() if isinstance(part, StochasticDepth)}
    on = [rate for rate in rates.values() if rate]
    assert on == pytest.approx([0.2 * step / 6 for step in range(1, 7)])
    assert rates["stages.2.cth.stochastic_depth"] == pytest.approx(0.2)
    assert all(rates[f"stages.{index}.down.stochastic_depth"] == 0 for index in range(3))


def test_batch_normalisation_has_the_published_constants() -> None:
    norms = [part for part in create_model("hierattn_xs").modules() if isinstance(part, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.1)}


@pytest.mark.parametrize(("name", "rate"), [("hierattn_xs", 0.05), ("hierattn_s", 0.1), ("hierattn_m", 0.1)])
def test_dropout_stands_where_the_decision_puts_it(name: str, rate: float) -> None:
    with torch.device("meta"):
        model = create_model(name)
    dropouts = {path: part.p for path, part in model.named_modules() if isinstance(part, nn.Dropout)}
    assert dropouts.pop("dropout") == 0.1
    assert len(dropouts) == 2 + 4 + 3
    assert set(dropouts.values()) == {rate}


def test_the_same_seed_draws_the_same_weights() -> None:
    models = []
    for _ in range(2):
        torch.manual_seed(11)
        models.append(create_model("hierattn_xs").state_dict())
    assert all(torch.equal(a, b) for a, b in zip(models[0].values(), models[1].values(), strict=True))


def test_lists_from_toml_become_tuples() -> None:
    model = create_model("hierattn_xs", branch_pools=[1, 2, 4])
    assert model.config.branch_pools == (1, 2, 4)
    assert count_parameters(model) == 1_079_928  # pooling has no parameters


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("attention", "eca"),
        ("stochastic_depth", 1.0),
        ("heads", 0),
        ("stage_channels", (48, 64)),
        ("cth_skip", "yes"),
        ("branch_pools", (0,)),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(option: str, value: object) -> None:
    with pytest.raises(UsageError, match=option if option != "branch_pools" else "pool sizes"):
        create_model("hierattn_xs", **{option: value})


def test_a_config_is_a_plain_frozen_record() -> None:
    assert HierAttnConfig(**vars(HIERATTN_XS)) == HIERATTN_XS
    with pytest.raises(AttributeError):
        HIERATTN_XS.attention = "se"  # type: ignore[misc]
