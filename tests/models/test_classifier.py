"""Every registered model ends in one linear layer, which is its classifier."""

import pytest
import torch

from hierattn.models.classifier import classifier_of
from hierattn.models.registry import create_model, list_models


@pytest.mark.parametrize("name", list_models())
def test_every_model_ends_in_the_layer_that_tells_its_classes(name: str):
    network = create_model(name, num_classes=5).eval()
    told = classifier_of(network)
    answers = []
    told.register_forward_hook(lambda layer, inputs, output: answers.append(output))
    with torch.inference_mode():
        logits = network(torch.zeros(1, 3, 64, 64))
    assert torch.equal(logits, answers[0])
