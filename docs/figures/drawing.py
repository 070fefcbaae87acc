"""What every figure of the pages shares: one look, and one rendered lesion with one trained network to look into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.models.hierattn import HierAttn
from hierattn.models.weights.checkpoint import load_checkpoint

INK, LINE, ACCENT, SECOND = "#1b1f24", "#c9ced6", "#0b6e8a", "#b4530a"
PLACES = ("#0b6e8a", "#d97706", "#7c3aed", "#15803d")
"""Four colours for the four places in a patch, or for the parts of a whole."""
WIDTH = 5.4
"""Inches: a phone's width, where 9 points can still be read."""


@dataclass(frozen=True)
class Example:
    """A trained network and a photograph that it did not learn from.

    Attributes
    ----------
    model
        In evaluation mode.
    photo
        uint8 (size, size, 3), as the network reads it.
    label
        Code of the lesion.
    """

    model: HierAttn
    photo: np.ndarray
    label: str

    @property
    def batch(self) -> Tensor:
        """(1, 3, size, size) in [0, 1]."""
        return torch.from_numpy(self.photo.copy()).permute(2, 0, 1)[None].float() / 255


def open_example(demo: Path, label: str = "MEL") -> Example:
    """The network of ``hierattn demo`` and the first lesion of a class in its outer fold."""
    model = load_checkpoint(demo / "run" / "best.safetensors").build()
    assert isinstance(model, HierAttn)
    packed = PackedSet.open(demo / "prepared")
    row = next(i for i, record in enumerate(packed.records) if record.fold == 0 and record.label == label)
    return Example(model, np.array(packed.images[row]), label)


def watch(module: nn.Module, model: nn.Module, batch: Tensor) -> tuple[Tensor, Tensor]:
    """What goes into ``module`` and what comes out of it while ``model`` looks at ``batch``."""
    seen: list[tuple[Tensor, Tensor]] = []
    handle = module.register_forward_hook(lambda _, given, result: seen.append((given[0], result)))
    with torch.no_grad():
        model(batch)
    handle.remove()
    return seen[0]


def new_figure(height: float) -> Figure:
    """A white figure as wide as a phone."""
    return Figure(figsize=(WIDTH, height), layout="constrained", facecolor="white")


def show(axis: Axes, values: np.ndarray, title: str = "", limits: tuple[float, float] | None = None) -> None:
    """A map or a photograph without axes; maps of one kind share ``limits``."""
    low, high = limits or (None, None)
    axis.imshow(values, cmap="magma", vmin=low, vmax=high, interpolation="nearest")
    axis.set_title(title, fontsize=9, color=INK)
    plain(axis)


def plain(axis: Axes) -> None:
    """No ticks, a thin frame."""
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_color(LINE)


def chart(axis: Axes) -> None:
    """The axes of a chart: left and bottom only."""
    axis.tick_params(colors=INK, labelsize=9, length=0)
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(LINE)
    axis.set_axisbelow(True)


def strength(tensor: Tensor) -> np.ndarray:
    """(1, C, H, W) -> (H, W): the root mean square over the channels."""
    return np.asarray(tensor[0].square().mean(0).sqrt())
