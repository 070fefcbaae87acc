"""The page of a change of source: its tables say what was measured, and its sentence names the worst set."""

import csv

import numpy as np
import pytest
from prediction_tables import table

from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.evaluation.measures.shift import EvaluatedSet, measure_all
from hierattn.evaluation.pages.shift_page import HEADINGS, cells, csv_table, markdown_table, render_shift, sentences


@pytest.fixture(scope="module")
def rows():
    sets = []
    for seed, (name, kind) in enumerate((("own", "own"), ("clinic", "other"))):
        rejected = {"unfit": np.arange(240) % (4 - seed) == 0}
        sets.append(EvaluatedSet(name, name, kind, table(240, seed=seed), rejected, ("a note",)))
    return measure_all(sets, fit_calibration(table(seed=9), resamples=0), resamples=0)


def test_every_table_has_what_was_measured(rows):
    for row, known in zip(csv.DictReader(csv_table(rows).splitlines()), rows, strict=True):
        assert float(row["melanoma_auc"]) == known["melanoma_auc"]["value"]
        assert float(row["accepted_melanoma_auc"]) == known["accepted"]["melanoma_auc"]["value"]
        assert float(row["rejected_unfit"]) == known["reasons"]["unfit"]
        assert len(cells(known)) == len(HEADINGS)
    assert "- clinic: a note" in markdown_table("Two sources", rows)
    assert "Two sources" in render_shift("Two sources", rows, {"run": "a run"})


def test_the_sentence_names_the_worst_set_and_what_was_rejected_there(rows):
    (said,) = sentences(rows)
    assert f"drops to {rows[1]['melanoma_auc']['value']:.3f} on clinic (another source)" in said
    assert "of the photographs are rejected" in said
    assert f"among the accepted it is {rows[1]['accepted']['melanoma_auc']['value']:.3f}." in said
    assert "no drop can be named" in sentences(rows[:1])[0]
