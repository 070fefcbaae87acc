"""The names that others give to the tensors of this architecture: timm, ml-cvnets and the published code.

HierAttn's stem, SCADW and CTH blocks are MobileViT's in role, so that each of their tensors has a counterpart there.
A table here sets their names beside ours; what a table does not name has no role in HierAttn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Literal

ChannelOrder = Literal["RGB", "BGR"]
# The three stages' numbers of transformer layers: ml-cvnets numbers the closing normalisation as one more.
_LAYERS = ((0, 2), (1, 4), (2, 3))
_STEPS = ("expand", "depthwise", "project")


@dataclass(frozen=True)
class Layout:
    """One foreign naming.

    Attributes
    ----------
    title
        Where such names come from.
    mark
        A tensor that every file of this layout holds, and no other layout does.
    channel_order
        Order of the image's channels that the weights expect.
    conv, norm
        What a brick's convolution and its batch normalisation are called.
    steps
        What a SCADW block's three bricks are called.
    first_stage
        The number of our ``stages.0`` there.
    bricks
        (our name, theirs) of every convolution with its normalisation. ``{stage}`` runs over the three stages, and is
        counted from ``first_stage`` there; ``{row}`` over the second level's blocks, ours being one further because
        the first level's block stands before them; ``{step}`` over a block's bricks; ``{layer}`` over the layers.
    parts
        The same for everything that is not a brick.
    """

    title: str
    mark: str
    channel_order: ChannelOrder
    conv: str
    norm: str
    steps: tuple[str, str, str]
    first_stage: int
    bricks: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, str], ...]

    def modules(self) -> dict[str, str]:
        """Their name of every module that holds tensors -> ours."""
        bricks = [(f"{ours}.conv", f"{theirs}.{self.conv}") for ours, theirs in self.bricks]
        bricks += [(f"{ours}.norm", f"{theirs}.{self.norm}") for ours, theirs in self.bricks]
        table = {}
        for ours, theirs in (*bricks, *self.parts):
            for stage, row, layer, step in product(range(3), range(3), range(4), range(3)):
                there = theirs.format(stage=stage + self.first_stage, row=row, layer=layer, step=self.steps[step])
                table[there] = ours.format(stage=stage, row=row + 1, layer=layer, step=_STEPS[step])
        return table

    def translate(self, names: Iterable[str]) -> dict[str, str]:
        """Our name -> the name there, for each of ``names`` that has a role in HierAttn."""
        modules, found = self.modules(), {}
        for name in names:
            module, _, leaf = name.rpartition(".")
            if module in modules:
                found[f"{modules[module]}.{leaf}"] = name
        return found


_CTH, _LAYER = "stages.{stage}.cth", "stages.{stage}.cth.transformer.layers.{layer}"

TIMM_MOBILEVIT = Layout(
    title="timm's MobileViT",
    mark="stages.2.1.conv_kxk.conv.weight",
    # The original weights read BGR; timm evaluates its files on RGB with no flip and reports the published accuracy.
    channel_order="RGB",
    conv="conv",
    norm="bn",
    steps=("conv1_1x1", "conv2_kxk", "conv3_1x1"),
    first_stage=2,
    bricks=(
        ("stem", "stem"),
        ("early.0.{step}", "stages.0.0.{step}"),
        ("early.{row}.{step}", "stages.1.{row}.{step}"),
        ("stages.{stage}.down.{step}", "stages.{stage}.0.{step}"),
        (f"{_CTH}.local_rep", "stages.{stage}.1.conv_kxk"),
        (f"{_CTH}.from_tokens", "stages.{stage}.1.conv_proj"),
        (f"{_CTH}.fusion", "stages.{stage}.1.conv_fusion"),
        ("head_conv", "final_conv"),
    ),
    parts=(
        (f"{_CTH}.to_tokens.conv", "stages.{stage}.1.conv_1x1"),
        (f"{_LAYER}.attention_norm", "stages.{stage}.1.transformer.{layer}.norm1"),
        (f"{_LAYER}.attention.qkv", "stages.{stage}.1.transformer.{layer}.attn.qkv"),
        (f"{_LAYER}.attention.out", "stages.{stage}.1.transformer.{layer}.attn.proj"),
        (f"{_LAYER}.mlp_norm", "stages.{stage}.1.transformer.{layer}.norm2"),
        (f"{_LAYER}.mlp.0", "stages.{stage}.1.transformer.{layer}.mlp.fc1"),
        (f"{_LAYER}.mlp.2", "stages.{stage}.1.transformer.{layer}.mlp.fc2"),
        (f"{_CTH}.transformer.norm", "stages.{stage}.1.norm"),
        ("classifier", "head.fc"),
    ),
)

CVNETS_MOBILEVIT = Layout(
    title="the original MobileViT (ml-cvnets)",
    mark="layer_3.1.local_rep.conv_3x3.block.conv.weight",
    channel_order="BGR",
    conv="block.conv",
    norm="block.norm",
    steps=("exp_1x1", "conv_3x3", "red_1x1"),
    first_stage=3,
    bricks=(
        ("stem", "conv_1"),
        ("early.0.{step}", "layer_1.0.block.{step}"),
        ("early.{row}.{step}", "layer_2.{row}.block.{step}"),
        ("stages.{stage}.down.{step}", "layer_{stage}.0.block.{step}"),
        (f"{_CTH}.local_rep", "layer_{stage}.1.local_rep.conv_3x3"),
        (f"{_CTH}.to_tokens", "layer_{stage}.1.local_rep.conv_1x1"),
        (f"{_CTH}.from_tokens", "layer_{stage}.1.conv_proj"),
        (f"{_CTH}.fusion", "layer_{stage}.1.fusion"),
        ("head_conv", "conv_1x1_exp"),
    ),
    parts=(
        *(
            (f"stages.{index}.cth.transformer.norm", f"layer_{index + 3}.1.global_rep.{count}")
            for index, count in _LAYERS
        ),
        (f"{_LAYER}.attention_norm", "layer_{stage}.1.global_rep.{layer}.pre_norm_mha.0"),
        (f"{_LAYER}.attention.qkv", "layer_{stage}.1.global_rep.{layer}.pre_norm_mha.1.qkv_proj"),
        (f"{_LAYER}.attention.out", "layer_{stage}.1.global_rep.{layer}.pre_norm_mha.1.out_proj"),
        (f"{_LAYER}.mlp_norm", "layer_{stage}.1.global_rep.{layer}.pre_norm_ffn.0"),
        (f"{_LAYER}.mlp.0", "layer_{stage}.1.global_rep.{layer}.pre_norm_ffn.1"),
        (f"{_LAYER}.mlp.2", "layer_{stage}.1.global_rep.{layer}.pre_norm_ffn.4"),
        ("classifier", "classifier.fc"),
    ),
)

_AUTHORS_LAYER = "Layer{stage}.1.GlobalRep.0.Layers.{layer}"
AUTHORS = Layout(
    title="the published HierAttn code",
    mark="Conv1x1Hier.Conv.weight",
    channel_order="RGB",
    conv="Conv",
    norm="Bn",
    steps=("Block.0", "Block.1", "Block.3"),
    first_stage=3,
    bricks=(
        ("stem", "Conv1"),
        ("early.0.{step}", "Layer1.0.{step}"),
        ("early.{row}.{step}", "Layer2.{row}.{step}"),
        ("stages.{stage}.down.{step}", "Layer{stage}.0.{step}"),
        (f"{_CTH}.local_rep", "Layer{stage}.1.LocalRep.conv_3x3"),
        (f"{_CTH}.to_tokens", "Layer{stage}.1.LocalRep.conv_1x1"),
        (f"{_CTH}.from_tokens", "Layer{stage}.1.ConvProj"),
        (f"{_CTH}.fusion", "Layer{stage}.1.Fusion"),
        ("head_conv", "Conv1x1Hier"),
    ),
    parts=(
        (f"{_LAYER}.attention_norm", f"{_AUTHORS_LAYER}.0.0.LayerNorm"),
        (f"{_LAYER}.attention.qkv", f"{_AUTHORS_LAYER}.0.1.toQKV"),
        (f"{_LAYER}.attention.out", f"{_AUTHORS_LAYER}.0.1.toOut.0"),
        (f"{_LAYER}.mlp_norm", f"{_AUTHORS_LAYER}.1.0.LayerNorm"),
        (f"{_LAYER}.mlp.0", f"{_AUTHORS_LAYER}.1.1.MLP.0"),
        (f"{_LAYER}.mlp.2", f"{_AUTHORS_LAYER}.1.1.MLP.3"),
        (f"{_CTH}.transformer.norm", "Layer{stage}.1.GlobalRep.1.LayerNorm"),
        ("classifier", "Classifier.fc"),
    ),
)

FOREIGN_LAYOUTS: tuple[Layout, ...] = (TIMM_MOBILEVIT, CVNETS_MOBILEVIT, AUTHORS)


def recognise(names: Iterable[str]) -> Layout | None:
    """The foreign layout that ``names`` follow; None for ours and for anything unknown."""
    known = set(names)
    return next((layout for layout in FOREIGN_LAYOUTS if layout.mark in known), None)
