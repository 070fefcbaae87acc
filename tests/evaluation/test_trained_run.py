"""A trained run: what the checkpoint says of its set and fold, and what it must say."""

from dataclasses import replace

import pytest
from noise_runs import make_run, make_set

from hierattn.errors import CheckpointError, DataError, UsageError
from hierattn.evaluation.trained_run import TrainedRun


def test_it_knows_its_fold_and_opens_its_own_set_alone(tmp_path):
    prepared = make_set(tmp_path / "prepared")
    run = TrainedRun.open(make_run(tmp_path / "run", prepared))
    assert (run.fold, run.prepared, run.folder) == (1, prepared, tmp_path / "run")
    assert run.open_own_set().manifest_sha256 == run.manifest_sha256
    with pytest.raises(DataError, match="not the set this run was trained on"):
        run.open_own_set(make_set(tmp_path / "other", seed=9))
    with pytest.raises(DataError, match="--data FOLDER"):
        run.open_own_set(tmp_path / "gone")
    nameless = replace(run, checkpoint=replace(run.checkpoint, recipe={}))
    with pytest.raises(CheckpointError, match=r"data\.fold"):
        _ = nameless.fold
    with pytest.raises(UsageError, match="names no prepared set"):
        _ = nameless.prepared
