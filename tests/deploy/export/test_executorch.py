"""The phone's program: PyTorch's numbers on golden images, its description inside, and nothing left of a failure.

Lowering takes ExecuTorch's compiler many seconds, so one small network serves every test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("executorch", reason="ExecuTorch is not installed: pip install 'hierattn[mobile]'")

from golden_set import golden_checkpoint, read_golden, read_picture

from hierattn.deploy.export.executorch import export_executorch, load_program
from hierattn.deploy.export.onnx import Export
from hierattn.deploy.export.parity import LOSSY
from hierattn.deploy.export.wrapped import wrap
from hierattn.errors import BundleError, ParityError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore")  # the compiler's own


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    out = tmp_path_factory.mktemp("program") / "deep" / "model.pte"
    return export_executorch(wrap(golden_checkpoint()), out)


def test_golden_images_get_pytorchs_answers(export):
    answer, bundle = load_program(export.path)
    golden = read_golden()
    assert list(bundle.classes) == golden["classes"]
    for row in golden["images"]:
        found = answer(read_picture(row["resized"]))
        wanted = np.array(row["hierattn"]["probabilities"])
        np.testing.assert_allclose(found["probabilities"][0], wanted, atol=golden["tolerance"])
        risk = sum(p for code, p in zip(bundle.classes, wanted, strict=True) if code in bundle.triage.group)
        assert found["risk"][0] == pytest.approx(risk, abs=golden["tolerance"])
        assert found["heatmap"].shape == (1, 8, 15, 15)


def test_export_was_compared_with_pytorch_and_runs_on_xnnpack(export):
    assert export.parity.runtime == "ExecuTorch"
    assert export.parity.ok
    assert export.parity.difference <= 1e-4
    assert export.operators["executorch_call_delegate"] > 0
    assert [path.name for path in export.path.parent.iterdir()] == ["model.pte"]


def test_description_travels_inside(export):
    assert load_program(export.path)[1] == export.bundle


def test_a_program_that_differs_leaves_no_file(tmp_path, export, monkeypatch):
    other = golden_checkpoint()
    other.state_dict["classifier.bias"][0] += 5
    monkeypatch.setattr(
        "hierattn.deploy.export.executorch.build_program", lambda wrapped: (export.path.read_bytes(), None)
    )
    with pytest.raises(ParityError, match="ExecuTorch"):
        export_executorch(wrap(other), tmp_path / "model.pte")
    assert list(tmp_path.iterdir()) == []


def test_other_endings_and_other_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.pte"):
        export_executorch(wrap(golden_checkpoint()), tmp_path / "model.onnx", bounds=LOSSY)
    foreign = tmp_path / "foreign.pte"
    foreign.write_bytes(b"\x00" * 500)
    with pytest.raises(BundleError, match="no ExecuTorch program"):
        load_program(foreign)
    with pytest.raises(BundleError, match="cannot be read"):
        load_program(Path(tmp_path / "missing.pte"))
