"""Transfer: which weight goes where, by role and shape, with a report (§4.1.1).

From MobileViT into HierAttn: stem, SCADW and CTH blocks. From a checkpoint of ours, or of a peer, to other classes:
everything but the classifier. From the published code: everything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from hierattn.errors import CheckpointError, UsageError
from hierattn.models.checkpoint import Checkpoint, all_finite, load_checkpoint
from hierattn.models.foreign_names import recognise
from hierattn.models.peers import PEERS
from hierattn.models.weight_files import read_state_dict

StateDict = Mapping[str, Tensor]


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

    def to_text(self) -> str:
        """The report as lines to read."""
        flip = "; the stem's input channels were turned round to read RGB" if self.flipped else ""
        lines = [
            f"source: {self.source}",
            f"the source expects {self.channel_order} images{flip}",
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
        """Write :meth:`to_text` to ``path``, under a temporary name first."""
        temporary = path.with_name(path.name + ".part")
        temporary.write_text(self.to_text(), encoding="utf-8")
        os.replace(temporary, path)


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
) -> TransferReport:
    """Copy into ``model`` what agrees in role and shape. The classifier is never copied: its classes are others.

    A layer goes as a whole or not at all: a convolution with its batch normalisation, for instance.

    Parameters
    ----------
    model
        One of the registry's, with fresh weights; changed in place.
    source
        A checkpoint of ours, or names and tensors from elsewhere: timm's MobileViT, the original MobileViT
        (ml-cvnets), the published HierAttn code, or a state of the same network, e.g. torchvision's MobileNetV2.
    channel_order
        What the source's stem expects. ``"auto"``: BGR for the original MobileViT, RGB for all others.

    Raises
    ------
    CheckpointError
        Where a value is not finite or nothing fits. The model is then as it was.
    UsageError
        For another channel order.
    """
    if channel_order not in ("auto", "RGB", "BGR"):
        raise UsageError(f"channel order {channel_order!r}: wanted auto, RGB or BGR")
    tensors = source.state_dict if isinstance(source, Checkpoint) else source
    if not all_finite(tensors):
        raise CheckpointError("the source holds values that are not finite: it is damaged, or its training diverged")
    layout = recognise(tensors)
    names = layout.translate(tensors) if layout else {name: name for name in tensors}
    order = (layout.channel_order if layout else "RGB") if channel_order == "auto" else channel_order

    target = model.state_dict()
    skipped = _reasons(model, target, tensors, names)
    transferred = {ours: names[ours] for ours in target if ours not in skipped}
    if not any(ours in transferred for ours, _ in model.named_parameters()):
        raise CheckpointError(_nothing_fits(model, tensors))
    flipped = order == "BGR"
    stem = next(iter(target))  # the first tensor of every registered model is its first convolution's kernel
    with torch.no_grad():
        for ours, theirs in transferred.items():
            value = tensors[theirs]
            target[ours].copy_(value.flip(1) if flipped and ours == stem else value)
    used = set(transferred.values())
    title = _title(source, layout.title if layout else None)
    return TransferReport(
        source=title,
        channel_order=order,
        flipped=flipped and stem in transferred,
        transferred=transferred,
        skipped=skipped,
        unused={
            name: "left behind: see its counterpart" if name in names.values() and name in _counterparts(names, target) else "no such role here"
            for name in tensors
            if name not in used
        },
        notes=_notes(layout.title if layout else None, model),
    )
