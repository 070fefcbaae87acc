"""Transfer: which weight goes where, by role and shape, with a report (§4.1.1).

From MobileViT into HierAttn: stem, SCADW and CTH blocks. From a checkpoint of ours, or of a peer, to other classes:
everything but the classifier. From the published code: everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from hierattn.errors import CheckpointError, UsageError
from hierattn.files import write_text
from hierattn.models.hierattn import HierAttn
from hierattn.models.weights.checkpoint import Checkpoint, all_finite, load_checkpoint
from hierattn.models.weights.foreign_names import CVNETS_MOBILEVIT, TIMM_MOBILEVIT, Layout, recognise
from hierattn.models.weights.weight_files import read_state_dict

StateDict = Mapping[str, Tensor]
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TransferReport:
    """Which tensors went where, which did not, and why.

    Attributes
    ----------
    source
        What the weights come from, in words.
    channel_order
        Order of the image's channels that the source expects: ``"RGB"`` or ``"BGR"``.
    flipped
        Whether the stem's input channels were turned round, so that the model reads RGB.
    transferred
        Our tensor -> the source's. Training freezes the parameters named here for the first epochs (Table 4).
    skipped
        Our tensor -> why it kept its fresh values.
    unused
        The source's tensor -> why it has no place here.
    notes
        What else to know before using the result.
    """

    source: str
    channel_order: str
    flipped: bool
    transferred: Mapping[str, str]
    skipped: Mapping[str, str]
    unused: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """The report in one line: how much came, from where, and which parts stay fresh."""
        fresh = ", ".join(dict.fromkeys(name.partition(".")[0] for name in self.skipped))
        return (
            f"transferred {len(self.transferred)} of {len(self.transferred) + len(self.skipped)} tensors from "
            f"{self.source}, which expects {self.channel_order} images{self._flip}; fresh: {fresh or 'nothing'}"
        )

    @property
    def _flip(self) -> str:
        return "; the stem's input channels were turned round to read RGB" if self.flipped else ""

    def to_text(self) -> str:
        """The report as lines to read."""
        lines = [
            f"source: {self.source}",
            f"the source expects {self.channel_order} images{self._flip}",
            *self.notes,
            f"transferred: {len(self.transferred)} tensors",
            *(f"  {ours} <- {theirs}" for ours, theirs in self.transferred.items()),
            f"kept fresh: {len(self.skipped)} tensors",
            *(f"  {ours}: {reason}" for ours, reason in self.skipped.items()),
            f"unused in the source: {len(self.unused)} tensors",
            *(f"  {theirs}: {reason}" for theirs, reason in self.unused.items()),
        ]
        return "\n".join(lines) + "\n"

    def save(self, path: Path) -> None:
        """Write :meth:`to_text` to ``path``, whole or not at all."""
        write_text(path, self.to_text())


def load_source(path: Path) -> Checkpoint | dict[str, Tensor]:
    """Read whatever :func:`transfer_weights` takes: a checkpoint of ours, or a file of foreign weights.

    Raises
    ------
    CheckpointError
        Where the file is neither.
    """
    if path.suffix == ".safetensors":
        tensors = read_state_dict(path)
        if recognise(tensors) is not None:
            return tensors
        try:
            return load_checkpoint(path)
        except CheckpointError as error:
            if "without our description" in str(error):
                return tensors
            raise
    return read_state_dict(path)


def transfer_weights(
    model: nn.Module,
    source: Checkpoint | StateDict,
    *,
    channel_order: Literal["auto", "RGB", "BGR"] = "auto",
    classifier: bool = False,
) -> TransferReport:
    """Copy into ``model`` what agrees in role and shape; not the classifier, whose classes are others, unless asked.

    A layer goes as a whole or not at all: a convolution with its batch normalisation, for instance.

    Parameters
    ----------
    model
        One of the registry's, with fresh weights; changed in place.
    source
        A checkpoint of ours, or names and tensors from other sources: timm's MobileViT, the original MobileViT
        (ml-cvnets), the published HierAttn code, or a state of the same network, e.g. torchvision's MobileNetV2.
    channel_order
        What the source's stem expects. ``"auto"``: BGR for the original MobileViT, RGB for all others.
    classifier
        Whether to copy the classifier too: for training on with the same classes in the same order, which the caller
        knows.

    Raises
    ------
    CheckpointError
        Where a value is not finite or nothing fits. The model is then as it was.
    UsageError
        For another channel order.
    """
    if channel_order not in ("auto", "RGB", "BGR"):
        raise UsageError(f"channel order {channel_order!r}: wanted auto, RGB or BGR")
    tensors = source.network_weights if isinstance(source, Checkpoint) else source
    if not all_finite(tensors):
        raise CheckpointError("the source holds values that are not finite: it is damaged, or its training diverged")
    layout = recognise(tensors)
    # A peer reads its own library's names as they are; only HierAttn needs them translated.
    translated = layout is not None and isinstance(model, HierAttn)
    names = layout.translate(tensors) if layout and translated else _own_names(model, tensors)
    order = (layout.channel_order if layout else "RGB") if channel_order == "auto" else channel_order

    target = model.state_dict()
    skipped = _reasons(target, tensors, names, classifier)
    transferred = {ours: names[ours] for ours in target if ours not in skipped}
    if not transferred:
        raise CheckpointError(
            f"nothing of the source fits {type(model).__name__}: it begins with {next(iter(tensors), 'nothing')!r}; "
            "wanted MobileViT, published HierAttn, or the same network"
        )
    flipped = _copy(target, tensors, transferred, bgr=order == "BGR")
    return TransferReport(
        source=_title(source, layout),
        channel_order=order,
        flipped=flipped,
        transferred=transferred,
        skipped=skipped,
        unused=_unused(tensors, names, transferred, skipped),
        notes=_notes(model, layout if translated else None),
    )


def _own_names(model: nn.Module, tensors: StateDict) -> dict[str, str]:
    """Names of the model's -> the source's, for a source of the same network.

    Other implementations of a network call its tensors differently, but hold them in the order in which they compute:
    where no name is ours and all shapes agree in order, but for the classifier's, the order decides.
    """
    target = model.state_dict()
    if not isinstance(model, HierAttn) and not set(target) & set(tensors) and len(target) == len(tensors):
        head = list(target)[-1].rpartition(".")[0] + "."
        pairs = list(zip(target, tensors, strict=True))
        if all(ours.startswith(head) or target[ours].shape == tensors[theirs].shape for ours, theirs in pairs):
            return dict(pairs)
    return {name: name for name in tensors}


def _copy(target: StateDict, tensors: StateDict, transferred: Mapping[str, str], *, bgr: bool) -> bool:
    """Copy ``transferred``, ours -> theirs, into ``target``; whether the stem's input channels were turned round."""
    stem = next(iter(target))  # the first tensor of every registered model is the kernel that reads the image
    flipped = bgr and stem in transferred
    with torch.no_grad():
        for ours, theirs in transferred.items():
            target[ours].copy_(tensors[theirs].flip(1) if flipped and ours == stem else tensors[theirs])
    return flipped


def _unused(
    tensors: StateDict, names: Mapping[str, str], transferred: Mapping[str, str], skipped: Mapping[str, str]
) -> dict[str, str]:
    """Why each tensor of the source that went nowhere has no place here."""
    ours = {theirs: ours for ours, theirs in names.items()}
    return {
        theirs: skipped.get(ours.get(theirs, ""), "no such role here")
        for theirs in tensors
        if ours.get(theirs) not in transferred
    }


def _reasons(target: StateDict, tensors: StateDict, names: Mapping[str, str], with_classifier: bool) -> dict[str, str]:
    """Why each tensor of the target that gets no value gets none; a layer shares the first of its reasons."""
    reasons: dict[str, str] = {}
    classifier = list(target)[-1].rpartition(".")[0]  # the last module of every registered model
    for ours, value in target.items():
        if ours.startswith(classifier + ".") and not with_classifier:
            reasons[ours] = "the classifier is not transferred: its classes are others"
        elif ours not in names:
            reasons[ours] = "no counterpart in the source"
        elif tensors[names[ours]].shape != value.shape:
            there = tuple(tensors[names[ours]].shape)
            reasons[ours] = f"{names[ours]} has shape {there}, wanted {tuple(value.shape)}"
    by_layer: dict[str, str] = {}
    for ours, reason in reasons.items():
        by_layer.setdefault(_layer(ours), f"its layer's {ours} did not fit: {reason}")
    for ours in target:
        if ours not in reasons and _layer(ours) in by_layer:
            reasons[ours] = by_layer[_layer(ours)]
    return {ours: reasons[ours] for ours in target if ours in reasons}


def _layer(name: str) -> str:
    """The layer of a tensor: a convolution and its normalisation are one, whatever else is a layer by itself."""
    module = name.rpartition(".")[0]
    parent, _, last = module.rpartition(".")
    return parent if last in ("conv", "norm", "bn") and parent else module


def _title(source: Checkpoint | StateDict, layout: Layout | None) -> str:
    if isinstance(source, Checkpoint):
        return f"a checkpoint of {source.model} with the classes {', '.join(source.classes)}"
    return layout.title if layout else "weights under this model's own names"


def _notes(model: nn.Module, layout: Layout | None) -> tuple[str, ...]:
    if layout in (TIMM_MOBILEVIT, CVNETS_MOBILEVIT):
        return (
            "images in [0, 1] without mean and std, as HierAttn reads them",
            "MobileViT's transformers use SiLU, HierAttn's GELU; its batch norms eps 1e-5, HierAttn's 1e-3",
        )
    if layout is None and type(model).__module__.startswith("torchvision."):
        return (f"torchvision's ImageNet weights expect images with mean {IMAGENET_MEAN} and std {IMAGENET_STD}",)
    return ()
