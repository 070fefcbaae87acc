"""§3.3.3: how much the random order of the pixels changes loss and gradients, and of a head where it would."""

from __future__ import annotations

import numpy as np
import torch
from drawing import ACCENT, INK, SECOND, Example, chart, new_figure
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from hierattn.models.hierattn import HierAttn
from hierattn.models.registry import create_model

FLOOR = 1e-18
"""Where a difference of exactly 0 is drawn on a logarithmic axis."""


class PlaceAwareHead(nn.Module):
    """A 3 x 3 convolution before the mean: a head that knows where its pixels lie."""

    def __init__(self, model: HierAttn) -> None:
        super().__init__()
        self.model = model
        width = model.classifier.in_features
        self.place = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False).double()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, H, W) -> logits."""
        pixels = self.model.head_conv(self.model.branch(self.model.forward_stages(x)))
        return self.model.classifier(self.place(pixels).abs().mean((2, 3)))


def differences(network: nn.Module, branch: nn.Module, images: Tensor, labels: Tensor, orders: int) -> np.ndarray:
    """(orders, 2): the relative change of the loss and of the largest gradient, for random orders of the pixels."""

    def measure() -> tuple[Tensor, Tensor]:
        network.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        gradients = [part.grad.flatten() for part in network.parameters() if part.grad is not None]
        return loss.detach(), torch.cat(gradients).clone()

    branch.permute = False
    loss, gradients = measure()
    branch.permute = True
    changes = []
    for seed in range(orders):
        torch.manual_seed(seed)
        other, moved = measure()
        changes.append(
            (float((other - loss).abs() / loss), float((moved - gradients).abs().max() / gradients.abs().max()))
        )
    return np.array(changes)


def measured(example: Example, orders: int = 3) -> dict[str, np.ndarray]:
    """The differences of both heads on the example, in float64, everything else that is random switched off."""
    torch.manual_seed(0)
    quiet = {"stochastic_depth": 0.0, "transformer_dropout": 0.0, "head_dropout": 0.0}
    model = create_model("hierattn_xs", **quiet).double().train()
    assert isinstance(model, HierAttn)
    images = torch.cat([example.batch, example.batch.flip(3), example.batch.flip(2)]).double()
    labels = torch.tensor([0, 3, 4])
    return {
        "published head": differences(model, model.branch, images, labels, orders),
        "a head that knows places": differences(PlaceAwareHead(model), model.branch, images, labels, orders),
    }


def draw(example: Example) -> Figure:
    """Relative changes on a logarithmic axis, beside what float64 can resolve."""
    changes = measured(example)
    figure = new_figure(3.0)
    axis = figure.subplots()
    chart(axis)
    for row, values in enumerate(changes.values()):
        for column, (what, colour) in enumerate((("loss", ACCENT), ("gradients", SECOND))):
            worst = np.maximum(values[:, column], FLOOR)
            axis.barh(
                row + 0.2 - 0.4 * column, worst.max(), 0.36, left=0, color=colour, label=what if row == 0 else None
            )
            axis.text(
                worst.max() * 2, row + 0.2 - 0.4 * column, f"{values[:, column].max():.0e}", fontsize=9, va="center"
            )
    axis.axvline(np.finfo(float).eps, color=INK, linestyle=":", linewidth=1)
    axis.text(np.finfo(float).eps * 1.5, 1.5, "float64's step", fontsize=9, color=INK)
    axis.set_xscale("log")
    axis.set_xlim(FLOOR, 30)
    axis.set_ylim(-0.5, 1.75)
    axis.set_yticks(range(len(changes)), [name.replace(" that", "\nthat") for name in changes])
    axis.set_xlabel("largest relative change over the random orders", fontsize=9, color=INK)
    axis.legend(fontsize=9, frameon=False, loc="lower right")
    return figure
