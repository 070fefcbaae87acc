import numpy as np
import pytest
import torch
from torch import nn

from hierattn.metrics import balanced_accuracy
from hierattn.models.classifier import classifier_of
from hierattn.models.registry import create_model
from hierattn.training.optimisation.logit_adjustment import adjusted_classifier
from hierattn.training.optimisation.objective import class_log_prior

SHARES = np.array([0.9, 0.09, 0.01])
CENTRES = torch.tensor([[0.0, 0.0], [1.5, 0.0], [0.0, 1.5]])


def right_network() -> nn.Linear:
    """The logits of the true posterior for three round Gaussians of unit variance: linear, in closed form."""
    network = nn.Linear(2, 3)
    with torch.no_grad():
        network.weight.copy_(CENTRES)
        network.bias.copy_(torch.from_numpy(np.log(SHARES)).float() - CENTRES.square().sum(1) / 2)
    return network


def drawn(per_class: int) -> tuple[torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    labels = np.repeat(np.arange(3), per_class)
    return CENTRES[labels] + torch.randn(3 * per_class, 2, generator=generator), labels


def test_strength_one_answers_as_if_classes_were_equally_frequent_and_is_the_best_for_balanced_accuracy():
    network = nn.Sequential(right_network())
    points, labels = drawn(4000)
    prior = class_log_prior(np.repeat(np.arange(3), [900, 90, 10]), 3, 1.0, torch.device("cpu"))

    def score(strength: float) -> float:
        with adjusted_classifier(network, strength * prior), torch.no_grad():
            return balanced_accuracy(labels, network(points).softmax(1).numpy())

    with adjusted_classifier(network, prior), torch.no_grad():
        nearest = torch.cdist(points, CENTRES).argmin(1)  # the rule for equal classes, by another way
        assert torch.equal(network(points).argmax(1), nearest)
    scores = {strength: score(strength) for strength in (0.0, 0.5, 1.0, 1.5, 2.0)}
    assert max(scores, key=scores.get) == 1.0
    assert scores[1.0] > scores[0.0] + 0.2


def test_the_network_has_its_former_bits_afterwards_even_after_an_error():
    network = create_model("hierattn_xs", num_classes=8)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    prior = class_log_prior(np.repeat(np.arange(8), np.arange(1, 9)), 8, 0.3, torch.device("cpu"))

    def stopped_within() -> None:
        with adjusted_classifier(network, prior):
            assert not torch.equal(classifier_of(network).bias, before["classifier.bias"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped_within()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
