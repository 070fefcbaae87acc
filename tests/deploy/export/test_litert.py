"""The phone's LiteRT model: PyTorch's numbers on golden images, its description inside, nothing left of a failure.

The converter takes a minute a network, so one serves all tests but one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("litert_torch", reason="LiteRT's converter is not installed: pip install 'hierattn[litert]'")

from golden_set import check_golden_answers, golden_checkpoint
from small_checkpoints import ASKED, asking_checkpoint, check_any_answers

from hierattn.deploy.export.litert import export_litert, load_model
from hierattn.deploy.export.onnx import Export
from hierattn.deploy.export.parity import LOSSY
from hierattn.deploy.export.wrapped import wrap
from hierattn.errors import BundleError, ParityError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore")  # the compiler's own


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    out = tmp_path_factory.mktemp("litert") / "deep" / "model.tflite"
    return export_litert(wrap(golden_checkpoint()), out)


def test_golden_images_get_pytorchs_answers(export):
    check_golden_answers(*load_model(export.path))


def test_a_model_that_asks_gives_pytorchs_numbers_for_any_subset_of_answers(tmp_path):
    checkpoint = asking_checkpoint()
    written = export_litert(wrap(checkpoint), tmp_path / "asking.tflite")
    assert written.parity.answers_difference < 1e-4
    answer, bundle = load_model(written.path)
    assert bundle.questions == ASKED
    check_any_answers(answer, checkpoint)


def test_a_model_without_questions_takes_no_answers(export):
    with pytest.raises(UsageError, match="asks nothing"):
        load_model(export.path)[0](np.zeros((64, 64, 3), np.uint8), np.zeros((1, 3), np.float32))


def test_export_was_compared_with_pytorch_and_stands_alone_in_its_folder(export):
    assert export.parity.runtime == "LiteRT"
    assert export.parity.ok
    assert export.parity.difference <= 1e-4
    assert export.operators["CONV_2D"] > 0
    assert not any("FLEX" in name or "CUSTOM" in name for name in export.operators)  # LiteRT's own operators alone
    assert [path.name for path in export.path.parent.iterdir()] == ["model.tflite"]


def test_description_travels_inside(export):
    assert load_model(export.path)[1] == export.bundle


def test_a_model_that_differs_leaves_no_file(tmp_path, export, monkeypatch):
    other = golden_checkpoint()
    other.state_dict["classifier.bias"][0] += 5
    monkeypatch.setattr("hierattn.deploy.export.litert.build_model", lambda wrapped: (export.path.read_bytes(), None))
    with pytest.raises(ParityError, match="LiteRT"):
        export_litert(wrap(other), tmp_path / "model.tflite")
    assert list(tmp_path.iterdir()) == []


def test_other_endings_and_other_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.tflite"):
        export_litert(wrap(golden_checkpoint()), tmp_path / "model.onnx", bounds=LOSSY)
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(b"\x00" * 500)
    with pytest.raises(BundleError, match="no LiteRT model"):
        load_model(foreign)
    with pytest.raises(BundleError, match="cannot be read"):
        load_model(Path(tmp_path / "missing.tflite"))
