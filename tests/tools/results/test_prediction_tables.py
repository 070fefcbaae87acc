"""Published predictions: exact enough for every figure, the same bytes each time, and damage gets one line."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
from tools.results.prediction_tables import read_tables, rounded, same, write_tables

from hierattn.errors import TableError
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.built_in import EIGHT


def predictions(probabilities, fold=0):
    probabilities = np.asarray(probabilities, np.float64)
    count = len(probabilities)
    names = tuple(f"image_{fold}_{row}" for row in range(count))
    groups = tuple("" if row % 2 else f"lesion:{row}" for row in range(count))
    return Predictions(
        names, EIGHT.subset(("MEL", "NV")), probabilities, np.arange(count) % 2, np.full(count, fold, np.int64), groups
    )


@pytest.fixture
def tables():
    random = np.random.default_rng(0).dirichlet([1, 1], 50)
    return {"outer": rounded(predictions(random)), "inner": rounded(predictions(random[:20], fold=1))}


def test_what_was_written_is_read_and_the_bytes_are_the_same_each_time(tables, tmp_path):
    for name in ("a.csv.gz", "b.csv.gz"):
        write_tables(tmp_path / name, tables)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    again = read_tables(tmp_path / "a.csv.gz")
    assert list(again) == ["outer", "inner"]
    for name, table in tables.items():
        assert same(again[name], table)


def test_sources_are_published_where_there_are_several(tables, tmp_path):
    several = {name: replace(table, sources=("a", "b") * (len(table) // 2)) for name, table in tables.items()}
    write_tables(tmp_path / "a.csv.gz", several)
    again = read_tables(tmp_path / "a.csv.gz")
    assert all(same(again[name], table) for name, table in several.items())
    assert not same(again["outer"], tables["outer"])


def test_a_table_is_not_the_same_once_one_thing_differs(tables):
    table = tables["outer"]
    assert same(table, table)
    assert not same(table, replace(table, folds=table.folds + 1))
    assert not same(table, replace(table, probabilities=table.probabilities + 1e-12))
    assert not same(table, replace(table, groups=("x", *table.groups[1:])))


def test_rounding_keeps_twelve_digits_and_the_order_of_near_equal_values():
    near = [0.1234567890123456, 0.1234567890123457, 0.2, 0.987654321098765432]
    table = predictions([[value, 1 - value] for value in near])
    short = rounded(table).probabilities
    np.testing.assert_allclose(short, table.probabilities, rtol=5.1e-12)
    assert short[0, 0] < short[1, 0]  # they would be equal in twelve digits, and an AUC would change
    assert short[3, 0] == 0.987654321099
    random = predictions(np.random.default_rng(1).dirichlet([1e-3, 1], 500))
    for column in range(2):
        _, before = np.unique(random.probabilities[:, column], return_inverse=True)
        _, after = np.unique(rounded(random).probabilities[:, column], return_inverse=True)
        assert (before == after).all()


@pytest.mark.parametrize("text", ["", "image,MEL,NV,label,fold,group\n", "table,image,MEL,label,fold,group\na,b\n"])
def test_a_file_that_is_none_of_ours_gets_one_line(text, tmp_path):
    path = tmp_path / "predictions.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(TableError, match="publish the run again"):
        read_tables(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(TableError, match="publish the run again"):
        read_tables(path)
