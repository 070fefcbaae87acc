"""HierAttn inside timm: importing this module adds its variants to timm's registry.

timm (Wightman 2019) reads no entry points; as for every network that others add to it, one import registers them:

>>> import timm
>>> import hierattn.timm
>>> stages = timm.create_model("hierattn_xs", features_only=True)
>>> stages.feature_info.channels(), stages.feature_info.reduction()
([16, 24, 48, 64, 80], [2, 4, 8, 16, 32])

Weights have the names of :class:`~hierattn.models.hierattn.HierAttn`, and the same weights give the same bits.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models._features import feature_take_indices
from torch import Tensor, nn

from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.conv import initialise
from hierattn.models.hierattn import LEAST_SIZE, HierAttn, HierAttnConfig
from hierattn.models.registry import SPECS, VARIANTS

_EARLY_ENDS = (0, 3)
"""Blocks of ``early`` after which the side halves next: the ends of timm's levels 0 and 1."""
_OPTIONS = {"drop_rate": "head_dropout", "drop_path_rate": "stochastic_depth", "in_chans": "in_channels"}
"""timm's names of three options -> ours."""


class TimmHierAttn(HierAttn):
    """A HierAttn with timm's conventions.

    Parameters
    ----------
    config
        The variant.
    num_classes
        Width of the output; 0 for none: then a call returns what the classifier would read, (batch, num_features).
    global_pool
        ``"avg"``: the head's own pool, the mean of the absolute value; ``""``: none, with ``num_classes`` 0.
    **options
        Fields of :class:`~hierattn.models.hierattn.HierAttnConfig`; timm's ``drop_rate``, ``drop_path_rate`` and
        ``in_chans`` mean ``head_dropout``, ``stochastic_depth`` and ``in_channels``.

    Raises
    ------
    UsageError
        For an unknown option or a value out of range.
    """

    def __init__(self, config: HierAttnConfig, num_classes: int = 8, global_pool: str = "avg", **options: Any) -> None:
        own = {_OPTIONS.get(name, name): value for name, value in options.items()}
        names = tuple(field.name for field in fields(HierAttnConfig))
        for name in own:
            if name not in names:
                raise UsageError(f"unknown option {name!r} for HierAttn: wanted {', '.join((*_OPTIONS, *names))}")
        super().__init__(replace(config, **own), max(num_classes, 1))
        config = self.config
        self.in_chans = config.in_channels
        self.num_features = self.head_hidden_size = self.classifier.in_features
        channels = (*config.early_channels[1:], *config.stage_channels)
        modules = (*(f"early.{end}" for end in _EARLY_ENDS), *(f"stages.{index}" for index in range(3)))
        self.feature_info = [
            {"num_chs": width, "reduction": 2 ** (level + 1), "module": module}
            for level, (width, module) in enumerate(zip(channels, modules, strict=True))
        ]
        self.reset_classifier(num_classes, global_pool)

    def get_classifier(self) -> nn.Module:
        """The last layer: linear, or the identity where there are no classes."""
        return self.classifier

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Put a fresh classifier in the place of the last layer, where the number of classes changes; 0: none.

        Raises
        ------
        UsageError
            For another pool than ``"avg"``, or ``""`` without classes.
        """
        pool = getattr(self, "global_pool", "avg") if global_pool is None else global_pool
        if pool not in (("avg", "") if num_classes == 0 else ("avg",)):
            raise UsageError(f"global_pool {pool!r} with {num_classes} classes: wanted 'avg', or '' with num_classes=0")
        self.global_pool = pool
        present = getattr(self.classifier, "out_features", 0)  # the identity has none
        if num_classes == 0:
            self.classifier = nn.Identity()  # type: ignore[assignment]
        elif num_classes != present:
            like = self.head_conv.conv.weight
            self.classifier = nn.Linear(self.num_features, num_classes, device=like.device, dtype=like.dtype)
            initialise(self.classifier)
        self.num_classes = num_classes

    def forward_head(self, pixels: Tensor, pre_logits: bool = False) -> Tensor:
        """From the map to logits, or to what remains without classifier and pool."""
        return pixels if self.global_pool == "" else super().forward_head(pixels, pre_logits)

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,  # noqa: ARG002  timm's signature
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        """The maps at sides of 1/2, 1/4, 1/8, 1/16 and 1/32 of the image's, and what :meth:`forward_features` returns.

        Parameters
        ----------
        x
            Images, (batch, in_chans, H, W).
        indices
            Which of the five levels: the last so many, or these; None: all.
        norm
            Without effect: there is no norm after the last stage.
        stop_early
            Compute nothing beyond the last wanted level; only with ``intermediates_only``.
        output_fmt
            ``"NCHW"``.
        intermediates_only
            Return the maps alone.

        Raises
        ------
        UsageError
            For another format, or a level that was pruned.
        """
        if output_fmt != "NCHW" or (stop_early and not intermediates_only):
            raise UsageError("wanted output_fmt='NCHW', and stop_early only with intermediates_only=True")
        wanted, last = feature_take_indices(len(self.feature_info), indices)
        self._check_images(x)
        levels = []
        x = self.stem(x)
        for index, block in enumerate(self.early):
            x = block(x)
            if index in _EARLY_ENDS:
                levels.append(x)
        for stage in self.stages:
            if (stop_early or intermediates_only) and len(levels) > last:
                break
            x = stage(x)
            levels.append(x)
        if last >= len(levels):
            raise UsageError(f"level {last} was pruned: {len(levels)} are left")
        maps = [levels[index] for index in wanted]
        if intermediates_only:
            return maps
        stages = levels[len(_EARLY_ENDS) :]
        return self.head_conv(self.branch(stages) if self.config.branch_attention else stages[-1]), maps

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Drop what :meth:`forward_intermediates` does not need for these levels; their indices from 0.

        Parameters
        ----------
        indices
            As there.
        prune_norm
            Whether to drop the head's convolution, which comes after the last level.
        prune_head
            Whether to drop the classifier.
        """
        wanted, last = feature_take_indices(len(self.feature_info), indices)
        self.stages = self.stages[: max(last + 1 - len(_EARLY_ENDS), 0)]
        if last == 0:
            self.early = self.early[: _EARLY_ENDS[0] + 1]
        if prune_norm:
            del self.head_conv
        if prune_head:
            del self.classifier
        return list(wanted)


def _description(name: str) -> dict[str, Any]:
    """What timm calls the ``default_cfg``: the image that the paper trains on (§4.1.1), and the names of two layers."""
    spec = ImageSpec(size=SPECS[name].input_size)
    return {
        "input_size": (spec.channels, spec.size, spec.size),
        "min_input_size": (spec.channels, 2 * LEAST_SIZE, 2 * LEAST_SIZE),
        "pool_size": (6, 6),
        "mean": spec.mean,
        "std": spec.std,
        "interpolation": spec.interpolation,
        "crop_pct": 1.0,
        "crop_mode": "squash",
        "num_classes": 8,
        "first_conv": "stem.conv",
        "classifier": "classifier",
        "paper_name": "Deeply Supervised Skin Lesions Diagnosis with Stage and Branch Attention",
        "paper_ids": "arXiv:2205.04326",
    }


default_cfgs = generate_default_cfgs({name: _description(name) for name in VARIANTS})
"""timm's description of each variant; nobody has published weights under these names."""


def _build(name: str, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    model: nn.Module = build_model_with_cfg(
        TimmHierAttn,
        name,
        pretrained,
        feature_cfg={"out_indices": (0, 1, 2, 3, 4), "feature_cls": "getter"},
        config=VARIANTS[name],
        **options,
    )
    return model


@register_model
def hierattn_xs(pretrained: bool = False, **options: Any) -> nn.Module:
    """HierAttn_xs, as ``timm.create_model("hierattn_xs")`` builds it."""
    return _build("hierattn_xs", pretrained, options)


@register_model
def hierattn_s(pretrained: bool = False, **options: Any) -> nn.Module:
    """HierAttn_s, as ``timm.create_model("hierattn_s")`` builds it."""
    return _build("hierattn_s", pretrained, options)


@register_model
def hierattn_m(pretrained: bool = False, **options: Any) -> nn.Module:
    """HierAttn_m, as ``timm.create_model("hierattn_m")`` builds it."""
    return _build("hierattn_m", pretrained, options)
