"""Two processes train as one: same batch, same learning curve, figures over all images."""

import os
import platform
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from hierattn.errors import UsageError
from hierattn.models.weights.checkpoint import load_checkpoint
from hierattn.run_folder import RunFolder
from hierattn.training.devices import create_fabric, my_share
from hierattn.training.fit import fit
from hierattn.training.listener import Silent
from hierattn.training.recipe import Recipe


@pytest.fixture
def recipe(prepared):
    """Without dropout and stochastic depth, whose draws differ from process to process."""
    still = {"stochastic_depth": 0.0, "transformer_dropout": 0.0, "head_dropout": 0.0}
    return Recipe.from_dict(
        {
            "name": "tiny",
            "seed": 5,
            "data": {"prepared": str(prepared), "epoch_images": 48},
            "model": {"name": "hierattn_xs", "options": still},
            "optimiser": {"epochs": 2, "batch_size": 16, "warmup_epochs": 1, "averaging": 0.5, "learning_rate": 5e-4},
        }
    )


def with_two_processes(recipe, out, *more):
    recipe.save(out.with_suffix(".toml"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "hierattn"]
    train = ["train", str(out.with_suffix(".toml")), "--out", str(out), "--device", "cpu", "--threads", "1", *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *train], capture_output=True, text=True, timeout=300, env=environment)


def test_two_processes_have_the_learning_curve_of_one(recipe, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    fit(recipe, tmp_path / "one", device="cpu")
    torch.set_num_threads(threads)
    done = with_two_processes(recipe, tmp_path / "two")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("Best epoch") == 1  # one process speaks
    one, two = (RunFolder(tmp_path / run).read_log() for run in ("one", "two"))
    assert len(one) == len(two) == 2
    # Rounding differs, and near chance it swaps the ranks of images that are almost equal.
    tolerance = {"learning_rate": 1e-9, "train_loss": 1e-3, "validation_loss": 1e-3, "train_top1": 0.03}
    tolerance |= {"validation_top1": 0.03, "validation_balanced_accuracy": 0.03, "validation_macro_auc": 0.02}
    for row, other in zip(one, two, strict=True):
        for column, allowed in tolerance.items():
            assert float(other[column]) == pytest.approx(float(row[column]), abs=allowed), column
    single, shared = (load_checkpoint(tmp_path / run / "best.safetensors").state_dict for run in ("one", "two"))
    assert set(single) == set(shared)
    # The statistics are of all 16 images of a batch: of 8 they would differ in the first digits.
    torch.testing.assert_close(shared["stem.norm.running_var"], single["stem.norm.running_var"], rtol=1e-3, atol=1e-5)
    assert [start["step"] for start in RunFolder(tmp_path / "two").read_starts()] == [0]


def test_a_batch_that_cannot_be_shared_is_refused(recipe, monkeypatch):
    torchrun = {"RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0", "WORLD_SIZE": "3", "LOCAL_WORLD_SIZE": "3"}
    elastic = {"TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in {**torchrun, **elastic}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="multiple of 3"):
        create_fabric("cpu", recipe)


def test_one_process_takes_the_whole_batch_and_an_unknown_device_is_an_error(recipe):
    fabric = create_fabric("cpu", recipe)
    assert my_share(fabric, 16) == slice(0, 16)
    with pytest.raises(UsageError, match="tpu"):
        create_fabric("tpu", recipe)


@pytest.mark.parametrize(
    ("machine", "capability", "taken"),
    [
        ("x86_64", "AVX2", "32-true"),
        ("AMD64", "DEFAULT", "32-true"),
        ("x86_64", "AVX512", "bf16-mixed"),
        ("arm64", "DEFAULT", "bf16-mixed"),
    ],
)
def test_a_processor_that_only_imitates_bfloat16_computes_in_float32(recipe, monkeypatch, machine, capability, taken):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    asked = replace(recipe, precision="bf16-mixed")
    with create_fabric("cpu", asked).autocast():
        computed = torch.ones(2, 2) @ torch.ones(2, 2)
    assert computed.dtype == {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}[taken]


def test_a_run_keeps_what_it_computed_in(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    said = Told()
    short = replace(recipe, precision="bf16-mixed", optimiser=replace(recipe.optimiser, epochs=1, warmup_epochs=0))
    fit(replace(short, data=replace(recipe.data, epoch_images=16)), tmp_path / "run", device="cpu", listener=said)
    assert RunFolder(tmp_path / "run").read_starts()[0]["precision"] == "32-true"
    assert RunFolder(tmp_path / "run").read_recipe()["precision"] == "bf16-mixed"
    assert any("without AVX-512" in note for note in said.notes)


class Told(Silent):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
