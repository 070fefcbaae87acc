import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from hierattn.training.augmentation.mixing import Mix
from hierattn.training.optimisation.objective import Objective, class_log_prior, distillation_loss

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.1, 0.3], [-1.0, 3.0, 0.0]])
LABELS = torch.tensor([0, 2, 1])


def test_the_papers_loss_is_plain_cross_entropy():
    by_hand = -sum(
        math.log(math.exp(LOGITS[i, label]) / LOGITS[i].exp().sum()) for i, label in enumerate(LABELS.tolist())
    )
    assert float(Objective()(LOGITS, LABELS)) == pytest.approx(by_hand / 3, rel=1e-6)


def test_a_mixed_batch_is_the_loss_of_the_mixed_label():
    mix = Mix(torch.tensor([1, 2, 0]), 0.3)
    target = 0.3 * functional.one_hot(LABELS, 3) + 0.7 * functional.one_hot(LABELS[mix.partner], 3)
    expected = functional.cross_entropy(LOGITS, target)
    torch.testing.assert_close(Objective()(LOGITS, LABELS, mix), expected)


def test_logit_adjustment_prefers_the_rare_class_as_the_balanced_error_does():
    """The best constant answer: with adjustment the logits are equal, whatever the class shares."""
    labels = np.repeat([0, 1, 2], [90, 9, 1])
    logits = torch.zeros(3, requires_grad=True)
    objective = Objective(log_prior=class_log_prior(labels, 3, 1.0, torch.device("cpu")))
    objective(logits.expand(100, 3), torch.from_numpy(labels)).backward()
    assert logits.grad.abs().max() < 1e-6  # equal logits are the optimum
    assert class_log_prior(labels, 3, 0.0, torch.device("cpu")) is None


def test_distillation_is_the_divergence_from_the_teachers_softened_probabilities():
    teacher = torch.tensor([[0.0, 1.0, 2.0]]).expand(3, 3)
    ours, theirs = (LOGITS / 2).softmax(1), (teacher / 2).softmax(1)
    by_hand = 4 * (theirs * (theirs / ours).log()).sum(1).mean()
    torch.testing.assert_close(distillation_loss(LOGITS, teacher, 2.0), by_hand)
    assert float(distillation_loss(LOGITS, LOGITS, 3.0)) == pytest.approx(0, abs=1e-6)
    objective = Objective(distillation_weight=0.25, temperature=2.0)
    expected = 0.75 * functional.cross_entropy(LOGITS, LABELS) + 0.25 * by_hand
    torch.testing.assert_close(objective(LOGITS, LABELS, None, teacher), expected)
