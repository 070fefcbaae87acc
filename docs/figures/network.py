"""Fig. 1, Table 3: the shapes of HierAttn_xs, as a photograph of 256 x 256 pixels really meets them."""

from __future__ import annotations

from typing import Any

import torch
from drawing import ACCENT, INK, LINE, SECOND, new_figure
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from hierattn.models.hierattn import HierAttn
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import count_parameters

PARTS = (
    ("stem", "3 × 3 convolution, stride 2", LINE),
    ("early.0", "SCADW", ACCENT),
    ("early.3", "SCADW, stride 2; then twice stride 1", ACCENT),
    ("stages.0.down", "stage 1: SCADW, stride 2", ACCENT),
    ("stages.0.cth", "stage 1: CTH block", SECOND),
    ("stages.1.down", "stage 2: SCADW, stride 2", ACCENT),
    ("stages.1.cth", "stage 2: CTH block", SECOND),
    ("stages.2.down", "stage 3: SCADW, stride 2", ACCENT),
    ("stages.2.cth", "stage 3: CTH block", SECOND),
    ("branch", "branch attention over the three stages", "#7c3aed"),
    ("head_conv", "1 × 1 convolution", LINE),
    ("classifier", "mean of |x|, linear", LINE),
)


def shapes(model: HierAttn, size: int) -> dict[str, tuple[int, ...]]:
    """Output shape of every part, without the batch."""
    shape_of: dict[str, tuple[int, ...]] = {}
    handles = []
    for name, _, _ in PARTS:

        def keep(_module: Any, _given: Any, result: Tensor, name: str = name) -> None:
            shape_of[name] = tuple(result.shape[1:])

        handles.append(model.get_submodule(name).register_forward_hook(keep))
    with torch.no_grad():
        model(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return shape_of


def draw(size: int = 256) -> Figure:
    """A box a part, from the photograph down to the logits."""
    model = create_model("hierattn_xs").eval()
    assert isinstance(model, HierAttn)
    shape_of = shapes(model, size)
    figure = new_figure(6.2)
    axis = figure.subplots()
    axis.set_axis_off()
    axis.set_xlim(0, 10)
    axis.set_ylim(-len(PARTS) - 0.3, 1.2)
    axis.text(0.2, 0.55, f"photograph, 3 × {size} × {size}", fontsize=10, color=INK, weight="bold")
    for row, (name, what, colour) in enumerate(PARTS):
        box = FancyBboxPatch(
            (0.2, -row - 0.72), 6.3, 0.66, boxstyle="round,pad=0.04", facecolor="white", edgecolor=colour, lw=2
        )
        axis.add_patch(box)
        axis.text(0.45, -row - 0.4, what, fontsize=9.5, color=INK, va="center")
        axis.text(6.85, -row - 0.4, " × ".join(map(str, shape_of[name])), fontsize=9.5, color=INK, va="center")
        if name.endswith("cth"):
            axis.plot([9.5, 9.5], [-row - 0.4, -9.4], color=SECOND, lw=1.2)
            axis.plot([8.9, 9.5], [-row - 0.4, -row - 0.4], color=SECOND, lw=1.2)
    axis.annotate("", (8.9, -9.4), (9.52, -9.4), arrowprops={"arrowstyle": "->", "color": SECOND, "lw": 1.2})
    axis.set_title(f"HierAttn_xs, {count_parameters(model):,} parameters", fontsize=10, color=INK)
    return figure
