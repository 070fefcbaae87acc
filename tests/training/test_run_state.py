"""A state to resume from is whole, or the one before it is used; and a run records what it was made with."""

import json
import platform
from importlib import metadata

import pytest
from tiny_runs import tiny_recipe, with_one_thread

from hierattn.errors import CheckpointError
from hierattn.run_folder import RunFolder
from hierattn.training.fit import fit
from hierattn.training.run_state import environment, load_state, save_state


@pytest.fixture(autouse=True)
def one_thread():
    yield from with_one_thread()


@pytest.fixture
def recipe(prepared):
    return tiny_recipe(prepared)


def test_a_damaged_last_state_is_named_and_the_one_before_is_used(recipe, tmp_path):
    fit(recipe, tmp_path / "run", device="cpu")
    folder = RunFolder(tmp_path / "run")
    whole = bytearray(folder.last.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    folder.last.write_bytes(whole)
    said = []
    state = load_state(folder, said.append)
    assert "last.ckpt is damaged" in said[0]
    assert state["progress"]["epoch"] == 1


def test_a_state_gives_way_to_the_next_and_both_are_kept(tmp_path):
    folder = RunFolder(tmp_path)
    for step in range(3):
        save_state(folder, {"step": step})
    assert load_state(folder) == {"step": 2}
    folder.last.unlink()
    assert load_state(folder) == {"step": 1}
    folder.previous.write_bytes(b"")
    with pytest.raises(CheckpointError, match="no whole state"):
        load_state(folder, lambda text: None)


def test_a_run_says_what_it_was_made_with():
    made_with = environment()
    assert made_with["packages"]["torch"] == metadata.version("torch")
    assert made_with["python"] == platform.python_version()
    assert json.loads(json.dumps(made_with)) == made_with
