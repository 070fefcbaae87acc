"""The light networks that HierAttn is compared with (Table 1), from torchvision and timm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import nn


@dataclass(frozen=True)
class Peer:
    """One network of Table 1.

    Attributes
    ----------
    title
        The paper's spelling.
    library, builder
        Where it comes from, and its name there.
    paper_parameters
        Millions, as Table 1 prints them; None where it is not in the table.
    classifier
        Prefix of the names of the last layer's tensors.
    """

    title: str
    library: Literal["torchvision", "timm"]
    builder: str
    paper_parameters: float | None
    classifier: str

    @property
    def build(self) -> Callable[[int], nn.Module]:
        """A function from the number of classes to the network with fresh weights."""
        return partial(_build_timm if self.library == "timm" else _build_torchvision, self.builder)


PEERS: dict[str, Peer] = {
    "mobilenet_v2": Peer("MobileNetV2", "torchvision", "mobilenet_v2", 2.23, "classifier.1"),
    "mobilenet_v3_large": Peer("MobileNetV3_Large", "torchvision", "mobilenet_v3_large", 4.21, "classifier.3"),
    "shufflenet_v2_1x": Peer("ShuffleNetV2_1x", "torchvision", "shufflenet_v2_x1_0", 2.28, "fc"),
    "mnasnet1_0": Peer("MnasNet1.0", "torchvision", "mnasnet1_0", 3.11, "classifier.1"),
    "efficientnet_b0": Peer("EfficientNet_b0", "torchvision", "efficientnet_b0", 4.02, "classifier.1"),
    "mobilevit_s": Peer("MobileViT_s", "timm", "mobilevit_s", 4.94, "head.fc"),
    "mobilevit_xs": Peer("MobileViT_xs", "timm", "mobilevit_xs", None, "head.fc"),
    "mobilevit_xxs": Peer("MobileViT_xxs", "timm", "mobilevit_xxs", None, "head.fc"),
    "mobilenet_v4_conv_small": Peer("MobileNetV4_conv_small", "timm", "mobilenetv4_conv_small", None, "classifier"),
}
"""The peers by name. Not in Table 1: MobileViT_xs and _xxs, here as sources of weights, and MobileNetV4-conv-small (Qin
et al. 2024), which takes half of MobileNetV2's time: what one would pick today."""


MOMENTUM = 0.1
"""Of every batch normalisation's running statistics: torch's default. torchvision's MobileNetV3 has 0.01 and its
MnasNet 0.0003, for hundreds of thousands of steps on ImageNet; after a few thousand theirs would still be near mean 0
and variance 1, and the network, however well trained, would give every image the same answer in evaluation."""


def _build_torchvision(builder: str, num_classes: int) -> nn.Module:
    from torchvision import models

    model: nn.Module = getattr(models, builder)(weights=None, num_classes=num_classes)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = MOMENTUM
    return model


def _build_timm(builder: str, num_classes: int) -> nn.Module:
    import timm

    model: nn.Module = timm.create_model(builder, pretrained=False, num_classes=num_classes)
    return model
