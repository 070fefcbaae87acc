"""A small HierAttn's checkpoint, as if it had been trained on rendered lesions, and a bundle of one that asks."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from noise_runs import TINY

from hierattn import create_model
from hierattn.deploy.export.onnx import build_graph, publish
from hierattn.deploy.export.parity import Answer
from hierattn.deploy.export.wrapped import wrap
from hierattn.image_spec import ImageSpec
from hierattn.models.asking import AskingNetwork, asking
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.taxonomy.built_in import EIGHT, PAD
from hierattn.taxonomy.questions import AGE, GREW, SITE
from hierattn.taxonomy.records import Taxonomy

SIZE = 64
OPTIONS = {"transformer_layers": [1, 1, 1]}
ASKED = (AGE, SITE, GREW)


def make_checkpoint(seed: int = 0, taxonomy: Taxonomy = EIGHT) -> Checkpoint:
    """A small HierAttn with random weights and statistics, as if it had been trained on rendered lesions."""
    torch.manual_seed(seed)
    model = create_model("hierattn_xs", num_classes=len(taxonomy.codes), **OPTIONS)
    model.train()
    with torch.no_grad():
        for _ in range(4):  # fill the batch normalisations' running statistics with something other than 0 and 1
            model(torch.rand(4, 3, SIZE, SIZE))
        model.classifier.weight.mul_(4)
    return Checkpoint(
        model="hierattn_xs",
        taxonomy=taxonomy,
        image_spec=ImageSpec(size=SIZE),
        state_dict=model.state_dict(),
        options=OPTIONS,
        recipe={"name": "small", "optimiser": {"epochs": 1}},
        provenance={
            "hierattn": "0.1.0",
            "commit": "abc",
            "source": "synthetic",
            "licence": "CC0-1.0",
            "training_images": 40,
            "validation": {"validation_top1": float("nan")},
        },
    )


def asking_checkpoint() -> Checkpoint:
    """Of a tiny network that asks and was never trained, but whose answers count."""
    torch.manual_seed(0)
    model = asking(create_model("hierattn_xs", num_classes=6, **TINY), ASKED, 6).eval()
    torch.nn.init.normal_(model.head.classifier.weight)  # as if it were trained
    with torch.no_grad():
        model.head.answers.weight.mul_(6)  # so that some answers raise the risk and others lower it
    options = {"kind": "concatenation", "width": 32, "dropout": 0.2}
    return Checkpoint(
        "hierattn_xs", PAD.asking(ASKED), ImageSpec(size=64), model.state_dict(), options=TINY, answers=options
    )


def check_any_answers(answer: Answer, checkpoint: Checkpoint) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hold an export of :func:`asking_checkpoint` to PyTorch for any subset of answers.

    The photograph, and of the last subset, in which all is answered, its codes and PyTorch's probabilities with and
    without them.
    """
    model = checkpoint.build().eval()
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    pixels = torch.from_numpy(photo[None]).permute(0, 3, 1, 2) / 255
    with torch.inference_mode():
        alone = model(pixels).softmax(1).numpy()
    np.testing.assert_allclose(answer(photo)["probabilities"], alone, atol=1e-5)
    for told in itertools.product(("", "54"), ("", "nose"), ("", "yes")):
        codes = np.array([[question.code(value) for question, value in zip(ASKED, told, strict=True)]], np.float32)
        found = answer(photo, codes)
        with torch.inference_mode():
            wanted = model(pixels, torch.from_numpy(codes)).softmax(1).numpy()
        np.testing.assert_allclose(found["probabilities"], wanted, atol=1e-5)
        np.testing.assert_allclose(found["photo_probabilities"], alone, atol=1e-5)
        np.testing.assert_array_equal(found["heatmap"], answer(photo)["heatmap"])
    return photo, codes, wanted, alone


@cache
def _asking_graph() -> bytes:
    """Traced once a process, which takes longer than all that is done with it."""
    return build_graph(wrap(asking_checkpoint()).network).SerializeToString()


def write_asking_bundle(path: Path, **described: Any) -> AskingNetwork:
    """Export a bundle of :func:`asking_checkpoint`; its network.

    ``described`` are values that the bundle says of itself in place of its own.
    """
    wrapped = wrap(asking_checkpoint())
    graph = onnx.load_from_string(_asking_graph())
    publish(graph, path, replace(wrapped, bundle=replace(wrapped.bundle, **described)))
    model = wrapped.checkpoint.build()
    assert isinstance(model, AskingNetwork)
    return model.eval()
