"""The tables of a comparison: the same figures for programs and for people."""

import csv

import pytest

from hierattn.evaluation.comparison.tables import COLUMNS, PAIR_COLUMNS, csv_table, markdown_table, pairs_table


def test_the_tables_say_what_the_comparison_says(comparison):
    rows = list(csv.DictReader(csv_table(comparison).splitlines()))
    assert tuple(rows[0]) == COLUMNS
    for row, known in zip(rows, comparison["rows"], strict=True):
        assert float(row["balanced_accuracy"]) == pytest.approx(known["balanced_accuracy"]["value"], rel=1e-5)
        assert f"{100 * known['balanced_accuracy']['value']:.1f} (" in markdown_table(comparison)
    assert rows[0]["difference"] == ""
    pairs = list(csv.DictReader(pairs_table(comparison).splitlines()))
    assert tuple(pairs[0]) == PAIR_COLUMNS
    assert len(pairs) == 2 * 3  # two figures of three pairs
