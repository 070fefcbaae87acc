"""A full memory is recognised, and answered with the batch that fits."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_runs import tiny_recipe

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.run_folder import RunFolder
from hierattn.training.devices import create_fabric
from hierattn.training.memory import fitting_batch, is_out_of_memory, roomy_batch
from hierattn.training.recipe import Recipe


@pytest.fixture
def recipe(prepared):
    return tiny_recipe(prepared)


def test_a_full_memory_stops_with_the_batch_that_fits(recipe, tmp_path):
    values = recipe.to_dict()
    values["data"]["epoch_images"] = values["optimiser"]["batch_size"] = 256
    Recipe.from_dict(values).save(tmp_path / "recipe.toml")
    code = (
        "import re, resource, sys, torch; torch.set_num_threads(1); from pathlib import Path\n"
        "from torch.utils.tensorboard import SummaryWriter\n"
        "from hierattn.errors import TrainingError\n"
        "from hierattn.training.fit import fit; from hierattn.training.recipe import Recipe\n"
        "used = int(re.search(r'VmSize:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) * 1024\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 500 * 1024**2,) * 2)\n"
        "try: fit(Recipe.load(Path(sys.argv[1])), Path(sys.argv[2]), device='cpu')\n"
        "except TrainingError as error: print(error)\n"
    )
    if not Path("/proc/self/status").exists():
        pytest.skip("this system cannot limit a process's memory as Linux does")
    words = [sys.executable, "-c", code, str(tmp_path / "recipe.toml"), str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    told = re.search(r"with a batch of 256.* a batch of \d+ fits: optimiser\.batch_size=(\d+)", done.stdout)
    assert told, done.stdout + done.stderr[-2000:]
    assert 16 <= int(told[1]) <= 128  # and not 0 or 2, as where the failed step still holds its memory


def test_a_batch_is_found_for_a_folder_that_holds_no_run_as_a_dry_run_s(recipe, tmp_path):
    eight = replace(recipe, optimiser=replace(recipe.optimiser, batch_size=8))
    packed = PackedSet.open(Path(recipe.data.prepared))
    assert roomy_batch(eight, RunFolder(tmp_path), packed, create_fabric("cpu", eight)) == 2  # half of 4
    assert not list(tmp_path.iterdir())


def test_the_largest_power_of_two_below_the_batch_that_fits_is_found_from_below():
    tried = []

    def attempt(batch):
        tried.append(batch)
        if batch > 9:
            raise MemoryError

    assert fitting_batch(attempt, 64) == 8
    assert tried == [2, 4, 8, 16]
    assert fitting_batch(lambda batch: None, 6) == 4
    with pytest.raises(ValueError, match="another"):
        fitting_batch(lambda batch: int("another"), 64)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("shapes do not match"), False),
        (OSError("No space left on device"), False),
    ],
)
def test_a_full_memory_is_told_from_other_failures(error, full):
    assert is_out_of_memory(error) == full
