import os

import pytest
from killed_folds import Killer, assert_nothing_lost_and_nothing_twice, short_recipe, uninterrupted

from hierattn.training.cross_validation import fold_processes
from hierattn.training.cross_validation.cross_validate import CrossValidationOptions, cross_validate


def test_a_killed_process_is_replaced_loses_nothing_and_runs_nothing_twice(prepared, tmp_path):
    recipe = short_recipe(prepared, epochs=6)
    killer = Killer(fold=1)
    result = cross_validate(
        recipe,
        tmp_path / "cv",
        CrossValidationOptions([0, 1], jobs=2, device="cpu", threads=1, save_every=1),
        listener=killer,
    )
    assert killer.killed
    assert any("fold 1" in text and "SIGKILL" in text for text in killer.said)
    assert_nothing_lost_and_nothing_twice(result, 1, uninterrupted(recipe, 1, tmp_path / "alone"))


@pytest.mark.parametrize(("visible", "wanted"), [("3,5", ["3", "5", "3"]), ("7", ["7", "7", "7"])])
def test_each_worker_takes_its_own_of_the_gpus_that_are_visible(visible, wanted, monkeypatch):
    taken = []
    for slot in range(3):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        fold_processes._use_one_gpu(slot)
        taken.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert taken == wanted
