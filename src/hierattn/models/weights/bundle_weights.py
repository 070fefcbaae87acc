"""Weights read back from an exported bundle, to train on from it: what an exporter folded, unfolded again.

A bundle (docs/bundle.md) computes the same function as the checkpoint that it was made of, by other tensors: batch
normalisations lie in the convolutions, a layer normalisation's scale and shift in the layer that reads it, the division
of the attention's scores in the queries' weights, that of the pixels by 255 in the stem's. Read back, a normalisation
has the scale 1 and the shift 0, or those that undo what was folded, so that the network answers as the bundle does, but
for the rounding of weights that are stored in few bits. Besides a HierAttn, a network of convolutions, batch
normalisations and linear layers alone comes back, such as MobileNetV2 or EfficientNet-Lite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from hierattn.bundle.bundle import Bundle, read_bundle
from hierattn.errors import BundleError, CheckpointError, UsageError, require
from hierattn.image_spec import ImageSpec
from hierattn.models.conv import ConvNormAct
from hierattn.models.hierattn import HierAttn
from hierattn.models.registry import create_model
from hierattn.models.transformer import TransformerLayer
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.models.weights.folded_norms import follow_inputs, set_folded
from hierattn.models.weights.trained_on import TrainedOn, from_text
from hierattn.run_folder import current_keys

if TYPE_CHECKING:
    import onnx

PIXEL = 255.0
"""Largest value of a byte: the exported stem reads bytes, the network the unit interval."""

Folded = tuple[Tensor, Tensor | None]
"""A layer's weight and bias, as a bundle has them."""


def load_bundle(path: Path, images: Callable[[ImageSpec], Tensor] | None = None) -> Checkpoint:
    """A checkpoint with the weights of a bundle of any precision but int8.

    Of a bundle that asks it is the network alone, which answers from the photograph; the head that reads answers is
    left behind.

    Parameters
    ----------
    path
        An ``.onnx`` file that ``hierattn export`` made of a HierAttn with same-channel attention or none, or of a
        network of convolutions, batch normalisations and linear layers alone.
    images
        Gives images, float (batch, 3, H, W) scaled as the network sees them, for a specification: batch
        normalisations then get the statistics that these cause, as training on needs. None: mean 0 and variance 1,
        which answers the same and is a poor start for training.

    Raises
    ------
    CheckpointError
        Where the file is missing, too large, damaged, of a newer format, or not such a bundle.
    """
    require("onnx", "train")
    content, bundle = _read(path)
    model = _parsed(path, content)
    name, provenance = bundle.model, _provenance(path, bundle)
    try:
        options = dict(provenance.get("options", {}))
        network = create_model(name, num_classes=len(bundle.classes), **options).eval()
        recipe = current_keys(bundle.recipe)
    except (TypeError, ValueError, UsageError) as error:
        raise _senseless(path, error) from None
    if not (_has_plain_attention(network) if isinstance(network, HierAttn) else _is_plain(network)):
        raise CheckpointError(
            f"{path} holds {name} {options or ''}: only the weights of a HierAttn, or of a network of convolutions, "
            "batch normalisations and linear layers, can be read back"
        )
    try:
        with torch.no_grad():
            if isinstance(network, HierAttn):
                _unfold(network, _folded_layers(model), bundle.image_spec, bool(bundle.questions))
            else:
                _unfold_plain(network, model, bundle.image_spec)
            if images is not None:
                follow_inputs(network, images(bundle.image_spec))
    except (ValueError, StopIteration, RuntimeError) as error:
        reason = str(error) or "it has too few layers"
        raise CheckpointError(f"{path} does not hold {name} as this version exports it: {reason}") from None
    return Checkpoint(
        model=name,
        taxonomy=replace(bundle.taxonomy, questions=()),
        image_spec=bundle.image_spec,
        state_dict=network.state_dict(),
        options=options,
        recipe=recipe,
        provenance=provenance,
        trained_on=seen_by_bundle(path, bundle),
    )


def bundle_provenance(path: Path) -> dict[str, Any]:
    """What a bundle says of how its weights were made, as :func:`load_bundle` gives it, without reading the weights.

    Raises
    ------
    CheckpointError
        Where the file is missing, too large, damaged, of a newer format, or not such a bundle.
    """
    return _provenance(path, _read(path)[1])


def seen_by_bundle(path: Path, bundle: Bundle) -> TrainedOn | None:
    """The photographs that a bundle's weights have seen; None where the file, which errors call ``path``, is silent.

    Raises
    ------
    CheckpointError
        Where the record is damaged.
    """
    try:
        return from_text(bundle.trained_on) if bundle.trained_on else None
    except ValueError as error:
        raise _senseless(path, error) from None


def _read(path: Path) -> tuple[bytes, Bundle]:
    try:
        return read_bundle(path)
    except BundleError as error:
        raise CheckpointError(str(error)) from None


def _parsed(path: Path, content: bytes) -> onnx.ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_from_string(content)
    except DecodeError as error:
        raise CheckpointError(f"{path} is not a whole .onnx file ({error}); copy it again") from None


def _provenance(path: Path, bundle: Bundle) -> dict[str, Any]:
    """How the weights were made, and from which photographs, under the names that a checkpoint uses."""
    data = bundle.training_data
    try:
        return {
            **bundle.provenance,
            "source": str(data.get("source", "")),
            "licence": str(data.get("licence", "")),
            "citation": str(data.get("citation", "")),
            "training_images": int(data.get("images") or 0),
            "all_sources": [dict(source) for source in data.get("all_sources", ())],
        }
    except (TypeError, ValueError) as error:
        raise _senseless(path, error) from None


def _senseless(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path} does not say what it is ({error}): wanted a bundle of 'hierattn export'")


def _folded_layers(model: onnx.ModelProto) -> dict[str, Iterator[Folded]]:
    """The convolutions and the linear layers, each in the order in which the network computes them."""
    from onnx import numpy_helper

    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    made = {output: node for node in model.graph.node for output in node.output}

    def constant(name: str) -> Tensor:
        """A stored value, or one stored in fewer bits that a Cast, and perhaps a Mul, bring back."""
        if name in stored:
            return torch.from_numpy(np.array(stored[name], np.float32))
        node = made.get(name)
        if node is None or node.op_type not in ("Cast", "Mul"):
            raise ValueError(f"{name} is no stored weight")
        first, *others = (constant(part) for part in node.input)
        return first * others[0] if others else first

    def layers(operator: str) -> Iterator[Folded]:
        for node in model.graph.node:
            if node.op_type == operator:
                weight = constant(node.input[1])
                if operator == "Gemm" and not any(part.name == "transB" and part.i for part in node.attribute):
                    weight = weight.T
                yield weight, constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None

    return {operator: layers(operator) for operator in ("Conv", "Gemm")}


def _unfold(network: HierAttn, folded: Mapping[str, Iterator[Folded]], spec: ImageSpec, asks: bool) -> None:
    """Put a bundle's layers where they belong; the modules of a HierAttn stand in the order in which it runs.

    Where it ``asks``, the layers after the classifier are those of the head that reads answers.
    """
    for module in network.modules():
        if isinstance(module, ConvNormAct):
            _unfold_convolution(module.conv, getattr(module, "norm", None), *next(folded["Conv"]))
        elif isinstance(module, TransformerLayer):
            _unfold_transformer_layer(module, folded["Gemm"])
        elif isinstance(module, nn.LayerNorm):
            module.weight.fill_(1)
            module.bias.zero_()
    _unfold_linear(network.classifier, *next(folded["Gemm"]))
    _unfold_division(network.stem.conv, spec)
    if next(folded["Conv"], None) is not None or (next(folded["Gemm"], None) is not None and not asks):
        raise ValueError("it has more layers")


def _has_plain_attention(network: HierAttn) -> bool:
    return network.config.attention in ("sc", "none")


def _is_plain(network: nn.Module) -> bool:
    """Whether every parameter lies in a convolution, a batch normalisation or a linear layer."""
    plain = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)
    holders = [part for part in network.modules() if any(True for _ in part.parameters(recurse=False))]
    return all(isinstance(part, plain) for part in holders)


def _unfold_plain(network: nn.Module, model: onnx.ModelProto, spec: ImageSpec) -> None:
    """The same for a network of which :func:`_is_plain` holds; its layers run in the order of the graph's."""
    if any(node.op_type == "BatchNormalization" for node in model.graph.node):
        raise ValueError("a normalisation that stands by itself")
    folded, layers = _folded_layers(model), _layers_in_order(network, spec.size)
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, nn.Linear):
            _unfold_linear(layer, *next(folded["Gemm"]))
        elif isinstance(layer, nn.Conv2d):
            norm = following if isinstance(following, nn.BatchNorm2d) else None
            _unfold_convolution(layer, norm, *next(folded["Conv"]))
    _unfold_division(next(layer for layer in layers if isinstance(layer, nn.Conv2d)), spec)
    if any(next(rest, None) is not None for rest in folded.values()):
        raise ValueError("it has more layers")


def _layers_in_order(network: nn.Module, size: int) -> list[nn.Module]:
    """The layers that hold parameters, in the order in which an image of ``size`` pixels passes them."""
    passed: list[nn.Module] = []
    handles = [
        part.register_forward_pre_hook(lambda part, _: passed.append(part))
        for part in network.modules()
        if isinstance(part, nn.Conv2d | nn.BatchNorm2d | nn.Linear)
    ]
    network(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return passed


def _unfold_division(first: nn.Conv2d, spec: ImageSpec) -> None:
    if not any(spec.mean) and all(value == 1 for value in spec.std):  # else the division by 255 stands by itself
        first.weight.mul_(PIXEL)


def _unfold_convolution(conv: nn.Conv2d, norm: nn.BatchNorm2d | None, weight: Tensor, bias: Tensor | None) -> None:
    _copy(conv.weight, weight)
    if norm is not None:
        zero = torch.zeros_like(norm.bias)
        _copy(norm.bias, zero if bias is None else bias)
        set_folded(norm, norm.bias.clone(), zero, torch.ones_like(zero))
    if conv.bias is not None:
        _copy(conv.bias, torch.zeros_like(conv.bias) if bias is None or norm is not None else bias)
    elif norm is None and bias is not None:
        raise ValueError("a bias where there is none")


def _unfold_transformer_layer(layer: TransformerLayer, linear: Iterator[Folded]) -> None:
    """Queries, keys, values, output, and the two layers of the MLP, as fast_transformer.py writes them."""
    (query, query_bias), (key, key_bias), (value, value_bias) = next(linear), next(linear), next(linear)
    scale = (len(query) // layer.attention.heads) ** 0.5  # the division of the scores, which the queries hold
    zero = torch.zeros(len(query))
    biases = [zero if bias is None else bias for bias in (query_bias, key_bias, value_bias)]
    _copy(layer.attention.qkv.weight, torch.cat([query * scale, key, value]))
    _copy(layer.attention.qkv.bias, torch.cat([biases[0] * scale, *biases[1:]]))
    for part in (layer.attention.out, *(part for part in layer.mlp if isinstance(part, nn.Linear))):
        _unfold_linear(part, *next(linear))


def _unfold_linear(layer: nn.Linear, weight: Tensor, bias: Tensor | None) -> None:
    """A bias that is all zeros is not in the graph."""
    _copy(layer.weight, weight)
    _copy(layer.bias, torch.zeros_like(layer.bias) if bias is None else bias)


def _copy(target: Tensor, value: Tensor) -> None:
    if value.shape != target.shape:
        raise ValueError(f"a tensor of shape {tuple(value.shape)}, wanted {tuple(target.shape)}")
    if not bool(torch.isfinite(value).all()):
        raise ValueError("a tensor that is not finite")
    target.copy_(value)
