"""HierAttn's switches, sizes and head; Table 3 row by row; each tensor's counterpart in the published checkpoints."""

import json

import pytest
import torch
from tests.conftest import SHARED
from torch import nn

from hierattn.errors import UsageError
from hierattn.models.attention import ATTENTION_KINDS
from hierattn.models.hierattn import HIERATTN_XS, HierAttn, HierAttnConfig
from hierattn.models.registry import create_model
from hierattn.models.stochastic_depth import StochasticDepth
from hierattn.models.weights.checkpoint import count_parameters

LAYOUT = SHARED / "paper" / "authors_checkpoint_layout.json"

# Side and channels after each row, as printed: (side, XS, S). "8x8" of branch attention is 6x6 by §3.3.3.
TABLE_3 = [
    ("stem", 128, 16, 16),
    ("early.0", 128, 16, 32),
    ("early.1", 64, 24, 48),
    ("early.3", 64, 24, 48),
    ("stages.0.down", 32, 48, 64),
    ("stages.0.cth", 32, 48, 64),
    ("stages.1.down", 16, 64, 80),
    ("stages.1.cth", 16, 64, 80),
    ("stages.2.down", 8, 80, 96),
    ("stages.2.cth", 8, 80, 96),
    ("branch", 6, 192, 240),
    ("head_conv", 6, 768, 960),
]


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
        features = xs.forward_stages(torch.rand(1, 3, 256, 256))[-1]
    handle.remove()
    assert features.shape == (1, 80, 8, 8)
    assert torch.equal(features, seen[0])


def test_global_pool_is_the_mean_of_the_absolute_value(xs: HierAttn) -> None:
    stages = [torch.randn(2, channels, side, side) for channels, side in ((48, 8), (64, 4), (80, 2))]
    with torch.no_grad():
        head = xs.head_conv(xs.branch(stages))
        assert (head < 0).any()  # SiLU lets negatives through, so the absolute value matters
        wanted = torch.einsum("bchw->bc", head.abs()) / 36 @ xs.classifier.weight.T + xs.classifier.bias
        torch.testing.assert_close(xs.forward_head(head), wanted)


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


@pytest.mark.parametrize(("name", "column"), [("hierattn_xs", 0), ("hierattn_s", 1)])
def test_sizes_and_channels_row_by_row(name: str, column: int) -> None:
    model = create_model(name).eval()
    seen: dict[str, torch.Size] = {}
    for path, module in model.named_modules():
        module.register_forward_hook(
            lambda _m, _i, output, path=path: seen.update({path: getattr(output, "shape", None)})
        )
    with torch.no_grad():
        logits = model(torch.rand(1, 3, 256, 256))
    for path, side, *channels in TABLE_3:
        assert seen[path] == (1, channels[column], side, side), path
    assert logits.shape == (1, 8)


@pytest.mark.parametrize(("name", "dims"), [("hierattn_xs", (64, 80, 96)), ("hierattn_s", (96, 120, 144))])
def test_transformer_widths_and_depths(name: str, dims: tuple[int, ...]) -> None:
    with torch.device("meta"):
        model = create_model(name)
    assert isinstance(model, HierAttn)
    transformers = [stage.cth.transformer for stage in model.stages]
    assert tuple(transformer.norm.weight.numel() for transformer in transformers) == dims
    assert [len(transformer.layers) for transformer in transformers] == [2, 4, 3]
    assert all(layer.attention.heads == 4 for transformer in transformers for layer in transformer.layers)
    assert all(stage.cth.patch == 2 for stage in model.stages)


@pytest.mark.parametrize(
    ("name", "options", "parameters", "printed"),
    [
        ("hierattn_xs", {}, 1_079_928, "1.08"),
        ("hierattn_s", {}, 2_135_224, "2.14"),
        ("hierattn_m", {}, 5_439_144, "5.44"),
        ("hierattn_s", {"attention": "none"}, 2_135_224, "2.14"),
        ("hierattn_s", {"attention": "se"}, 2_174_028, "2.17"),
    ],
)
def test_parameters_at_eight_classes_are_exact_and_round_to_the_paper(
    name: str, options: dict[str, str], parameters: int, printed: str
) -> None:
    with torch.device("meta"):
        count = count_parameters(create_model(name, 8, **options))
    assert count == parameters
    assert f"{count / 1e6:.2f}" == printed


@pytest.mark.skipif(not LAYOUT.exists(), reason="the published checkpoints' layout is not beside this repository")
@pytest.mark.parametrize("name", ["hierattn_xs", "hierattn_s", "hierattn_m"])
def test_every_tensor_has_its_counterpart_in_the_published_checkpoint_in_order(name: str) -> None:
    from hierattn.models.weights.foreign_names import AUTHORS

    layout = json.loads(LAYOUT.read_text())[name]
    with torch.device("meta"):
        ours = create_model(name).state_dict()
    assert list(AUTHORS.translate(layout)) == list(ours)
    assert list(AUTHORS.translate(layout).values()) == list(layout)
    assert [list(value.shape) for value in ours.values()] == list(layout.values())
