"""Validation against scikit-learn, the same whether the images lie in memory or on the device."""

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from torch import nn

from hierattn.image_spec import ImageSpec
from hierattn.training.validation import figure_of, standing, validate

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (90, 32, 32, 3), dtype=np.uint8)
ROWS = RNG.permutation(90)[:80]
LABELS = RNG.integers(0, 3, 80)


class Colour(nn.Module):
    """The means of the channels as logits."""

    def forward(self, images):
        return 40 * images.mean((2, 3))


@pytest.mark.parametrize("images", [IMAGES, torch.from_numpy(IMAGES)], ids=["memory", "device"])
def test_the_figures_are_scikit_learns(images):
    scores = validate(Fabric(accelerator="cpu"), Colour(), images, ROWS, LABELS, ImageSpec(size=32))
    logits = torch.from_numpy(40 * (IMAGES[ROWS] / 255).mean((1, 2)))
    probabilities = logits.softmax(1).numpy()
    assert scores["validation_loss"] == pytest.approx(log_loss(LABELS, probabilities), rel=1e-4)
    assert scores["validation_top1"] == pytest.approx((probabilities.argmax(1) == LABELS).mean())
    accuracy = balanced_accuracy_score(LABELS, probabilities.argmax(1))
    assert scores["validation_balanced_accuracy"] == pytest.approx(accuracy)
    area = roc_auc_score(LABELS, probabilities, multi_class="ovr", average="macro")
    assert scores["validation_macro_auc"] == pytest.approx(area, rel=1e-4)
    of_classes = [log_loss(LABELS[k == LABELS], probabilities[k == LABELS], labels=[0, 1, 2]) for k in range(3)]
    assert scores["validation_balanced_loss"] == pytest.approx(np.mean(of_classes), rel=1e-4)


def test_more_is_better_whichever_figure_selects():
    scores = {"validation_top1": 0.7, "validation_balanced_loss": 1.2}
    assert standing(scores, "top1") == 0.7
    assert standing(scores, "balanced_loss") == -1.2
    assert figure_of(standing(scores, "balanced_loss"), "balanced_loss") == 1.2
