"""Every model by its name: HierAttn's variants, the light networks that Table 1 compares it with, and all of timm's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

from torch import nn

from hierattn.errors import UsageError
from hierattn.models.hierattn import HIERATTN_M, HIERATTN_S, HIERATTN_XS, HierAttn, HierAttnConfig
from hierattn.models.peers import PEERS
from hierattn.models.timm_networks import (
    OPTIONS,
    PREFIX,
    PixelStatistics,
    build_timm,
    is_timm,
    native_size,
    pixel_statistics,
    reads_any_size,
)

VARIANTS: dict[str, HierAttnConfig] = {
    "hierattn_xs": HIERATTN_XS,
    "hierattn_s": HIERATTN_S,
    "hierattn_m": HIERATTN_M,
}
"""HierAttn's variants by name."""


@dataclass(frozen=True)
class ModelSpec:
    """One registered model.

    Attributes
    ----------
    name
        What :func:`create_model` takes.
    title
        The paper's spelling.
    input_size
        Side in pixels of the images that the paper trains it on, 256; of a network of timm, that of its weights.
    paper_parameters
        Millions, as Table 1 (§5 for HierAttn_m) prints them; None where the paper has none.
    """

    name: str
    title: str
    input_size: int
    paper_parameters: float | None


SPECS: dict[str, ModelSpec] = {
    spec.name: spec
    for spec in (
        ModelSpec("hierattn_xs", "HierAttn_xs", 256, 1.08),
        ModelSpec("hierattn_s", "HierAttn_s", 256, 2.14),
        ModelSpec("hierattn_m", "HierAttn_m", 256, 5.44),
        *(ModelSpec(name, peer.title, 256, peer.paper_parameters) for name, peer in PEERS.items()),
    )
}
"""Every registered model, HierAttn first."""


def list_models() -> list[str]:
    """The names that :func:`create_model` takes, HierAttn first; beyond them it takes ``timm:NAME``."""
    return list(SPECS)


def model_spec(name: str) -> ModelSpec:
    """What is known of a model.

    Raises
    ------
    UsageError
        For an unknown name; it lists the known ones.
    """
    if is_timm(name):
        return ModelSpec(name, name.removeprefix(PREFIX), native_size(name), None)
    if name not in SPECS:
        guess = get_close_matches(name, SPECS, n=1)
        hint = f"; did you mean {guess[0]}?" if guess else ""
        raise UsageError(f"unknown model {name!r}: wanted one of {', '.join(SPECS)}, or timm:NAME{hint}")
    return SPECS[name]


def expected_pixels(name: str) -> PixelStatistics:
    """Mean and standard deviation of the pixels that a model is trained with: none for HierAttn and its peers (§4.1.1).

    >>> expected_pixels("hierattn_xs")
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    """
    return pixel_statistics(name) if is_timm(name) else ((0.0,) * 3, (1.0,) * 3)


def fixed_size(name: str) -> int | None:
    """The side in pixels of the only images that a network reads, unless ``img_size`` says another; None: any side."""
    return native_size(name) if is_timm(name) and not reads_any_size(name) else None


def check_size(name: str, options: Mapping[str, Any], size: int) -> None:
    """Refuse images of a side that a network of fixed size cannot read.

    Raises
    ------
    UsageError
        Naming the option to set, or the size to prepare.
    """
    native = fixed_size(name)
    side = options.get("img_size", native)
    if native is not None and side != size:
        raise UsageError(
            f"{name} reads images of {side} pixels, the set has {size}: set model.options.img_size={size}, or "
            f"prepare with --size {side}"
        )


def model_options(name: str) -> tuple[str, ...]:
    """The options that :func:`create_model` takes for a model beyond the number of classes; none for the peers."""
    model_spec(name)
    if is_timm(name):
        return tuple(option for option in OPTIONS if option != "img_size" or not reads_any_size(name))
    return tuple(field.name for field in fields(HierAttnConfig)) if name in VARIANTS else ()


def create_model(name: str, num_classes: int = 8, **options: Any) -> nn.Module:
    """Build a model with fresh weights, drawn from torch's global generator.

    Every model reads float images (batch, 3, H, W) and returns logits (batch, num_classes).

    Parameters
    ----------
    name
        One of :func:`list_models`, or ``timm:NAME`` for any image classifier of timm's.
    num_classes
        Width of the output, 1 or more.
    **options
        Fields of :class:`~hierattn.models.hierattn.HierAttnConfig`, for HierAttn's variants; :data:`OPTIONS
        <hierattn.models.timm_networks.OPTIONS>` for timm's networks.

    Raises
    ------
    UsageError
        For an unknown name or option, or a value out of range. It lists what is possible.

    Examples
    --------
    >>> from hierattn.models.weights.checkpoint import count_parameters
    >>> count_parameters(create_model("hierattn_s", num_classes=8))
    2135224
    >>> count_parameters(create_model("hierattn_s", num_classes=8, attention="se"))
    2174028
    """
    model_spec(name)
    if num_classes < 1:
        raise UsageError(f"{num_classes} classes: wanted at least 1")
    _check_options(name, options)
    if is_timm(name):
        return build_timm(name, num_classes, options)
    if name in VARIANTS:
        return HierAttn(replace(VARIANTS[name], **options), num_classes)
    build: Callable[[int], nn.Module] = PEERS[name].build
    return build(num_classes)


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    possible = model_options(name)
    for option in options:
        if option not in possible:
            wanted = f"wanted {', '.join(possible)}" if possible else "it takes none, as no peer does"
            raise UsageError(f"unknown option {option!r} for {name}: {wanted}")
