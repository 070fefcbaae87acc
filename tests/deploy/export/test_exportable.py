"""The exported wrapper: same answer as the plain model, and a heat map that accounts for the whole logit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hierattn import create_model
from hierattn.deploy.export.exportable import (
    CalibratedNetwork,
    PlainAttention,
    PlainTransformer,
    evidence_source,
    spread_matrix,
)
from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.transformer import SelfAttention, SmallScaleTransformer
from hierattn.taxonomy.built_in import EIGHT

SIZE = 64
WEIGHTS = [float(code in EIGHT.triage_group) for code in EIGHT.codes]


def small_hierattn(**options: object) -> nn.Module:
    torch.manual_seed(3)
    model = create_model("hierattn_xs", num_classes=8, transformer_layers=(1, 1, 1), **options)
    model.classifier.bias.data.normal_()
    return model.eval()


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator)


@torch.inference_mode()
def plain(model: nn.Module, photos: torch.Tensor, spec: ImageSpec) -> torch.Tensor:
    return model(torch.from_numpy(spec.scale(photos.numpy())))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_probabilities_are_the_softmax_of_the_plain_models_calibrated_logits(photos, temperature):
    model, spec = small_hierattn(), ImageSpec(size=SIZE, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    with torch.inference_mode():
        probabilities, risk, _ = CalibratedNetwork(model, spec, WEIGHTS, temperature)(photos)
    wanted = torch.softmax(plain(model, photos, spec) / temperature, 1)
    torch.testing.assert_close(probabilities, wanted, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(risk, (wanted * torch.tensor(WEIGHTS)).sum(1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "grid"),
    [({}, 15), ({"branch_pools": (1, 2, 4)}, 4), ({"branch_attention": False}, 2)],
    ids=["paper", "other pools", "last stage"],
)
def test_heatmap_adds_up_to_the_logit_without_its_bias(photos, options, grid):
    model, spec = small_hierattn(**options), ImageSpec(size=SIZE)
    with torch.inference_mode():
        heatmap = CalibratedNetwork(model, spec, WEIGHTS, 2.0)(photos)[2]
    assert heatmap.shape == (2, 8, grid, grid)
    evidence = (plain(model, photos, spec) - model.classifier.bias) / 2.0
    torch.testing.assert_close(
        heatmap.sum((2, 3)), evidence - evidence.mean(1, keepdim=True), atol=1e-5, rtol=1e-4, check_dtype=False
    )


def test_peer_with_a_linear_head_has_a_class_activation_map(photos):
    torch.manual_seed(0)
    model, spec = create_model("mobilenet_v2", num_classes=8).eval(), ImageSpec(size=SIZE)
    with torch.inference_mode():
        probabilities, _, heatmap = CalibratedNetwork(model, spec, WEIGHTS)(photos)
    logits = plain(model, photos, spec)
    torch.testing.assert_close(probabilities, torch.softmax(logits, 1), atol=1e-6, rtol=1e-5)
    evidence = (logits - model.classifier[-1].bias).detach()
    torch.testing.assert_close(heatmap.sum((2, 3)), evidence - evidence.mean(1, keepdim=True), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "averages"),
    [("timm:tf_efficientnet_lite0", True), ("timm:resnet18", True), ("timm:mobilenetv4_conv_small", False)],
)
def test_a_network_of_timms_has_a_class_activation_map_where_its_head_averages_the_last_map(photos, name, averages):
    torch.manual_seed(0)
    model, spec = create_model(name, num_classes=8).eval(), ImageSpec(size=SIZE)
    network = CalibratedNetwork(model, spec, WEIGHTS)
    assert (network.source == "last map") is averages
    if not averages:
        return
    with torch.inference_mode():
        probabilities, _, heatmap = network(photos)
    logits = plain(model, photos, spec)
    torch.testing.assert_close(probabilities, torch.softmax(logits, 1), atol=1e-6, rtol=1e-5)
    evidence = (logits - model.get_classifier().bias).detach()
    torch.testing.assert_close(heatmap.sum((2, 3)), evidence - evidence.mean(1, keepdim=True), atol=1e-4, rtol=1e-3)


def test_models_without_a_linear_head_have_no_heatmap(photos):
    class Nonlinear(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((2, 3)).repeat(1, 3)[:, :8]

    assert evidence_source(Nonlinear(), SIZE) == ""
    assert len(CalibratedNetwork(Nonlinear(), ImageSpec(size=SIZE), WEIGHTS)(photos)) == 2


def test_no_heatmap_where_none_is_wanted(photos):
    assert len(CalibratedNetwork(small_hierattn(), ImageSpec(size=SIZE), WEIGHTS, heatmap=False)(photos)) == 2


def test_a_spread_pixel_covers_its_rectangle_evenly():
    spread = spread_matrix((1, 3, 5)).reshape(-1, 15, 15)
    torch.testing.assert_close(spread.sum((1, 2)), torch.ones(35))
    naive = torch.zeros(15, 15)
    naive[5:10, 10:15] = 1 / 25  # row 1, column 2 of the 3 x 3 pooling
    torch.testing.assert_close(spread[1 + 3 + 2], naive)
    naive = torch.zeros(15, 15)
    naive[6:9, 3:6] = 1 / 9  # row 2, column 1 of the 5 x 5 pooling
    torch.testing.assert_close(spread[10 + 2 * 5 + 1], naive)


def test_plain_attention_is_torchs_attention():
    torch.manual_seed(1)
    attention = SelfAttention(24, 4).eval()
    tokens = torch.randn(3, 10, 24)
    with torch.inference_mode():
        torch.testing.assert_close(PlainAttention(attention)(tokens), attention(tokens), atol=1e-6, rtol=1e-5)


def test_plain_transformer_is_the_transformer():
    torch.manual_seed(1)
    transformer = SmallScaleTransformer(24, layers=2, heads=4, mlp_ratio=2, dropout=0.1).eval()
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    tokens = torch.randn(3, 10, 24)
    with torch.inference_mode():
        torch.testing.assert_close(PlainTransformer(transformer)(tokens), transformer(tokens), atol=1e-5, rtol=1e-4)


def test_the_trained_model_is_not_touched(photos):
    model = small_hierattn()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    CalibratedNetwork(model, ImageSpec(size=SIZE), WEIGHTS)(photos)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert any(isinstance(part, SelfAttention) for part in model.modules())


def test_impossible_temperature_is_refused():
    with pytest.raises(UsageError, match="temperature"):
        CalibratedNetwork(small_hierattn(), ImageSpec(size=SIZE), WEIGHTS, 0.0)
