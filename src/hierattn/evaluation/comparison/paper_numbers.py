"""The figures that the paper prints, as one table, to stand beside ours. No result of ours is in this file.

Per cent top-1 accuracy on the validation part of balanced sets (IHISIC20000, IHPAD3000), whose images were chosen
before folds were made. They compare with ours under ``--protocol paper`` at most, and with an honest figure not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

SOURCE = "Dai et al., arXiv 2205.04326v3; JBHI 28(2):719-729, 2024"


@dataclass(frozen=True)
class PaperRow:
    """One row of a table of the paper.

    Attributes
    ----------
    where
        The table or figure.
    title
        As the paper prints it.
    parameters
        Millions; None where the paper gives none.
    milliseconds
        One image on one RTX A4000.
    isic, pad
        Top-1 accuracy in per cent on IHISIC20000 and IHPAD3000.
    isic_auc, pad_auc
        As §4.1.3 prints them.
    """

    where: str
    title: str
    parameters: float | None = None
    milliseconds: float | None = None
    isic: float | None = None
    pad: float | None = None
    isic_auc: float | None = None
    pad_auc: float | None = None


@dataclass(frozen=True)
class PaperProtocol:
    """How the paper measured (§4.1.1)."""

    epochs: int = 500
    folds: int = 10
    size: int = 256
    batch_size: int = 64
    frozen_epochs: int = 30
    iterations: int = 1000


PROTOCOL = PaperProtocol()
IMAGES: Mapping[str, tuple[int, float, int]] = MappingProxyType(
    {"isic": (25_331, 53.9, 20_000), "pad": (2_298, 16.3, 3_000)}
)
"""Set -> its images and imbalance (§3.1, §3.2.2), and the images of the balanced set."""
TABLE_3: tuple[tuple[str, str, str, str], ...] = (
    ("Conv 3×3, ↓2", "128×128", "16", "16"),
    ("SCADW", "128×128", "16", "32"),
    ("Conv 3×3, ↓2, and SCADW", "64×64", "24", "48"),
    ("Stage 1, CTH block", "not printed", "48 (d = 64)", "64 (d = 96)"),
    ("Stage 2, CTH block", "not printed", "64 (d = 80)", "80 (d = 120)"),
    ("Stage 3, CTH block", "not printed", "80 (d = 96)", "96 (d = 144)"),
    ("Branch attention", "8×8", "192", "240"),
    ("Conv 1×1", "not printed", "768", "960"),
    ("Parameters", "", "1.08 M", "2.14 M"),
)
"""Layer, output size, and output channels of XS and S, as printed."""
TABLE_1: Mapping[str, PaperRow] = MappingProxyType(
    {
        "mobilenet_v2": PaperRow("Table 1", "MobileNetV2", 2.23, 0.802, 93.45, 87.44),
        "mobilevit_s": PaperRow("Table 1", "MobileViT_s", 4.94, 1.528, 94.72, 88.22),
        "mobilenet_v3_large": PaperRow("Table 1", "MobileNetV3_Large", 4.21, 0.538, 94.77, 88.78),
        "shufflenet_v2_1x": PaperRow("Table 1", "ShuffleNetV2_1x", 2.28, 0.307, 95.23, 87.89),
        "mnasnet1_0": PaperRow("Table 1", "MnasNet1.0", 3.11, 0.997, 95.45, 90.33),
        "efficientnet_b0": PaperRow("Table 1", "EfficientNet_b0", 4.02, 0.586, 95.48, 90.22),
        "hierattn_xs": PaperRow("Table 1", "HierAttn_xs", 1.08, 0.878, 96.15, 90.11, 0.99558),
        "hierattn_s": PaperRow("Table 1", "HierAttn_s", 2.14, 1.658, 96.70, 91.22, 0.99772, 0.98816),
    }
)
"""By the registered name of the model. ShuffleNetV2's 2.28 M count a head of 1000 classes; with eight it has 1.26."""

ABLATIONS: Mapping[str, Mapping[str, PaperRow]] = MappingProxyType(
    {
        "attention": MappingProxyType(
            {
                "none": PaperRow("Table 2", "without attention", 2.14, 1.551, 96.20),
                "se": PaperRow("Table 2", "SEAttn", 2.17, 1.663, 96.65),
                "sc": PaperRow("Table 2", "SCAttn", 2.14, 1.658, 96.70),
            }
        ),
        "warmup": MappingProxyType(
            {
                "off": PaperRow("Table 4", "without warm-up", isic=96.28),
                "on": PaperRow("Table 4", "warm-up", isic=96.70),
            }
        ),
        "stochastic-depth": MappingProxyType(
            {
                "off": PaperRow("Table 5", "without stochastic depth", isic=96.05),
                "on": PaperRow("Table 5", "stochastic depth", isic=96.70),
            }
        ),
        "skip": MappingProxyType(
            {
                "off": PaperRow("Table 6", "without skip", isic=96.47),
                "on": PaperRow("Table 6", "skip", isic=96.70),
            }
        ),
        "balance": MappingProxyType(
            {
                "random": PaperRow("Fig. 9", "random under-sampling", isic=90.8, pad=90.5),
                "hardness": PaperRow("Fig. 9", "instance hardness", isic=96.70, pad=91.22),
            }
        ),
    }
)
"""Ablation -> variant -> row, all of HierAttn_s. Fig. 9's random figures follow from its bars' printed gains, 5.9 and
0.7 points, on validation sets that differ from one another."""


def paper_accuracy(row: PaperRow | None, source: str) -> float | None:
    """The paper's accuracy for data of ``source``, as a share: PAD-UFES-20's column or, for all others, ISIC's.

    >>> paper_accuracy(TABLE_1["hierattn_s"], "pad-ufes-20")
    0.9122
    """
    if row is None:
        return None
    percent = row.pad if source.startswith("pad") else row.isic
    return None if percent is None else round(percent / 100, 6)
