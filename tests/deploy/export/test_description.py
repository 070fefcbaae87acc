"""The description of a bundle: what comes from the evaluation's report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from prediction_tables import table
from reports import made
from small_checkpoints import make_checkpoint

from hierattn.bundle.prediction_set import SetRule
from hierattn.deploy.export.description import MOST_SEEN, describe, find_reference
from hierattn.evaluation.measures import conformal
from hierattn.evaluation.measures.calibration import fit_calibration, risk
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.predictions import write_predictions
from hierattn.models.weights.trained_on import TrainedOn, from_text

RULES = (SetRule(0.9, 0.2, 0.87, (0.8, 0.92), 1.7), SetRule(0.95, 0.01))


def test_thresholds_and_what_they_reached_come_from_the_report():
    row = conformal.SetFigures(0.9, 0.2, Estimate(0.87, (0.8, 0.92)), 1.7, (0, 1), {"MEL": 0.5})
    unmeasured = conformal.SetFigures(0.95, 0.01, Estimate(None, None), None, (), {})
    report = replace(made()[0], conformal=(row, unmeasured))
    assert describe(make_checkpoint(), 1, None, report).prediction_sets == RULES
    assert describe(make_checkpoint(), 1, None, None).prediction_sets == ()


def test_the_photographs_that_the_weights_have_seen_travel_unless_they_are_too_many():
    seen = TrainedOn(np.arange(5, dtype=np.uint64), np.array([9], np.uint64), whole=False)
    bundle = describe(replace(make_checkpoint(), trained_on=seen), 1, None, None)
    back = from_text(type(bundle).from_metadata(bundle.to_metadata(), "it").trained_on)
    assert (back.trained.tolist(), back.chosen.tolist(), back.whole) == ([0, 1, 2, 3, 4], [9], False)
    assert "trained_on" not in bundle.to_values()
    many = TrainedOn(np.arange(MOST_SEEN + 1, dtype=np.uint64))
    for record in (many, None):
        silent = describe(replace(make_checkpoint(), trained_on=record), 1, None, None)
        assert silent.trained_on == ""
        assert "hierattn.trained_on" not in silent.to_metadata()


def test_what_is_usual_is_counted_on_the_calibrated_answers_of_the_inner_fold(tmp_path):
    some = table(images=60)
    write_predictions(tmp_path / "predictions_validation.csv", some)
    calibration = fit_calibration(some, resamples=0)
    counts = find_reference(tmp_path, some.taxonomy, calibration)
    _, risks = risk(some, calibration.temperature)
    assert sum(counts["risk"].values()) == sum(counts["classes"].values()) == 60
    assert counts["risk"]["9"] == (risks >= 0.9).sum()
    assert counts["classes"]["MEL"] == (some.predicted == some.classes.index("MEL")).sum()  # one temperature for all
    assert find_reference(None, some.taxonomy, calibration) == find_reference(tmp_path, some.taxonomy, None) == {}
