"""Neighbours as a second opinion, published: what was measured, on the inner fold alone; and scores that are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import table
from small_checkpoints import make_checkpoint
from tools.results.published import RESULTS

from hierattn.data.prepared_set.looks import LOOKS
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.evaluation.similar import features
from hierattn.models.weights.checkpoint import save_checkpoint
from tools.results import neighbours


def test_neighbours_that_know_the_truth_tell_everything_and_those_that_repeat_the_answer_nothing():
    predictions = table(images=300)
    truth = np.repeat(predictions.labels[:, None], 5, axis=1)
    told = neighbours.measure(predictions, predictions.probabilities, truth)
    assert told["auc"]["all"]["agreement"].value == 1
    assert told["auc"]["all"]["gain with class"].interval[0] > 0
    assert told["majority_differs"]["photographs"] == told["majority_differs"]["wrong"]
    echo = np.repeat(predictions.predicted[:, None], 5, axis=1)
    told = neighbours.measure(predictions, predictions.probabilities, echo)
    assert told["auc"]["all"]["agreement"].value == 0.5
    assert abs(told["auc"]["all"]["gain"].value) < 0.01
    assert told["majority_differs"]["photographs"] == 0


def test_only_the_inner_fold_is_judged_and_no_photograph_of_the_outer_one_is_read(prepared, tmp_path, monkeypatch):
    packed, run = PackedSet.open(prepared), tmp_path / "run"
    run.mkdir()
    recipe = {"name": "small", "data": {"prepared": str(prepared), "fold": 1}}
    save_checkpoint(run / "best.safetensors", replace(make_checkpoint(), recipe=recipe))
    (run / "manifest.sha256").write_text(packed.manifest_sha256 + "\n")
    evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    looks = (prepared / LOOKS).read_bytes()
    read = []
    made = features.features_of_rows
    monkeypatch.setattr(
        neighbours, "features_of_rows", lambda *words, **how: read.extend(words[2]) or made(*words, **how)
    )
    monkeypatch.setattr(neighbours, "RESAMPLES", 100)
    neighbours.main(run, prepared, tmp_path / "out", tmp_path / "cache")
    assert {packed.records[row].fold for row in read} == {0, 2}
    assert (prepared / LOOKS).read_bytes() == looks
    told = json.loads((tmp_path / "out" / "neighbours.json").read_text())
    assert told["photographs"] == sum(record.fold == 2 for record in packed.records)
    assert [one["neighbours"] for one in told["measured"]] == list(neighbours.COUNTS)
    assert str(prepared) not in (tmp_path / "out" / "neighbours.md").read_text() + json.dumps(told)


def test_what_the_command_says_of_neighbours_was_measured():
    """NO_SECOND_OPINION: next to nothing beyond the class of the answer, and nothing on cancers."""
    told = json.loads((RESULTS / "neighbours" / "neighbours.json").read_text())
    for one in told["measured"]:
        assert one["auc"]["all"]["gain with class"]["value"] < 0.01
        assert one["auc"]["cancers"]["gain with class"]["interval"][0] < 0
        flags = one["majority_differs"]
        assert flags["wrong"] < flags["wrong_of_as_many_least_confident"]


@pytest.mark.parametrize("count", neighbours.COUNTS)
def test_the_published_page_has_a_row_for_every_count(count):
    page = (RESULTS / "neighbours" / "neighbours.md").read_text()
    assert page.count(f"\n| {count} | ") == 2
