"""Any image classifier of timm under the name ``timm:NAME``, with the pixel statistics that its weights expect.

timm is a library of more than a thousand networks (Wightman 2019, ``timm``). Its own description of each, the
``pretrained_cfg``, gives the side and the mean and deviation of the pixels that its published weights were trained
with; both are read there, so that a checkpoint's :class:`~hierattn.image_spec.ImageSpec` carries them to every runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from torch import nn

from hierattn.errors import UsageError, require

PREFIX = "timm:"
"""Of the names of timm's networks in recipes, checkpoints and commands."""

OPTIONS = ("drop_rate", "drop_path_rate", "img_size")
"""What a recipe may set: dropout before the classifier, stochastic depth, and the side of a network of fixed size."""

PixelStatistics = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation per channel, on the [0, 1] scale."""


def is_timm(name: str) -> bool:
    """Whether a model's name is one of timm's.

    >>> is_timm("timm:mobilenetv4_conv_small"), is_timm("hierattn_xs")
    (True, False)
    """
    return name.startswith(PREFIX)


@cache
def _description(name: str) -> Mapping[str, Any]:
    """Timm's ``pretrained_cfg`` of ``timm:NAME``, as plain values.

    Raises
    ------
    UsageError
        Where timm has no such network, or it is no classifier of RGB images with one classifier.
    """
    require("timm", "train")
    import timm

    bare = name.removeprefix(PREFIX)
    if not timm.is_model(bare.partition(".")[0]):
        guesses = get_close_matches(bare, timm.list_models(), n=3)
        hint = f"; did you mean {', '.join(PREFIX + guess for guess in guesses)}?" if guesses else ""
        raise UsageError(f"timm has no network {bare!r}: wanted one of timm.list_models(){hint}")
    config = timm.get_pretrained_cfg(bare)
    if config is None:  # a network of timm's that nobody has published weights of
        return {"input_size": (3, 224, 224), "mean": (0.0,) * 3, "std": (1.0,) * 3, "fixed_input_size": False}
    values: Mapping[str, Any] = config.to_dict()
    if values["input_size"][0] != 3:
        raise UsageError(f"{name} reads {values['input_size'][0]} channels: wanted a network of RGB images")
    if not isinstance(values.get("classifier"), str):
        raise UsageError(f"{name} has no classifier or several: wanted a network with one; take another of timm's")
    return values


def native_size(name: str) -> int:
    """The side in pixels of the images that the network's published weights were trained on.

    >>> native_size("timm:tf_efficientnet_lite2")
    260
    """
    return int(_description(name)["input_size"][-1])


def pixel_statistics(name: str) -> PixelStatistics:
    """Mean and standard deviation that the network's published weights expect of pixels on the [0, 1] scale.

    >>> pixel_statistics("timm:tf_efficientnet_lite0")
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    """
    description = _description(name)
    return tuple(map(float, description["mean"])), tuple(map(float, description["std"]))


def reads_any_size(name: str) -> bool:
    """Whether the network takes images of any side; others need ``img_size``, as most vision transformers do."""
    return not _description(name).get("fixed_input_size")


def published_at(name: str) -> tuple[str, str]:
    """Where the network's weights are published, as a safetensors file, and under which licence as far as timm says.

    Raises
    ------
    UsageError
        Where nobody has published any.
    """
    place = _description(name).get("hf_hub_id")
    if not place:
        raise UsageError(f"nobody has published weights of {name}: start from random ones, or name a file")
    return (
        f"https://huggingface.co/{place}/resolve/main/model.safetensors",
        _description(name).get("license") or f"see huggingface.co/{place}",
    )


def build_timm(name: str, num_classes: int, options: Mapping[str, Any]) -> nn.Module:
    """The network with fresh weights and its own classifier for ``num_classes``.

    Raises
    ------
    UsageError
        Where timm has no such network, or refuses an option.
    """
    import timm

    _description(name)
    try:
        model: nn.Module = timm.create_model(
            name.removeprefix(PREFIX), pretrained=False, num_classes=num_classes, **dict(options)
        )
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"timm cannot build {name} with {dict(options) or 'no options'}: {reason}") from None
    return model
