"""What a bundle would answer for photographs, and which it would reject: for measuring under a change of source.

The network is the one that a bundle holds, novelty included, and the photographs pass the same checks as a patient's,
except what packed images do not show: their size is the network's, and balanced colours are not the camera's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from hierattn.deploy.export.exportable import CalibratedNetwork
from hierattn.deploy.export.own_images import OwnImages
from hierattn.deploy.export.rejection.fit import fit_rejection
from hierattn.evaluation.measures.shift import Answers
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.photo_quality import UNLIKE, hidden_problems, judge_photo

UNFIT = "unfit"
"""Blurred, flat, dark, bright, glaring or miscoloured, in ``photo_quality.py``'s words."""


def make_screening(
    model: nn.Module, own: OwnImages, spec: ImageSpec, classes: Sequence[str]
) -> Callable[[np.ndarray], Answers]:
    """A function from images, uint8 (N, size, size, 3), to the answers to them.

    Parameters
    ----------
    model
        On the CPU.
    own
        What the run was trained on: novelty is fitted on its training images, and its threshold on the inner fold.
    spec
        The model's.
    classes
        Codes of its classes, in order.
    """
    novelty = fit_rejection(model, own, spec, classes)
    network = CalibratedNetwork(
        model, spec, [0.0] * len(classes), heatmap=False, novelty=None if novelty is None else novelty.layer
    )

    not_judged = hidden_problems(spec)

    @torch.inference_mode()
    def screen(images: np.ndarray) -> Answers:
        answer = dict(zip(network.output_names, network(torch.from_numpy(images)), strict=True))
        rejected = {UNFIT: np.array([not not_judged.issuperset(judge_photo(image).problems) for image in images])}
        if novelty is not None:
            rejected[UNLIKE] = answer["novelty"].numpy() >= novelty.description["threshold"]
        return Answers(answer["probabilities"].double().numpy(), rejected)

    return screen
