"""The light install stays light: looking at a photograph loads neither torch nor OpenCV nor the plotting libraries."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_bundles import write_small_bundle

from hierattn.data.rendered.rendered_set import render_lesion

HEAVY = ("torch", "torchvision", "timm", "cv2", "sklearn", "pandas", "matplotlib", "onnx", "lightning", "scipy")
LOADED = "import sys; found = [name for name in {heavy!r} if name in sys.modules]; assert not found, found"


def in_fresh_process(code: str) -> None:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "module",
    ["hierattn", "hierattn.deploy", "hierattn.deploy.predict.predictor", "hierattn.bundle.bundle", "hierattn.cli.main"],
)
def test_import_loads_nothing_heavy(module):
    in_fresh_process(f"import {module}; " + LOADED.format(heavy=HEAVY))


def test_importing_the_predictor_does_not_start_onnxruntime():
    in_fresh_process("import hierattn.deploy.predict.predictor; " + LOADED.format(heavy=("onnxruntime",)))


def test_predicting_loads_nothing_heavy(tmp_path: Path):
    write_small_bundle(tmp_path / "model.onnx")
    Image.fromarray(render_lesion("NV", np.random.default_rng(0), 128).image).save(tmp_path / "photo.png")
    call = f"from hierattn.deploy.predict.predictor import Predictor; Predictor.load({str(tmp_path / 'model.onnx')!r})"
    in_fresh_process(f"{call}({str(tmp_path / 'photo.png')!r}); " + LOADED.format(heavy=HEAVY))
