"""The description of a bundle: what comes from the evaluation's report."""

from __future__ import annotations

from dataclasses import replace

from reports import made
from small_checkpoints import make_checkpoint

from hierattn.bundle.prediction_set import SetRule
from hierattn.deploy.export.description import describe
from hierattn.evaluation.measures import conformal
from hierattn.evaluation.measures.intervals import Estimate

RULES = (SetRule(0.9, 0.2, 0.87, (0.8, 0.92), 1.7), SetRule(0.95, 0.01))


def test_thresholds_and_what_they_reached_come_from_the_report():
    row = conformal.SetFigures(0.9, 0.2, Estimate(0.87, (0.8, 0.92)), 1.7, (0, 1), {"MEL": 0.5})
    unmeasured = conformal.SetFigures(0.95, 0.01, Estimate(None, None), None, (), {})
    report = replace(made()[0], conformal=(row, unmeasured))
    assert describe(make_checkpoint(), 1, None, report).prediction_sets == RULES
    assert describe(make_checkpoint(), 1, None, None).prediction_sets == ()
