"""Feature matching at the last layer: what is matched, and what knowing nothing costs."""

import pytest
import torch
from torch.nn import functional

from hierattn.models.registry import create_model
from hierattn.training.teaching.feature_matching import FeatureMatching, LastLayerInput, feature_loss


def test_a_student_is_told_apart_by_what_its_last_layer_reads() -> None:
    torch.manual_seed(0)
    student = create_model("hierattn_xs", 3).eval()
    matching = FeatureMatching(student, width=5).eval()
    pixels = torch.rand(2, 3, 64, 64)
    logits, told = matching(pixels)
    pooled = student.head_conv(student.branch(student.forward_stages(pixels))).abs().mean((2, 3))
    torch.testing.assert_close(told, functional.linear(pooled, matching.projection.weight, matching.projection.bias))
    torch.testing.assert_close(logits, student.classifier(pooled))
    feature_loss(told, torch.zeros(2, 5)).backward()
    assert student.stem.conv.weight.grad.abs().sum() > 0


def test_knowing_nothing_of_standardised_features_costs_one() -> None:
    features = torch.randn(4000, 20, generator=torch.Generator().manual_seed(0))
    assert float(feature_loss(torch.zeros_like(features), features)) == pytest.approx(1, abs=0.03)
    assert float(feature_loss(features, features)) == 0


def test_what_was_read_is_given_once() -> None:
    layer = torch.nn.Sequential(torch.nn.Linear(3, 2))
    last = LastLayerInput(layer)
    layer(torch.ones(1, 3))
    assert last.width == 3
    assert last.taken().tolist() == [[1, 1, 1]]
    with pytest.raises(AssertionError):
        last.taken()
