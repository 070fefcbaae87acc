"""The network as it is exported: resized uint8 pixels in, calibrated probabilities, risk and evidence out.

A wrapper around the trained model and never a change to it: :class:`CalibratedNetwork` does scale -> network ->
logits / T -> softmax, the summed risk (§5) and the evidence for each class by place, at S x S pixels. The resize before
it belongs to the graph (:mod:`hierattn.deploy.export.onnx_graph`) or, for ExecuTorch, to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from math import lcm
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hierattn.bundle.bundle import HEATMAP, NOVELTY, PHOTO_PROBABILITIES, PHOTO_RISK, PROBABILITIES, RISK
from hierattn.deploy.export.rejection.novelty import Rejection, summary
from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.asking import AskingNetwork
from hierattn.models.branch_attention import BranchAttention, pooling_matrix
from hierattn.models.conv import ConvNormAct
from hierattn.models.hierattn import HierAttn
from hierattn.models.transformer import SelfAttention, SmallScaleTransformer

FINEST_GRID = 60
"""Most cells a side of an evidence map; branch pools whose common grid is finer get no map."""


class CalibratedNetwork(nn.Module):
    """Resized uint8 pixels -> probabilities, risk and, where the head allows it, evidence.

    (batch, S, S, 3) uint8 -> ``probabilities`` (batch, C), ``risk`` (batch,), ``heatmap`` (batch, C, h, w),
    ``novelty`` (batch,)

    With a network that asks, also ``answers`` (batch, questions) -> ``photo_probabilities`` and ``photo_risk``, from
    the photograph alone, while the first two are with the answers. The heat map is the photograph's.

    **The heat map** is no gradient and no guess, but the network's own sum, taken apart. HierAttn's head averages |y|
    over the pixels p that branch attention assembled, and applies a linear layer::

        logit_c = b_c + sum_p evidence_c(p),   evidence_c(p) = sum_k w_ck |y_k(p)| / number of pixels

    Each pixel stands for a rectangle of the image (the whole of it, a ninth or a 25th), over which its evidence is
    spread evenly on the common grid of 15 x 15 cells. What all classes share is taken off, because the softmax does not
    see it. So the map of class c adds up to (logit_c - b_c) / T less the mean of that over the classes: it accounts for
    the whole answer but the biases. It does not tell which pixels caused a feature: the transformers have looked at the
    whole image before, and a cell stands for what they read there.

    Networks that end in mean, dropout and one linear layer get the same from their last map (the class activation map
    of Zhou et al. 2016); others get none.

    Parameters
    ----------
    model
        The trained network, logits out. It stays as it is: a copy is taken, its transformers written out plainly, its
        normalisations folded.
    spec
        What it expects.
    risk_weights
        C values, 1 for the classes of the triage group and 0 for the others.
    temperature
        Divides the logits.
    heatmap
        Whether to compute the heat map where that is possible.
    class_bias
        Added to the divided logits, one a class; empty is none.
    novelty
        How unlike the training photographs this one is, as one more output; None for no such output.
    answers_temperature
        In the place of ``temperature`` where something is answered.

    Raises
    ------
    UsageError
        For a temperature that is not positive, or a bias of another number of classes.
    """

    risk_weights: Tensor
    class_bias: Tensor
    mean: Tensor
    std: Tensor
    spread: Tensor

    def __init__(
        self,
        model: nn.Module,
        spec: ImageSpec,
        risk_weights: Sequence[float],
        temperature: float = 1.0,
        *,
        heatmap: bool = True,
        class_bias: Sequence[float] = (),
        novelty: Rejection | None = None,
        answers_temperature: float | None = None,
    ) -> None:
        super().__init__()
        self.head = deepcopy(model.head).eval() if isinstance(model, AskingNetwork) else None
        self.answers_temperature = answers_temperature or temperature
        model = model.network if isinstance(model, AskingNetwork) else model
        if not temperature > 0:
            raise UsageError(f"temperature {temperature}: wanted a positive number")
        if len(class_bias) not in (0, len(risk_weights)):
            raise UsageError(f"class bias of {len(class_bias)} values: wanted {len(risk_weights)} or none")
        self.model: Any = with_folded_norms(with_plain_branch(with_plain_transformers(model), spec.size))
        self.spec = spec
        self.temperature = temperature
        self.source = evidence_source(self.model, spec.size)
        self.evidence_from = self.source if heatmap else ""
        self.novelty = novelty if self.source else None
        self.has_bias = any(class_bias)
        self.register_buffer("class_bias", torch.tensor(list(class_bias), dtype=torch.float32), persistent=False)
        self.register_buffer("risk_weights", torch.tensor(list(risk_weights), dtype=torch.float32))
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, -1, 1, 1), persistent=False)
        if self.evidence_from == "branch":
            self.register_buffer(
                "spread", spread_matrix(cast(BranchAttention, model.get_submodule("branch")).pools), persistent=False
            )

    def scale(self, images: Tensor) -> Tensor:
        """As ``ImageSpec.scale``: (batch, S, S, 3) uint8 -> (batch, 3, S, S) float32."""
        # Channels first in memory, too: an average pool of channels that lie last is exported as a dozen operators.
        values = images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format) / 255.0
        if any(self.spec.mean):
            values = values - self.mean
        if any(value != 1 for value in self.spec.std):
            values = values / self.std
        return values

    @property
    def output_names(self) -> list[str]:
        """What :meth:`forward` gives, in order."""
        names = [PROBABILITIES, RISK]
        names += [HEATMAP] if self.evidence_from else []
        names += [NOVELTY] if self.novelty is not None else []
        return names + ([PHOTO_PROBABILITIES, PHOTO_RISK] if self.head is not None else [])

    def forward(self, images: Tensor, answers: Tensor | None = None) -> tuple[Tensor, ...]:
        """(batch, S, S, 3) uint8 -> what :attr:`output_names` says."""
        values = self.scale(images)
        more: tuple[Tensor, ...] = ()
        if not self.evidence_from and self.novelty is None:
            logits = self.model(values)
        else:
            features, classifier, stages = self.read(values)
            pooled = features.mean((2, 3))
            logits = classifier(pooled)
            more = (self._evidence(features, classifier),) if self.evidence_from else ()
            more = more if self.novelty is None else (*more, self.novelty(summary(stages), pooled))
        own = self._answer(logits / self.temperature)
        if self.head is None:
            return (*own, *more)
        if answers is None:
            return (*own, *more, *own)
        added = (logits + self.head(logits, answers)) / self.answers_temperature
        told = answers.amax(1, keepdim=True) > 0
        return (*self._answer(torch.where(told, added, logits / self.temperature)), *more, *own)

    def _evidence(self, features: Tensor, classifier: nn.Linear) -> Tensor:
        """The heat map, (batch, C, h, w)."""
        batch, width, *grid = features.shape
        evidence = classifier.weight @ features.reshape(batch, width, -1)  # (batch, C, pixels)
        if self.evidence_from == "branch":
            evidence, grid = evidence @ self.spread, [int(self.spread.shape[1] ** 0.5)] * 2
        evidence = (evidence - evidence.mean(1, keepdim=True)) / (features.shape[2] * features.shape[3])
        return (evidence / self.temperature).reshape(batch, -1, *grid)

    def read(self, values: Tensor) -> tuple[Tensor, nn.Linear, list[Tensor]]:
        """Of scaled images: what the head averages, (batch, width, h, w), the linear layer after it, the maps before.

        Only where :attr:`source` names a head that averages maps.
        """
        model = self.model
        if self.source == "features":
            last = model.features(values)
            return last, model.classifier[-1], [last]
        if self.source == "last map":
            last = model.forward_features(values)
            return last, model.get_classifier(), [last]
        stages = model.forward_stages(values)
        seen = model.branch(stages) if self.source == "branch" else stages[-1]
        return model.head_conv(seen).abs(), model.classifier, stages

    def _answer(self, scaled: Tensor) -> tuple[Tensor, ...]:
        probabilities = torch.softmax(scaled + self.class_bias if self.has_bias else scaled, dim=1)
        return probabilities, probabilities @ self.risk_weights


class PlainAttention(nn.Module):
    """Self-attention in the fewest operators: one Reshape, Transpose and Split for queries, keys and values.

    What torch's fused attention exports to asks for shapes at run time and slices three times: 27 nodes against 13. The
    division of the scores by the root of the head's width is put into the queries' weights.

    (sequences, N tokens, d) -> the same shape

    Parameters
    ----------
    attention
        What it computes the same as.
    """

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.heads = attention.heads
        self.qkv, self.out = deepcopy(attention.qkv), deepcopy(attention.out)
        dim = attention.out.out_features
        with torch.no_grad():
            for values in (self.qkv.weight, self.qkv.bias):
                values[:dim] *= (dim // self.heads) ** -0.5

    def forward(self, tokens: Tensor) -> Tensor:
        """(sequences, N, d) -> (sequences, N, d)."""
        _, count, dim = tokens.shape
        return self.mix(tokens.reshape(-1, dim), count).reshape(-1, count, dim)

    def mix(self, tokens: Tensor, count: int) -> Tensor:
        """The same on one table of all tokens, ``count`` of them a sequence: (sequences * N, d) -> the same shape."""
        dim = tokens.shape[1]
        width = dim // self.heads
        qkv = self.qkv(tokens).reshape(-1, count, 3 * self.heads, width).transpose(1, 2)
        # Sequences and heads on one axis: a product of three axes needs no expansion in any runtime.
        query, key, value = (part.reshape(-1, count, width) for part in qkv.chunk(3, dim=1))
        mixed = torch.bmm(torch.softmax(torch.bmm(query, key.transpose(1, 2)), dim=2), value)
        out: Tensor = self.out(mixed.reshape(-1, self.heads, count, width).transpose(1, 2).reshape(-1, dim))
        return out


class PlainTransformer(nn.Module):
    """The small-scale transformer on one table of all tokens: a linear layer is then one Gemm, its bias inside.

    On three axes each would be a MatMul and an Add, one more pass over its output.

    (sequences, N tokens, d) -> the same shape

    Parameters
    ----------
    transformer
        What it computes the same as, in evaluation.
    """

    def __init__(self, transformer: SmallScaleTransformer) -> None:
        super().__init__()
        self.layers, self.norm = deepcopy(transformer.layers), deepcopy(transformer.norm)
        for layer in self.layers:
            layer.attention = PlainAttention(cast(SelfAttention, layer.attention))

    def forward(self, tokens: Tensor) -> Tensor:
        """(sequences, N, d) -> (sequences, N, d)."""
        _, count, dim = tokens.shape
        flat = tokens.reshape(-1, dim)  # (sequences * N, d)
        for layer in cast(Iterable[Any], self.layers):
            flat = flat + layer.attention.mix(layer.attention_norm(flat), count)
            flat = flat + layer.mlp(layer.mlp_norm(flat))
        normed: Tensor = self.norm(flat)
        return normed.reshape(-1, count, dim)


def with_plain_transformers(model: nn.Module) -> nn.Module:
    """A copy of ``model``, every :class:`~hierattn.models.transformer.SmallScaleTransformer` written out plainly."""
    model = deepcopy(model)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SmallScaleTransformer):
                setattr(parent, name, PlainTransformer(child))
    return model


class PlainBranch(nn.Module):
    """Branch attention for one size of image: its pooling matrices are constants, computed once and not at every call.

    [(batch, C_i, H_i, W_i), ...] -> (batch, sum of C_i, side, side)

    Parameters
    ----------
    branch
        What it computes the same as in evaluation mode.
    lengths
        Side of each stage's map.
    """

    def __init__(self, branch: BranchAttention, lengths: Sequence[int]) -> None:
        super().__init__()
        self.pools, self.shape = branch.pools, branch.shape
        self.distinct = sorted(set(branch.pools))
        for index, length in enumerate(lengths):
            matrix = pooling_matrix(length, self.distinct, torch.zeros(()))
            self.register_buffer(f"down_{index}", matrix, persistent=False)
            self.register_buffer(f"across_{index}", matrix.T.contiguous(), persistent=False)

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        """[(batch, C_i, H_i, W_i), ...] -> (batch, sum of C_i, side, side)."""
        grids = []
        for index, stage in enumerate(stages):
            across = stage @ self.get_buffer(f"across_{index}")
            grids.append(self.get_buffer(f"down_{index}") @ across)  # (batch, C, sum of sizes, sum of sizes)
        grid = torch.cat(grids, dim=1)
        blocks, first = {}, 0
        for k in self.distinct:  # only the blocks on the diagonal pool both axes to the same size
            blocks[k] = grid[:, :, first : first + k, first : first + k].flatten(2)
            first += k
        return torch.cat([blocks[k] for k in self.pools], dim=2).unflatten(2, self.shape)


def with_plain_branch(model: nn.Module, size: int) -> nn.Module:
    """``model`` with its :class:`~hierattn.models.branch_attention.BranchAttention` written out for one size."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BranchAttention):
                setattr(parent, name, PlainBranch(child, stage_lengths(size)))
    return model


def with_folded_norms(model: nn.Module) -> nn.Module:
    """``model`` in evaluation mode, a HierAttn's batch normalisations moved into the convolutions before them.

    A third of what an exporter has to trace is gone before it begins.
    """
    for part in model.eval().modules():
        if isinstance(part, ConvNormAct) and hasattr(part, "norm"):
            part.conv = fuse_conv_bn_eval(part.conv, part.norm)
            del part.norm
    return model


def stage_lengths(size: int) -> tuple[int, ...]:
    """Sides of HierAttn's three stages for an image of ``size`` pixels: an eighth, a 16th, a 32nd, rounded up.

    >>> stage_lengths(256), stage_lengths(100)
    ((32, 16, 8), (13, 7, 4))
    """
    return tuple(-(-size // 2**power) for power in (3, 4, 5))


def evidence_source(model: nn.Module, size: int) -> str:
    """Where the evidence of a model in evaluation mode is read, for images of ``size`` pixels.

    ``"branch"`` or ``"last stage"`` of a HierAttn, ``"features"`` of a network of torchvision's, ``"last map"`` of one
    of timm's, or ``""`` for nowhere.
    """
    if isinstance(model, HierAttn):
        if not model.config.branch_attention:
            return "last stage"
        return "branch" if lcm(*model.branch.pools) <= FINEST_GRID else ""
    head = getattr(model, "classifier", None)
    ends_linear = isinstance(head, nn.Sequential) and [type(part) for part in head] == [nn.Dropout, nn.Linear]
    if ends_linear and isinstance(getattr(model, "features", None), nn.Sequential):
        return "features"
    return "last map" if _averages_its_last_map(model, size) else ""


@torch.inference_mode()
def _averages_its_last_map(model: Any, size: int) -> bool:
    """Whether a network of timm's ends in the mean of its last map and one linear layer: tried, for no name tells."""
    if not all(hasattr(model, name) for name in ("forward_features", "get_classifier")):
        return False
    images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    last, head = model.forward_features(images), model.get_classifier()
    if not isinstance(head, nn.Linear) or last.dim() != 4 or last.shape[1] != head.in_features:
        return False
    return torch.allclose(head(last.mean((2, 3))), model(images), rtol=1e-3, atol=1e-4)


def spread_matrix(pools: Sequence[int]) -> Tensor:
    """Spread branch attention's pixels over the grid that all pool sizes divide: (pixels, cells); rows sum to 1.

    A pixel of the k x k pooling covers (grid / k)^2 cells, and each of them gets the same share of it.

    >>> spread_matrix((1, 1, 3, 5)).shape
    torch.Size([36, 225])
    """
    grid = lcm(*pools)
    blocks = []
    for size in pools:
        line = torch.eye(size).repeat_interleave(grid // size, dim=1) * (size / grid)  # (k, grid)
        blocks.append(torch.kron(line, line))  # (k * k, grid * grid), rows of cells after one another
    return torch.cat(blocks)
