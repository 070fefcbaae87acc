"""The phone's program: PyTorch's numbers on golden images, its description inside, and nothing left of a failure.

Lowering takes ExecuTorch's compiler many seconds, so one small network serves every test.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("executorch", reason="ExecuTorch is not installed: pip install 'hierattn[mobile]'")

from golden_set import check_golden_answers, golden_checkpoint, read_golden, read_picture
from small_checkpoints import ASKED, asking_checkpoint, check_any_answers

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


@pytest.fixture(scope="module")
def run_program(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """The runner of apps/phone, in C++, built against the installed ExecuTorch: its words -> what it printed."""
    import executorch

    cmake = shutil.which("cmake")
    config = Path(next(iter(executorch.__path__))) / "share" / "cmake"
    if cmake is None or shutil.which("c++") is None or not (config / "executorch-config.cmake").is_file():
        pytest.skip("cmake, a C++ compiler and ExecuTorch's headers build the runner")
    build = tmp_path_factory.mktemp("runner")
    source = Path(__file__).parents[3] / "apps" / "phone"
    for words in (["-S", source, "-B", build, f"-Dexecutorch_DIR={config}"], ["--build", build]):
        done = subprocess.run([cmake, *map(str, words)], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(*words: object, code: int = 0) -> str:
        done = subprocess.run([build / "run_program", *map(str, words)], capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        return done.stderr if code else done.stdout

    return run


def test_a_runner_outside_python_gives_the_golden_answers_and_the_description(export, run_program, tmp_path):
    golden, picture = read_golden(), tmp_path / "picture.rgb"
    for row in golden["images"]:
        picture.write_bytes(read_picture(row["resized"]).tobytes())
        probabilities, risk, heatmap = (
            np.array(line.split(), float) for line in run_program(export.path, picture).splitlines()
        )
        wanted = np.array(row["hierattn"]["probabilities"])
        np.testing.assert_allclose(probabilities, wanted, atol=golden["tolerance"])
        group = [code in export.bundle.triage.group for code in export.bundle.classes]
        np.testing.assert_allclose(risk, [wanted @ group], atol=golden["tolerance"])
        assert heatmap.size == 8 * 15 * 15
    assert json.loads(run_program(export.path)) == export.bundle.to_metadata()
    picture.write_bytes(bytes(48 * 48 * 3))
    assert "wanted the network's own size" in run_program(export.path, picture, code=1)


def test_golden_images_get_pytorchs_answers(export):
    check_golden_answers(*load_program(export.path))


def test_a_program_that_asks_gives_pytorchs_numbers_for_any_subset_of_answers(tmp_path, request):
    checkpoint = asking_checkpoint()
    written = export_executorch(wrap(checkpoint), tmp_path / "asking.pte")
    assert written.parity.answers_difference < 1e-4
    answer, bundle = load_program(written.path)
    assert bundle.questions == ASKED
    photo, codes, wanted, alone = check_any_answers(answer, checkpoint)
    (tmp_path / "photo.rgb").write_bytes(photo.tobytes())  # the last answers, outside Python
    lines = request.getfixturevalue("run_program")(written.path, tmp_path / "photo.rgb", *codes[0]).splitlines()
    np.testing.assert_allclose(np.array(lines[0].split(), float), wanted[0], atol=1e-5)
    np.testing.assert_allclose(np.array(lines[-2].split(), float), alone[0], atol=1e-5)


def test_a_program_without_questions_takes_no_answers(export):
    with pytest.raises(UsageError, match="asks nothing"):
        load_program(export.path)[0](np.zeros((64, 64, 3), np.uint8), np.zeros((1, 3), np.float32))


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
