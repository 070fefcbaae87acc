"""Damaged and hostile files give an answer or one line: in a process of its own, with little memory and an alarm.

``python tests/support/hostile_files.py`` does the same with as many files as one likes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hostile_files import good_photographs, spoil_bytes
from small_bundles import BUNDLE, small_graph, write_model

from hierattn.deploy.export.executorch import load_program
from hierattn.deploy.export.phone_file import SEAL, seal, unseal
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.session import MAX_MEMORY
from hierattn.errors import BundleError

HERE = Path(__file__).resolve().parents[1] / "support"


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is bounded on Linux only")
@pytest.mark.parametrize(("kind", "files"), [("onnx", 250), ("photographs", 500)])
def test_spoilt_files_give_an_answer_or_one_line(kind, files, tmp_path):
    command = [sys.executable, str(HERE / "hostile_files.py"), kind, "--files", str(files), "--seed", "7"]
    done = subprocess.run(
        [*command, "--keep", str(tmp_path / "last")], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert sum(found["outcomes"].values()) == files
    assert any("answer" in name for name in found["outcomes"])  # some damage does no harm
    assert any("Error" in name for name in found["outcomes"])


def test_damage_is_the_same_for_the_same_seed_and_changes_the_file():
    good = good_photographs()["png"]
    spoilt = [spoil_bytes(good, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert spoilt[0] == spoilt[1] != spoilt[2]
    assert good not in spoilt


def larger(model: onnx.ModelProto, name: str, values: list[int]) -> None:
    tensor = next(one for one in model.graph.initializer if one.name == name)
    tensor.CopyFrom(onnx.numpy_helper.from_array(np.array(values, np.int64), name))


@pytest.mark.parametrize(
    ("name", "values", "wanted"),
    [("sizes", [60_000, 60_000], 3 * 60_000**2), ("repeats", [1, 1, 40_000, 4_000], 4 * 8 * 40_000 * 4_000)],
    ids=["resize", "tile"],
)
def test_a_graph_that_asks_for_gigabytes_is_refused_by_the_runtime(tmp_path, name, values, wanted):
    """Without a limit on the process: the bound is the arena's."""
    model = small_graph()
    larger(model, name, values)
    predictor = Predictor.load(write_model(tmp_path / "greedy.onnx", model, BUNDLE.to_metadata()), threads=1)
    assert wanted > MAX_MEMORY  # bytes
    with pytest.raises(BundleError, match="graph failed"):
        predictor(np.full((64, 64, 3), 120, np.uint8), heatmap=True)


def test_a_graph_that_wants_a_huge_batch_is_refused_before_one_is_made(tmp_path):
    model = small_graph()
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_value = 1_048_575
    predictor = Predictor.load(write_model(tmp_path / "crowd.onnx", model, BUNDLE.to_metadata()), threads=1)
    with pytest.raises(BundleError, match="1,048,575 images at a time"):
        predictor(np.full((64, 64, 3), 120, np.uint8))


PROGRAM = seal(b"\x00\x00\x00\x00ET12" + np.random.default_rng(5).bytes(3000))
"""Sealed as an export is; nothing here comes so far that ExecuTorch would be needed."""


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_program_is_refused_before_executorch_sees_it(tmp_path, seed):
    damaged = spoil_bytes(PROGRAM, np.random.default_rng(seed))
    assert damaged != PROGRAM
    (tmp_path / "model.pte").write_bytes(damaged)
    with pytest.raises(BundleError, match=r"is damaged|does not end in a checksum|is no ExecuTorch program") as refused:
        load_program(tmp_path / "model.pte")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("place", range(-48, 0))
def test_no_byte_of_the_checksum_can_change(place):
    changed = bytearray(PROGRAM)
    changed[place] ^= 1
    with pytest.raises(BundleError):
        unseal(bytes(changed), "model.pte")


def test_a_whole_program_is_given_on_without_its_checksum():
    program = unseal(PROGRAM, "model.pte")
    assert (len(PROGRAM) - len(program), SEAL in program) == (48, False)
    assert seal(program) == PROGRAM


def test_a_program_of_an_earlier_version_is_told_to_be_exported_again(tmp_path):
    (tmp_path / "model.pte").write_bytes(unseal(PROGRAM, "model.pte"))
    with pytest.raises(BundleError, match=r"does not end in a checksum: wanted a whole file of this version; export"):
        load_program(tmp_path / "model.pte")
