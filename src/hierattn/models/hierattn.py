"""HierAttn: hierarchical attention (§3.3, Fig. 1, Table 3)."""

from __future__ import annotations

from dataclasses import dataclass, fields

from torch import Tensor, nn

from hierattn.errors import UsageError
from hierattn.models.attention import ATTENTION_KINDS
from hierattn.models.branch_attention import BranchAttention
from hierattn.models.conv import ConvNormAct, initialise
from hierattn.models.cth import CTH
from hierattn.models.scadw import SCADW
from hierattn.models.stage_attention import StageAttention

LEAST_SIZE = 32


@dataclass(frozen=True)
class HierAttnConfig:
    """Everything that distinguishes one HierAttn from another: Table 3's columns and the ablations' switches.

    Attributes
    ----------
    early_channels
        Outputs of the stem and of the two levels of SCADW blocks.
    stage_channels
        Outputs of the three stages.
    transformer_dims
        d of the three CTH blocks.
    expansion
        Inner over outer channels of every SCADW block.
    transformer_dropout
        After each MLP of the transformers.
    transformer_layers
        L of the three CTH blocks.
    heads, mlp_ratio, patch
        Of every transformer.
    attention
        After each depth-wise convolution: ``"sc"``, ``"none"``, ``"se"`` (Table 2), ``"cbam"`` or ``"coordinate"``.
    cth_skip
        Whether a CTH block's input is added to its output (Table 6).
    stochastic_depth
        Probability of dropping the last block's branch in training; the earlier ones' rise linearly to it (Table 5).
    branch_attention
        Whether all stages reach the head. Off, only the last stage does, as in MobileViT.
    branch_pools
        Sizes that branch attention pools to, in the order of its pixels.
    permute_pixels
        Whether branch attention randomises its pixels in training. It changes nothing: see ``docs/paper-questions.md``.
    head_expansion
        Width of the 1x1 convolution before the global pool, over the channels it reads.
    head_dropout
        Before the classifier.
    in_channels
        Channels of the image.
    """

    early_channels: tuple[int, int, int]
    stage_channels: tuple[int, int, int]
    transformer_dims: tuple[int, int, int]
    expansion: int
    transformer_dropout: float
    transformer_layers: tuple[int, int, int] = (2, 4, 3)
    heads: int = 4
    mlp_ratio: int = 2
    patch: int = 2
    attention: str = "sc"
    cth_skip: bool = True
    stochastic_depth: float = 0.2
    branch_attention: bool = True
    branch_pools: tuple[int, ...] = (1, 1, 3, 5)
    permute_pixels: bool = True
    head_expansion: int = 4
    head_dropout: float = 0.1
    in_channels: int = 3

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # as TOML and JSON hand it over
                object.__setattr__(self, field.name, tuple(value))
        self._check()

    def _check(self) -> None:
        if self.attention not in ATTENTION_KINDS:
            raise UsageError(f"attention {self.attention!r}: wanted one of {', '.join(ATTENTION_KINDS)}")
        for name in ("early_channels", "stage_channels", "transformer_dims", "transformer_layers"):
            if len(getattr(self, name)) != 3:
                raise UsageError(f"{name} {getattr(self, name)}: wanted three values")
        for name in ("stochastic_depth", "transformer_dropout", "head_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)}: wanted a probability of at least 0 and below 1")
        for name in ("expansion", "heads", "mlp_ratio", "patch", "head_expansion", "in_channels"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)}: wanted at least 1")
        for name in ("cth_skip", "branch_attention", "permute_pixels"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} {getattr(self, name)!r}: wanted true or false")


HIERATTN_XS = HierAttnConfig(
    early_channels=(16, 16, 24),
    stage_channels=(48, 64, 80),
    transformer_dims=(64, 80, 96),
    expansion=2,
    transformer_dropout=0.05,
)
HIERATTN_S = HierAttnConfig(
    early_channels=(16, 32, 48),
    stage_channels=(64, 80, 96),
    transformer_dims=(96, 120, 144),
    expansion=4,
    transformer_dropout=0.1,
)
HIERATTN_M = HierAttnConfig(
    early_channels=(16, 32, 64),
    stage_channels=(96, 128, 160),
    transformer_dims=(144, 192, 240),
    expansion=4,
    transformer_dropout=0.1,
)


class HierAttn(nn.Module):
    r"""The network of Fig. 1, row by row as in Table 3; sizes for an image of 256 x 256, channels of HierAttn_xs.

    (batch, in_channels, H, W) -> logits (batch, num_classes). H and W from 64 up; they need not be equal or even.

    ================  ==========  =======================================
    part              output      what
    ================  ==========  =======================================
    ``stem``          128, 16     3x3 convolution, stride 2
    ``early``         128, 16     SCADW, stride 1
    .                 64, 24      SCADW, stride 2, then twice stride 1
    ``stages``        32, 48      SCADW, stride 2, and CTH with d = 64
    .                 16, 64      the same, d = 80
    .                 8, 80       the same, d = 96
    ``branch``        6, 192      branch attention over the three stages
    ``head_conv``     6, 768      1x1 convolution
    ``classifier``    8 or 6      mean of \|x\|, dropout, linear
    ================  ==========  =======================================

    ``model.stages[-1].cth`` is the last CTH block: what heat maps are drawn from. Its output is the last that
    :meth:`forward_stages` returns.

    Parameters
    ----------
    config
        The variant.
    num_classes
        Width of the output.

    Examples
    --------
    >>> import torch
    >>> model = HierAttn(HIERATTN_XS, num_classes=8).eval()
    >>> model(torch.zeros(1, 3, 256, 256)).shape
    torch.Size([1, 8])
    """

    def __init__(self, config: HierAttnConfig, num_classes: int = 8) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        first, second, third = config.early_channels
        # Stochastic depth stands on the three early blocks of stride 1 and on the three CTH blocks.
        rates = [config.stochastic_depth * (index + 1) / 6 for index in range(6)]

        self.stem = ConvNormAct(config.in_channels, first, 3, stride=2)
        self.early = nn.Sequential(
            self._scadw(first, second, stride=1, drop_rate=rates[0]),
            self._scadw(second, third, stride=2),
            self._scadw(third, third, stride=1, drop_rate=rates[1]),
            self._scadw(third, third, stride=1, drop_rate=rates[2]),
        )
        inputs = (third, *config.stage_channels[:2])
        self.stages = nn.ModuleList(self._stage(inputs[index], index, rates[3 + index]) for index in range(3))
        seen = sum(config.stage_channels) if config.branch_attention else config.stage_channels[-1]
        width = config.head_expansion * seen
        if config.branch_attention:
            self.branch = BranchAttention(config.branch_pools, permute=config.permute_pixels)
        self.head_conv = ConvNormAct(seen, width, 1)
        self.dropout = nn.Dropout(config.head_dropout)
        self.classifier = nn.Linear(width, num_classes)
        initialise(self)

    def _scadw(self, in_channels: int, out_channels: int, *, stride: int, drop_rate: float = 0.0) -> SCADW:
        return SCADW(
            in_channels,
            out_channels,
            stride=stride,
            expansion=self.config.expansion,
            attention=self.config.attention,
            drop_rate=drop_rate,
        )

    def _stage(self, in_channels: int, index: int, drop_rate: float) -> StageAttention:
        config = self.config
        channels = config.stage_channels[index]
        cth = CTH(
            channels,
            config.transformer_dims[index],
            layers=config.transformer_layers[index],
            heads=config.heads,
            mlp_ratio=config.mlp_ratio,
            dropout=config.transformer_dropout,
            patch=config.patch,
            skip=config.cth_skip,
            drop_rate=drop_rate,
        )
        return StageAttention(self._scadw(in_channels, channels, stride=2), cth)

    def forward_stages(self, x: Tensor) -> list[Tensor]:
        """The three stages' outputs, [(batch, C_i, H_i, W_i), ...], with H_i = H / 8, H / 16, H / 32, rounded up."""
        self._check_images(x)
        x = self.early(self.stem(x))
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    def forward_features(self, x: Tensor) -> Tensor:
        """The map that the head pools, (batch, width, 6, 6) with branch attention, else (batch, width, H / 32, W / 32).

        As timm has it, ``forward_head(forward_features(x))`` is ``forward(x)``. Heat maps are drawn from
        ``forward_stages(x)[-1]``.
        """
        stages = self.forward_stages(x)
        pixels: Tensor = self.head_conv(self.branch(stages) if self.config.branch_attention else stages[-1])
        return pixels

    def forward_head(self, pixels: Tensor, pre_logits: bool = False) -> Tensor:
        """From :meth:`forward_features`'s map to logits, (batch, num_classes).

        With ``pre_logits`` to what the classifier reads, (batch, width).
        """
        # The mean of the absolute value, as in the published code: trained weights need it.
        pooled: Tensor = self.dropout(pixels.abs().mean((2, 3)))  # (batch, width)
        return pooled if pre_logits else self.classifier(pooled)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, H, W) -> logits (batch, num_classes)."""
        return self.forward_head(self.forward_features(x))

    def _check_images(self, x: Tensor) -> None:
        wanted = f"(batch, {self.config.in_channels}, H, W) with H and W of at least {LEAST_SIZE}"
        if x.ndim != 4 or x.shape[1] != self.config.in_channels or min(x.shape[2], x.shape[3]) < LEAST_SIZE:
            raise UsageError(f"images of shape {tuple(x.shape)}: wanted {wanted}")
