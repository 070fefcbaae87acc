"""The page and the tables of ``hierattn shift``: each says what the others say."""

import csv
import json

import numpy as np
import pytest
from prediction_tables import table
from reports import Checker

from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.evaluation.measures.shift import KINDS, EvaluatedSet, measure_all
from hierattn.evaluation.pages.html_report import decimal
from hierattn.evaluation.pages.shift_page import (
    cells,
    csv_table,
    headings,
    markdown_table,
    render_shift,
    sentences,
    write_shift,
)
from hierattn.taxonomy.built_in import MALIGNANT_OR_BENIGN
from hierattn.taxonomy.records import LesionClass, Taxonomy


def drawn(name, kind, seed, share, notes=()):
    """A set of drawn answers of which that share is rejected."""
    predictions = table(80, seed=seed)
    unfit = np.arange(80) < 80 * share
    return EvaluatedSet(name, f"photographs of {name}", kind, predictions, {"unfit": unfit}, notes)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    base = tmp_path_factory.mktemp("shift_page")
    sets = [
        drawn("own", "own", 2, 0.1),
        drawn("follow-up", "part", 3, 0.0),
        drawn("blur", "changed", 4, 0.25),
        drawn("clinic", "other", 5, 0.5, ("12 images left out.",)),
    ]
    rows = measure_all(sets, fit_calibration(table(seed=1), resamples=100), resamples=100)
    write_shift(base / "out", "A run under a change of source", sets, rows, {"severity": 5})
    return base, rows


def test_the_page_is_whole_alone_and_says_what_the_table_says(judged):
    base, _ = judged
    page = (base / "out" / "shift.html").read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert not checker.outside
    assert "<image" not in page
    for row in json.loads((base / "out" / "shift.json").read_text())["sets"]:
        assert row["title"] in page
        assert decimal(row["malignant_auc"]["value"]) in page
        assert all(note in page for note in row["notes"])
    assert page.index("Its own outer fold") < page.index("Photographs from other sources")


def test_the_sentence_names_the_worst_set_and_never_a_part(judged):
    _, rows = judged
    (sentence,) = sentences(rows)
    values = {row["name"]: row["melanoma_auc"]["value"] for row in rows}
    worst = min(("blur", "clinic"), key=values.get)
    row = next(row for row in rows if row["name"] == worst)
    assert f"{values['own']:.3f} on photographs of own" in sentence
    assert f"to {values[worst]:.3f} on photographs of {worst} ({KINDS[row['kind']]})" in sentence
    assert f"among the accepted it is {row['accepted']['melanoma_auc']['value']:.3f}" in sentence


def test_the_predictions_of_parts_are_in_those_of_their_set_and_not_written_again(judged):
    base, _ = judged
    names = {path.name for path in (base / "out" / "predictions").iterdir()}
    assert names == {f"{name}{end}.csv" for name in ("own", "blur", "clinic") for end in ("", "-rejected")}
    with (base / "out" / "predictions" / "clinic-rejected.csv").open(newline="") as file:
        assert sum(row["unfit"] == "1" for row in csv.DictReader(file)) == 40


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
        assert len(cells(known, rows)) == len(headings(rows))
    assert "- clinic: a note" in markdown_table("Two sources", rows)
    assert "Two sources" in render_shift("Two sources", rows, {"run": "a run"})


def test_the_sentence_names_the_worst_set_and_what_was_rejected_there(rows):
    (said,) = sentences(rows)
    assert f"its lowest elsewhere is {rows[1]['melanoma_auc']['value']:.3f} on clinic (another source)" in said
    assert "of the photographs are rejected" in said
    assert f"among the accepted it is {rows[1]['accepted']['melanoma_auc']['value']:.3f}." in said
    assert "no drop can be named" in sentences(rows[:1])[0]


@pytest.mark.parametrize(
    ("taxonomy", "speaks_of", "lacks"),
    [
        (MALIGNANT_OR_BENIGN, "Cancer AUC", "melanoma"),
        (
            Taxonomy("rashes", tuple(LesionClass(code) for code in ("eczema", "psoriasis", "tinea"))),
            "Balanced accuracy",
            "AUC",
        ),
    ],
)
def test_classes_without_melanoma_have_no_column_of_it(taxonomy, speaks_of, lacks):
    sets = [
        EvaluatedSet(name, name, kind, table(90, seed, taxonomy.codes, taxonomy), {"unfit": np.arange(90) < 9})
        for seed, (name, kind) in enumerate((("own", "own"), ("clinic", "other")))
    ]
    rows = measure_all(sets, fit_calibration(table(90, 9, taxonomy.codes, taxonomy), resamples=0), resamples=0)
    (said,) = sentences(rows)
    page = render_shift("A title", rows, {})
    assert said.startswith(speaks_of)
    for text in (said, page, markdown_table("A title", rows)):
        assert lacks not in text


def test_the_epoch_is_counted_from_one_and_left_out_where_nobody_knows_it(rows):
    for epoch, said in ((0, True), (None, False)):
        page = render_shift("A run", rows, {"epoch": epoch})
        assert ("<dt>Epoch kept</dt><dd>1</dd>" in page) == said
