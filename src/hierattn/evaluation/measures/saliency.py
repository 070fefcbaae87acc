"""Where a network looks: Grad-CAM on the last CTH block (Fig. 1's last stage), as a heat map over the photograph.

A heat map says which places raised the score of a class. It does not say that these places are the reason, nor that
the answer is right.

References
----------
Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from hierattn.bundle.bundle import FEWEST_CELLS
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.errors import UsageError
from hierattn.evaluation.measures.intervals import Estimate, bootstrap, interval
from hierattn.evaluation.measures.lesion_masks import MaskedSet, Saliency
from hierattn.evaluation.predict import Network
from hierattn.evaluation.predictions import Predictions
from hierattn.models.cth import CTH, fold_patches
from hierattn.models.inference import normalise, to_unit
from hierattn.models.transformer import SelfAttention

MOST_IMAGES = 96


def last_map(model: nn.Module) -> nn.Module:
    """The module whose output heat maps are drawn from: HierAttn's last CTH block, else the last convolution.

    Raises
    ------
    UsageError
        For a model without a convolution.
    """
    stages = getattr(model, "stages", None)
    if isinstance(stages, nn.ModuleList | nn.Sequential) and len(stages) and hasattr(stages[-1], "cth"):
        return stages[-1].get_submodule("cth")
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise UsageError(f"{type(model).__name__} has no convolution to draw a heat map from: name the layer yourself")
    return convolutions[-1]


def grad_cam(
    model: nn.Module, image: Tensor, class_index: int | None = None, layer: nn.Module | None = None
) -> np.ndarray:
    """Grad-CAM: the layer's channels, weighted by the mean gradient of the class's logit, summed, negative parts cut.

    Parameters
    ----------
    model
        Left in the mode and with the gradients that it had.
    image
        As the model reads it, (3, H, W) or (1, 3, H, W), float, on the model's device.
    class_index
        Of the logit; None is the predicted class.
    layer
        Whose output, (1, C, h, w), is looked at; None is :func:`last_map`.

    Returns
    -------
    numpy.ndarray
        float32, (H, W), 0 to 1; its maximum is 1, or everything is 0 where no place speaks for the class.

    Raises
    ------
    UsageError
        For anything but one image, (3, H, W), or a class that the network does not have.
    """
    batch = image[None] if image.ndim == 3 else image
    if batch.ndim != 4 or len(batch) != 1:
        raise UsageError(f"image of shape {tuple(image.shape)}: wanted one, (3, H, W)")
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        # The map enters the rest of the network as a leaf of its own, so that frozen weights have a gradient here too.
        kept.append(output.detach().requires_grad_())
        return kept[-1]

    handle = (layer or last_map(model)).register_forward_hook(keep)
    was_training = model.training
    model.eval()
    try:
        with torch.enable_grad():
            logits = model(batch)
            chosen = int(logits.argmax()) if class_index is None else class_index
            if not 0 <= chosen < logits.shape[1]:
                raise UsageError(f"class {chosen}: wanted 0 to {logits.shape[1] - 1}")
            (gradient,) = torch.autograd.grad(logits[0, chosen], kept[-1])
    finally:
        handle.remove()
        model.train(was_training)
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # (1, C, 1, 1)
    heat = functional.relu((weights * kept[-1].detach()).sum(dim=1, keepdim=True))  # (1, 1, h, w)
    heat = functional.interpolate(heat, size=batch.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    top = heat.max()
    result: np.ndarray = (heat / top if top > 0 else torch.zeros_like(heat)).float().cpu().numpy()
    return result


def map_cells(model: nn.Module, size: int) -> tuple[int, int]:
    """Cells of the heat map, (h, w), of images of ``size`` pixels; :func:`grad_cam` enlarges them.

    >>> from hierattn import create_model
    >>> map_cells(create_model("hierattn_xs"), 64)
    (2, 2)
    """
    shapes: list[tuple[int, int]] = []
    layer = last_map(model)
    handle = layer.register_forward_hook(lambda _module, _inputs, output: shapes.append(output.shape[-2:]))
    parameter = next(model.parameters())
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, size, size, dtype=parameter.dtype, device=parameter.device))
    finally:
        handle.remove()
        model.train(was_training)
    height, width = shapes[-1]
    return int(height), int(width)


def attention_map(model: nn.Module, image: Tensor) -> np.ndarray:
    """How much the last transformer layer looks at each place: attention received, mean over heads (§3.3.4).

    Attention says what was mixed with what, not what decided: it knows no class. The four sequences of a CTH block each
    see one pixel of every 2x2 patch, and are put back where they came from.

    Parameters
    ----------
    model
        A HierAttn; left in the mode that it had.
    image
        (3, H, W) or (1, 3, H, W), float, on the model's device.

    Returns
    -------
    numpy.ndarray
        float32, (H, W), 0 to 1.

    Raises
    ------
    UsageError
        For a model without a CTH block.
    """
    blocks = [module for module in model.modules() if isinstance(module, CTH)]
    if not blocks:
        raise UsageError(f"{type(model).__name__} has no transformer to read attention from: use grad_cam")
    block = blocks[-1]
    attention = [module for module in block.modules() if isinstance(module, SelfAttention)][-1]
    batch = image[None] if image.ndim == 3 else image
    kept: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        kept[name] = output

    handles = [
        attention.qkv.register_forward_hook(partial(keep, "qkv")),
        block.register_forward_hook(partial(keep, "block")),
    ]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            model(batch)
    finally:
        for handle in handles:
            handle.remove()
        model.train(was_training)
    sequences, count, _ = kept["qkv"].shape
    heads = kept["qkv"].reshape(sequences, count, 3 * attention.heads, -1).transpose(1, 2)
    query, key, _ = heads.chunk(3, dim=1)
    scores = torch.softmax(query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5, dim=-1)  # (sequences, heads, N, N)
    received = scores.mean(dim=(1, 2))[..., None]  # (sequences, N, 1)
    height, wide = (-(-side // block.patch) * block.patch for side in kept["block"].shape[2:])
    heat = fold_patches(received, block.patch, height, wide)  # (1, 1, h, w)
    heat = functional.interpolate(heat, size=batch.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    result: np.ndarray = (heat / heat.max()).float().cpu().numpy()
    return result


def share_outside(heat: np.ndarray, mask: np.ndarray) -> float:
    """Of all heat, the share that lies outside the lesion, 0 to 1; nan where there is no heat.

    Raises
    ------
    UsageError
        Where heat and mask differ in shape, the heat has negatives, or the mask is not bool.

    >>> share_outside(np.array([[1.0, 3.0]]), np.array([[True, False]]))
    0.75
    """
    if heat.shape != mask.shape or mask.dtype != np.bool_ or (heat < 0).any():
        raise UsageError(f"heat {heat.shape}, mask {mask.dtype} {mask.shape}: wanted one shape, no negatives and bool")
    total = float(heat.sum())
    return float(heat[~mask].sum()) / total if total > 0 else float("nan")


def overlay(image: np.ndarray, heat: np.ndarray, strength: float = 0.6) -> np.ndarray:
    """Lay a heat map over a photograph: uint8 (H, W, 3) and (H, W) in [0, 1] -> uint8 (H, W, 3).

    Where the heat is 0 the photograph stays as it is; ``strength`` is the opacity where it is 1.

    Raises
    ------
    UsageError
        Where the image is not uint8, or the heat map has another height or width.
    """
    if image.shape[:2] != heat.shape or image.dtype != np.uint8 or not 0 <= strength <= 1:
        raise UsageError(f"image {image.dtype} {image.shape}, heat {heat.shape}: wanted uint8 and one height and width")
    colours = colormaps["inferno"](np.clip(heat, 0, 1))[..., :3] * 255
    opacity = (np.clip(heat, 0, 1) * strength)[..., None]
    return np.rint(image * (1 - opacity) + colours * opacity).astype(np.uint8)


def measure_saliency(
    network: Network,
    packed: PackedSet,
    rows: np.ndarray,
    predictions: Predictions,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Saliency | None:
    """How much of the heat lies outside the lesion; None where the set has no masks.

    A map of fewer than ``bundle.FEWEST_CELLS`` cells a side tells nothing: its shares are undefined.

    Parameters
    ----------
    network
        What is looked into.
    packed, rows
        Row ``i`` of ``predictions`` is image ``rows[i]`` of ``packed``; at most :data:`MOST_IMAGES` of them are
        looked at.
    predictions
        The heat is that of the predicted class.
    resamples, seed
        Of the bootstrap over groups; the images are drawn by the seed as well.
    """
    masked = MaskedSet.of(packed)
    with_mask = np.array([place for place, row in enumerate(rows) if masked.path(int(row)).is_file()], np.int64)
    if not len(with_mask):
        return None
    if len(with_mask) > MOST_IMAGES:
        with_mask = np.sort(np.random.default_rng(seed).choice(with_mask, MOST_IMAGES, replace=False))
    shares = np.full((len(with_mask), 3), np.nan)
    cells = map_cells(network.model, network.spec.size)
    for number, place in enumerate(with_mask):
        inside = _to_size(masked.mask(int(rows[place])), network.spec.size)
        shares[number, 2] = 1 - float(inside.mean())
        if min(cells) < FEWEST_CELLS:
            continue
        pixels = torch.from_numpy(np.array(packed.images[rows[place]]))[None].to(network.device)
        image = normalise(to_unit(pixels, network.spec.size), network.spec)
        shares[number, :2] = _shares_outside(network.model, image, int(predictions.predicted[place]), inside)
    groups = np.unique(predictions.group_numbers[with_mask], return_inverse=True)[1]
    outside, attention, area = (_mean(shares[:, column], groups, resamples, seed) for column in range(3))
    return Saliency(len(with_mask), outside, attention, area.value, cells)


def _shares_outside(model: nn.Module, image: Tensor, label: int, inside: np.ndarray) -> tuple[float, float]:
    """Of heat and attention (nan without a transformer), the share outside the lesion."""
    heat = share_outside(grad_cam(model, image, label, last_map(model)), inside)
    has_attention = any(isinstance(module, CTH) for module in model.modules())
    attention = share_outside(attention_map(model, image), inside) if has_attention else float("nan")
    return heat, attention


def _to_size(mask: np.ndarray, size: int) -> np.ndarray:
    if mask.shape == (size, size):
        return mask
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize((size, size), Image.Resampling.BILINEAR)
    inside: np.ndarray = np.asarray(grey) >= 128
    return inside


def _mean(values: np.ndarray, groups: np.ndarray, resamples: int, seed: int) -> Estimate:
    known = ~np.isnan(values)
    if not known.any():
        return Estimate(None, None)
    filled = np.where(known, values, 0.0)

    def statistic(weights: np.ndarray) -> np.ndarray:
        below = weights @ known
        return np.divide(weights @ filled, below, out=np.full(below.shape, np.nan), where=below > 0)[:, None]

    draws = bootstrap(statistic, groups, resamples, seed)
    return Estimate.of(float(values[known].mean()), interval(draws[:, 0]) if draws.size else None)
