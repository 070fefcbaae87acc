"""The teachers of knowledge distillation: their averaged probabilities (Hinton et al. 2015) and their features.

They never change, so each is made fast once: batch normalisations folded into the convolutions, channels last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import normalise
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.models.weights.folded_mobilenet import load_folded_mobilenet_v2
from hierattn.models.weights.trained_on import TrainedOn
from hierattn.training.teaching.feature_matching import LastLayerInput
from hierattn.training.teaching.held_out import Admission
from hierattn.training.teaching.starting_weights import FOREIGN, load_ours


@dataclass(frozen=True)
class Lesson:
    """The targets that teachers give for a batch.

    Attributes
    ----------
    logits
        (batch, classes) in the run's order: the logarithm of the mean of their probabilities, or the one teacher's own
        logits; None where no teacher has a classifier.
    features
        (batch, width): the inputs of their last layers, concatenated over teachers, standardised; None where the
        recipe asks for none.
    """

    logits: Tensor | None
    features: Tensor | None


class Teachers:
    """The teachers of a run.

    Parameters
    ----------
    paths
        Checkpoints or bundles of ours with the classes of the run, in any order, or a folded MobileNetV2's ``.npz``.
    admission
        Of the run.
    images
        Some training images, float (batch, 3, h, w) in [0, 1]: over them features are standardised.
    with_features
        Whether their features are asked for.
    device
        Where the images lie.

    Attributes
    ----------
    trained_on
        The photographs that they have seen.
    classify
        Whether any of them has a classifier.
    width
        Of their features, all together.

    Raises
    ------
    CheckpointError, UsageError, LeakError
        Where there is none, its classes or image size differ, it has seen what this run must not, or nothing is asked
        of it.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        admission: Admission,
        *,
        images: Tensor,
        with_features: bool,
        device: torch.device,
    ) -> None:
        classes, spec = admission.classes, admission.spec
        self.trained_on = TrainedOn()
        self._teachers: list[_Teacher] = []
        for path in paths:
            if path.suffix == ".npz":
                if not with_features:
                    raise UsageError(f"{path} has no classifier to distil from: set distillation.features too")
                admission.warn(FOREIGN.format(path=path))
                teacher = _Teacher(load_folded_mobilenet_v2(path), spec, None)
            else:
                checkpoint = load_ours(path)
                trained_on = admission.held_out.refuse_seen_by(checkpoint, path, admission.warn)
                self.trained_on = self.trained_on.joined(trained_on)
                _check(checkpoint, path, classes, spec)
                order = torch.tensor([checkpoint.classes.index(code) for code in classes], device=device)
                teacher = _Teacher(checkpoint.build(), checkpoint.image_spec, order)
            teacher.model.to(device)
            self._teachers.append(teacher)
        self.classify = any(teacher.order is not None for teacher in self._teachers)
        self._with_features = with_features
        self._mean, self._deviation = torch.zeros(1, device=device), torch.ones(1, device=device)
        if with_features:
            seen = self.answer(images.to(device)).features
            assert seen is not None
            self._mean, self._deviation = seen.mean(0), seen.std(0).clamp_min(1e-6)
            self.width = seen.shape[1]

    @torch.no_grad()
    def answer(self, images: Tensor) -> Lesson:
        """Their targets for ``images``, (batch, 3, h, w) in [0, 1]."""
        if images.device.type == "cpu":
            images = images.contiguous(memory_format=torch.channels_last)
        answers = [(teacher, teacher.model(normalise(images, teacher.spec))) for teacher in self._teachers]
        logits = [answer.float()[:, teacher.order] for teacher, answer in answers if teacher.order is not None]
        features = None
        if self._with_features:
            read = torch.cat([teacher.last.taken() for teacher in self._teachers], dim=1)
            features = (read - self._mean) / self._deviation
        return Lesson(_average(logits), features)


class _Teacher:
    def __init__(self, model: nn.Module, spec: ImageSpec, order: Tensor | None) -> None:
        fold_norms(model)
        self.model = model.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.spec, self.order = spec, order
        self.last = LastLayerInput(self.model)


def _average(logits: Sequence[Tensor]) -> Tensor | None:
    if len(logits) < 2:
        return logits[0] if logits else None
    return torch.stack([values.softmax(1) for values in logits]).mean(0).clamp_min(1e-12).log()


def _check(checkpoint: Checkpoint, path: Path, classes: tuple[str, ...], spec: ImageSpec) -> None:
    if set(checkpoint.classes) != set(classes):
        raise UsageError(
            f"the teacher {path} knows {', '.join(checkpoint.classes)}: wanted {', '.join(classes)}, the run's"
        )
    if checkpoint.image_spec.size != spec.size:
        raise UsageError(
            f"the teacher {path} reads images of {checkpoint.image_spec.size} pixels, the set has {spec.size}: "
            "train it on this set"
        )


def fold_norms(model: nn.Module) -> int:
    """Fold each batch normalisation that follows a convolution in a ``Sequential`` into it; returns how many.

    ``model`` is changed in place, put into evaluation mode, and answers as before.
    """
    folded = 0
    model.eval()
    fold: Callable[[nn.Module, nn.Module], nn.Module] = fuse_conv_bn_eval  # type: ignore[assignment]
    for part in model.modules():
        if not isinstance(part, nn.Sequential):
            continue
        names = list(part._modules)
        for first, second in pairwise(names):
            convolution, norm = part._modules[first], part._modules[second]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                part._modules[first], part._modules[second] = fold(convolution, norm), nn.Identity()
                folded += 1
    return folded
