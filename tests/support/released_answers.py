"""What the released bundles answer to photographs that anyone can draw again; ``tests/golden/released.json`` holds it.

python tests/support/released_answers.py          # writes it anew, for new released bundles alone
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from PIL import Image

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.released import NAMES
from hierattn.taxonomy.built_in import EIGHT

CODES = EIGHT.codes

ANSWERS = Path(__file__).resolve().parents[1] / "golden" / "released.json"


def photographs() -> dict[str, np.ndarray]:
    """Rendered lesions of every class, and pictures that are odd in shape, light or content."""
    lesions = [render_lesion(CODES[n % len(CODES)], np.random.default_rng(1000 + n), 256).image for n in range(12)]
    surrounded = np.zeros((400, 400, 3), np.uint8)
    surrounded[72:328, 72:328] = lesions[0]
    return {
        **{f"lesion {number}": lesion for number, lesion in enumerate(lesions)},
        "wide": np.asarray(Image.fromarray(lesions[0]).resize((700, 320))),
        "tall": np.asarray(Image.fromarray(lesions[0]).resize((300, 900))),
        "noise": np.random.default_rng(5).integers(0, 256, (300, 280, 3), dtype=np.uint8),
        "grey": np.full((256, 256, 3), 128, np.uint8),
        "dark surround": surrounded,
        "dark": (lesions[0] // 5).astype(np.uint8),
    }


def answers(name: str) -> dict[str, dict[str, Any]]:
    """Photograph -> what the released bundle called ``name`` answers, without the time it took."""
    predictor = Predictor.load(name, threads=1)
    found = {}
    for drawn, photo in photographs().items():
        diagnosis = predictor(photo, heatmap=True)
        heatmap = diagnosis.heatmap
        assert heatmap is not None
        found[drawn] = {
            "probabilities": diagnosis.probabilities,
            "risk": diagnosis.risk,
            "level": diagnosis.advice.level,
            "problems": list(diagnosis.quality.problems),
            "sets": [list(rule.classes) for rule in diagnosis.prediction_sets],
            "heatmap_range": [float(heatmap.min()), float(heatmap.max())],
        }
    return found


def conditions() -> dict[str, str]:
    """What rounds: the runtime's version, and the widest vectors of the processor."""
    return {"runtime": onnxruntime.__version__, "processor": torch.backends.cpu.get_cpu_capability()}


def main() -> None:
    """Ask all bundles and write their answers."""
    contents = {**conditions(), "answers": {name: answers(name) for name in NAMES}}
    ANSWERS.write_text(json.dumps(contents, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
