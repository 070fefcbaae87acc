"""Golden images: exact inputs and expected outputs that every runtime is held to; ``tests/golden`` holds the files.

``golden.json`` names for each rendered lesion its PNG, the same resized to 64 pixels by Pillow, and what three things
answer: ``small.onnx`` (a bundle of one linear layer, whose answer can be computed on paper), and a HierAttn whose
weights come from a formula, with PyTorch. A browser or a phone can read the same files.

    python tests/support/golden_set.py          # writes them anew
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from hierattn import create_model
from hierattn.bundle.bundle import Bundle
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.image_spec import ImageSpec
from hierattn.models.weights.checkpoint import Checkpoint
from hierattn.taxonomy.built_in import EIGHT

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SIZE = 64
TEMPERATURE = 20.0  # of small.onnx: its answers are then no certainties
OPTIONS: dict[str, Any] = {"transformer_layers": [1, 1, 1]}
SHAPES = {"mel": ("MEL", 64, 64), "nv": ("NV", 90, 120), "bcc": ("BCC", 150, 100), "vasc": ("VASC", 40, 56)}
"""Name -> class, height, width: of the network's size, reduced both ways, and enlarged."""


def check_golden_answers(answer: Callable[[np.ndarray], Mapping[str, np.ndarray]], bundle: Bundle) -> None:
    """Hold an export of :func:`golden_checkpoint` to PyTorch's answers for the golden images."""
    golden = read_golden()
    assert list(bundle.classes) == golden["classes"]
    for row in golden["images"]:
        found = answer(read_picture(row["resized"]))
        wanted = np.array(row["hierattn"]["probabilities"])
        np.testing.assert_allclose(found["probabilities"][0], wanted, atol=golden["tolerance"])
        risk = sum(p for code, p in zip(bundle.classes, wanted, strict=True) if code in bundle.triage.group)
        np.testing.assert_allclose(found["risk"][0], risk, rtol=0, atol=golden["tolerance"])
        assert found["heatmap"].shape == (1, 8, 15, 15)


def golden_checkpoint() -> Checkpoint:
    """A small HierAttn with weights from a formula: the same on every machine and with every version of torch."""
    model = create_model("hierattn_xs", num_classes=len(EIGHT.codes), **OPTIONS)
    state = {}
    for number, (name, values) in enumerate(model.state_dict().items()):
        if not values.is_floating_point():
            state[name] = values
            continue
        places = torch.arange(values.numel(), dtype=torch.float64) + 1
        wave = torch.remainder(places * 0.6180339887498949 + number * 0.4142135623730951, 1.0) * 2 - 1  # -1 to 1
        fan_in = values[0].numel() if values.ndim > 1 else 1
        if values.ndim > 1:
            wave = wave * (3 / fan_in) ** 0.5
        elif name.endswith(("running_var", "norm.weight")) or ("norm" in name and name.endswith("weight")):
            wave = 1 + 0.2 * wave
        else:
            wave = 0.1 * wave
        state[name] = wave.reshape(values.shape).to(torch.float32)
    model.load_state_dict(state)
    _settle(model)
    state = model.state_dict()
    state["classifier.weight"] *= 10
    return Checkpoint("hierattn_xs", EIGHT, ImageSpec(size=SIZE), state, options=OPTIONS)


@torch.no_grad()
def _settle(model: torch.nn.Module) -> None:
    """Give the batch normalisations the statistics of the golden images: without them every image looks the same."""
    pixels = np.stack([read_picture(f"{name}-{SIZE}.png") for name in SHAPES])
    model.eval()
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.train()
            part.reset_running_stats()
            part.momentum = None  # the plain mean over what it sees
    model(torch.from_numpy(ImageSpec(size=SIZE).scale(pixels)))
    model.eval()


def read_golden() -> dict[str, Any]:
    """The contents of ``golden.json``."""
    found: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text())
    return found


def read_picture(name: str) -> np.ndarray:
    """One of the PNG files, uint8 (h, w, 3)."""
    return np.asarray(Image.open(GOLDEN / name).convert("RGB"))


@torch.inference_mode()
def hierattn_probabilities(pixels: np.ndarray) -> np.ndarray:
    """What PyTorch answers for uint8 pixels of the network's size, (C,)."""
    checkpoint = golden_checkpoint()
    logits = checkpoint.build()(torch.from_numpy(checkpoint.image_spec.scale(pixels[None])))
    return torch.softmax(logits.double(), 1)[0].numpy()


def draw() -> dict[str, np.ndarray]:
    """The photographs by name."""
    photos = {}
    for number, (name, (code, height, width)) in enumerate(SHAPES.items()):
        drawn = render_lesion(code, np.random.default_rng(number), 160).image
        photos[name] = np.asarray(Image.fromarray(drawn).resize((width, height), Image.Resampling.BICUBIC))
    return photos


def write_golden() -> None:
    """Render, resize, ask, and write everything."""
    from small_bundles import BUNDLE, write_small_bundle

    from hierattn.deploy.predict.predictor import Predictor

    GOLDEN.mkdir(exist_ok=True)
    bundle = replace(BUNDLE, temperature=TEMPERATURE)
    predictor = Predictor.load(write_small_bundle(GOLDEN / "small.onnx", bundle), threads=1)
    rows = []
    for name, photo in draw().items():  # all of them first: the formula's network looks at them
        Image.fromarray(photo).save(GOLDEN / f"{name}.png", optimize=True)
        Image.fromarray(bundle.image_spec.resize(photo)).save(GOLDEN / f"{name}-{SIZE}.png", optimize=True)
    for name, (_, height, width) in SHAPES.items():
        photo, resized = read_picture(f"{name}.png"), read_picture(f"{name}-{SIZE}.png")
        small = predictor(photo)
        rows.append(
            {
                "image": f"{name}.png",
                "height": height,
                "width": width,
                "resized": f"{name}-{SIZE}.png",
                "small": {"probabilities": list(small.probabilities.values()), "risk": small.risk},
                "hierattn": {"probabilities": hierattn_probabilities(resized).tolist()},
            }
        )
    golden = {
        "format": 1,
        "about": "Rendered lesions. 'small' is what small.onnx answers; 'hierattn' is PyTorch's, for the weights of "
        "tests/support/golden_set.py. A resize may differ from 'resized' by one grey level, probabilities by "
        "'tolerance' where the resized picture is given, and by 'photo_tolerance' where the runtime resizes.",
        "classes": list(EIGHT.codes),
        "size": SIZE,
        "tolerance": 1e-4,
        "photo_tolerance": 0.005,
        "images": rows,
    }
    (GOLDEN / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    write_golden()
