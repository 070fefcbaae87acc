"""What may be evaluated: nothing that the weights have seen, told by bytes or by lesion."""

from dataclasses import replace

import numpy as np
import pytest
from noise_runs import make_run, make_set

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.errors import LeakError
from hierattn.evaluation.selection import already_seen, outer_fold, select_by_record, select_external, shared_sources
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.models.weights.trained_on import TrainedOn, digests_of
from hierattn.taxonomy.built_in import EIGHT


@pytest.fixture
def run(tmp_path):
    return TrainedRun.open(make_run(tmp_path / "run", make_set(tmp_path / "prepared")))


def remembering(run, records):
    record = TrainedOn(trained=digests_of(each.sha256 for each in records))
    return replace(run, checkpoint=replace(run.checkpoint, trained_on=record))


def test_the_outer_fold_is_refused_where_one_photograph_of_it_was_seen(run):
    packed = run.open_own_set()
    rows = outer_fold(packed, run).rows
    assert np.array_equal(rows, split(packed.records, 1).test)
    with pytest.raises(LeakError, match=r"^1 photographs of the outer fold"):
        outer_fold(packed, remembering(run, [packed.records[int(rows[3])]]))


def test_of_an_external_set_the_same_lesions_are_left_out_though_their_bytes_differ(run, tmp_path):
    others = PackedSet.open(make_set(tmp_path / "others", seed=4))  # the same lesions of the same source
    selection = select_external(others, run)
    assert {others.records[row].fold for row in selection.rows} == {1}  # the outer fold's alone are new
    assert "48 images left out: the run was trained on them" in selection.notes[0]
    strangers = PackedSet.open(make_set(tmp_path / "strangers", seed=4, lesion="X"))
    assert len(select_external(strangers, run).rows) == 72
    assert not already_seen(strangers, range(5), run.checkpoint).any()


def test_by_the_record_alone_what_it_lists_is_left_out_and_without_one_that_is_said(tmp_path):
    packed = PackedSet.open(make_set(tmp_path / "set", source="ham10000"))
    record = TrainedOn(digests_of(each.sha256 for each in packed.records[:5]))
    selection = select_by_record(packed, EIGHT.codes, record)
    assert selection.rows.tolist() == list(range(5, 72))
    (note,) = selection.notes
    assert note.startswith("5 images left out")
    bare = select_by_record(packed, EIGHT.codes[1:], None)
    assert {packed.records[row].label for row in bare.rows} == set(EIGHT.codes[1:])
    assert [note.split()[0] for note in bare.notes] == ["10", "The"]
    assert shared_sources(packed, bare.rows, ["pad-ufes-20"]) == []
    (shared,) = shared_sources(packed, bare.rows, ["isic2019"])  # HAM10000 is a part of it
    assert shared.startswith("62 images are of ham10000")
