"""The light install stays light: looking at a photograph loads neither torch nor OpenCV nor the plotting libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_bundles import write_small_bundle

import hierattn
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


@pytest.mark.parametrize("module", ["hierattn.evaluation.report", "hierattn.evaluation.pages.model_card"])
def test_a_report_is_read_and_a_card_written_without_torch(module):
    in_fresh_process(f"import {module}; " + LOADED.format(heavy=("torch", "torchvision", "timm")))


def test_the_three_doors_open_when_they_are_used_and_only_what_they_need_is_loaded():
    in_fresh_process("from hierattn import Predictor; Predictor.load; " + LOADED.format(heavy=HEAVY))
    in_fresh_process(
        "import hierattn; assert callable(hierattn.create_model); assert 'hierattn_xs' in hierattn.list_models()"
    )
    with pytest.raises(AttributeError, match="no attribute 'create_modle'"):
        hierattn.create_modle  # noqa: B018


def test_type_checkers_are_told_of_the_same_doors():
    stub = ast.parse(Path(hierattn.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imported = {alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == set(hierattn.__all__)


def test_predicting_loads_nothing_heavy(tmp_path: Path):
    write_small_bundle(tmp_path / "model.onnx")
    Image.fromarray(render_lesion("NV", np.random.default_rng(0), 128).image).save(tmp_path / "photo.png")
    call = f"from hierattn.deploy.predict.predictor import Predictor; Predictor.load({str(tmp_path / 'model.onnx')!r})"
    in_fresh_process(f"{call}({str(tmp_path / 'photo.png')!r}); " + LOADED.format(heavy=HEAVY))


def test_a_command_loads_no_other_command_and_the_version_none(tmp_path: Path):
    write_small_bundle(tmp_path / "model.onnx")
    Image.fromarray(render_lesion("NV", np.random.default_rng(0), 128).image).save(tmp_path / "photo.png")
    code = """
import sys
sys.argv = ["hierattn", *{words!r}]
from hierattn.__main__ import main
try:
    main()
except SystemExit:
    pass
own = {{name for name in sys.modules if name.startswith("hierattn.cli.")}}
others = own - {{f"hierattn.cli.{{name}}" for name in {known!r}}}
assert not others, others
"""
    predict = ["predict", str(tmp_path / "photo.png"), "--model", str(tmp_path / "model.onnx")]
    version = code.format(words=["--version"], known=["main", "console"])
    in_fresh_process(version + LOADED.format(heavy=("numpy", "importlib.metadata", "tomllib")))
    in_fresh_process(code.format(words=predict, known=["main", "console", "predict", "which_model"]))
