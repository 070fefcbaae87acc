"""A run's own images: rows are spread evenly, and a single checkpoint names none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from noise_runs import make_run, make_set
from tiny_sets import of_several

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.deploy.export.own_images import OwnImages, find_own_images, open_own_images, spread_rows
from hierattn.errors import DataError, UsageError


def test_rows_are_spread_from_the_first_to_the_last_without_repeats():
    rows = np.arange(100, 1100)
    chosen = spread_rows(rows, 37)
    assert (chosen[0], chosen[-1], len(np.unique(chosen))) == (100, 1099, 37)
    assert np.ptp(np.diff(chosen)) <= 1
    assert spread_rows(rows, 5000) is rows


def test_batches_hold_every_row_once_in_order():
    images = np.arange(10, dtype=np.uint8).repeat(12).reshape(10, 2, 2, 3)
    own = OwnImages(images, np.zeros(10), np.zeros(10), np.arange(10), np.arange(0), np.arange(0))
    rows = np.array([7, 1, 4, 9, 0])
    batches = list(own.batches(rows, 2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert np.concatenate(batches)[:, 0, 0, 0].tolist() == rows.tolist()


def test_a_single_checkpoint_does_not_name_its_images(tmp_path):
    path = tmp_path / "best.safetensors"
    with pytest.raises(UsageError, match="no run folder"):
        open_own_images(path)
    own, reason = find_own_images(path)
    assert own is None
    assert "no run folder" in reason


def test_a_source_that_only_trains_does_not_say_what_is_usual(tmp_path):
    """Cut-out lesions may train; were they usual, a black surround would be, too."""
    whole = make_set(tmp_path / "whole")
    several = of_several(whole, tmp_path / "set", ("CLINIC", "CUT"), uses={"CUT": "train"})
    own = open_own_images(make_run(tmp_path / "run", several))
    sources = np.array([record.source for record in PackedSet.open(several).records])
    assert len(own.training) > 10
    assert set(sources[own.training]) == {"CLINIC"}


def test_of_photographs_of_another_kind_the_outer_fold_is_not_read(tmp_path):
    run = make_run(tmp_path / "run", make_set(tmp_path / "set"))
    strange = of_several(
        make_set(tmp_path / "one", seed=1), tmp_path / "strange", ("A", "B", "CUT"), uses={"CUT": "train"}
    )
    (other,) = open_own_images(run, reject=[strange]).others
    packed = PackedSet.open(strange)
    sources = [[packed.records[row].source for row in part] for part in other.training]
    assert [set(part) for part in sources] == [{"A"}, {"B"}]
    read = np.concatenate([*other.training, other.held])
    assert 0 not in {packed.records[row].fold for row in read}
    assert {packed.records[row].fold for row in other.held} == {1}
    assert not set(np.concatenate(other.training)) & set(other.held)


def test_photographs_to_reject_must_be_others_and_have_gone_through_the_same(tmp_path):
    own = make_set(tmp_path / "set")
    run = make_run(tmp_path / "run", own)
    with pytest.raises(DataError, match="is the set that the run was trained on"):
        open_own_images(run, reject=[own])
    other = make_set(tmp_path / "other", seed=1)
    info = json.loads((other / "prepared.json").read_text())
    info["image_spec"]["crop"] = "none"
    (other / "prepared.json").write_text(json.dumps(info))
    with pytest.raises(DataError, match=r"was prepared with crop none.* again with --crop surround"):
        find_own_images(run, reject=[other])
    with pytest.raises(DataError, match="nowhere"):
        find_own_images(run, reject=[tmp_path / "nowhere"])
