import pytest
from killed_folds import Killer, assert_nothing_lost_and_nothing_twice, short_recipe, uninterrupted

from hierattn.training.cross_validation.cross_validate import CrossValidationOptions, cross_validate


@pytest.mark.filterwarnings("ignore")
def test_a_killed_ray_worker_is_replaced_loses_nothing_and_runs_nothing_twice(prepared, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'hierattn[cluster]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    recipe = short_recipe(prepared, epochs=6)
    killer = Killer(fold=1)
    options = CrossValidationOptions([0, 1], jobs=2, device="cpu", threads=1, save_every=1, engine="ray")
    result = cross_validate(recipe, tmp_path / "cv", options, listener=killer)
    assert killer.killed
    assert_nothing_lost_and_nothing_twice(result, 1, uninterrupted(recipe, 1, tmp_path / "alone"))
