"""predictions.csv: the same bits back, and every damage named."""

from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import table

from hierattn.errors import TableError, UsageError
from hierattn.evaluation.predictions import Predictions, joined, read_predictions, rows_of, write_predictions
from hierattn.taxonomy.built_in import EIGHT


def test_what_is_written_is_read_to_the_last_bit(tmp_path):
    written = table()
    write_predictions(tmp_path / "p.csv", written)
    read = read_predictions(tmp_path / "p.csv", EIGHT)
    assert (read.images, read.classes, read.groups) == (written.images, written.classes, written.groups)
    assert np.array_equal(read.probabilities, written.probabilities)
    assert read.probabilities.dtype == np.float64
    assert np.array_equal(read.labels, written.labels)
    assert np.array_equal(read.folds, written.folds)
    assert not list(tmp_path.glob("*.part"))


def test_what_is_cut_and_joined_is_as_it_was():
    whole = replace(table(images=5), sources=("home", "other", "home", "home", "other"))
    parts = [rows_of(whole, np.arange(*ends)) for ends in ((0, 2), (2, 5))]
    again = joined(parts)
    assert (again.images, again.groups, again.sources) == (whole.images, whole.groups, whole.sources)
    for name in ("probabilities", "labels", "folds"):
        assert np.array_equal(getattr(again, name), getattr(whole, name))
    assert joined([parts[0], replace(parts[1], sources=())]).sources == ()


def test_the_truth_stands_beside_the_probabilities(tmp_path):
    write_predictions(tmp_path / "p.csv", table(images=1, classes=("BCC", "NV")))
    header, row = (tmp_path / "p.csv").read_text().splitlines()
    assert header == "image,BCC,NV,label,fold,group"
    assert row.endswith(",3,")


def test_several_sources_are_a_last_column(tmp_path):
    written = replace(table(images=3, classes=("BCC", "NV")), sources=("home", "other", "home"))
    write_predictions(tmp_path / "p.csv", written)
    header, first, *_ = (tmp_path / "p.csv").read_text().splitlines()
    assert header == "image,BCC,NV,label,fold,group,source"
    assert first.endswith(",3,,home")
    read = read_predictions(tmp_path / "p.csv", EIGHT)
    assert read.sources == written.sources
    assert rows_of(read, np.array([1])).sources == ("other",)
    with pytest.raises(UsageError, match="3 images with 2 sources"):
        replace(written, sources=("home", "other"))


def test_no_image_at_all_is_a_table_too(tmp_path):
    write_predictions(tmp_path / "p.csv", table(images=0))
    assert read_predictions(tmp_path / "p.csv", EIGHT).probabilities.shape == (0, 8)


HEADER = "image,BCC,NV,label,fold,group\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "columns"),
        ("image,BCC,NV\n", "columns"),
        ("image,BCC,XYZ,label,fold,group\n", "unknown or repeated classes"),
        ("image,BCC,BCC,label,fold,group\n", "unknown or repeated classes"),
        (HEADER + "a,0.5,0.5,BCC,0\n", ":2: 5 values, wanted 6"),
        (HEADER + "a,0.5,half,BCC,0,g\n", ":2: .*half"),
        (HEADER + "a,0.5,0.5,BCC,first,g\n", "whole fold number"),
        (HEADER + "a,nan,0.5,BCC,0,g\n", "outside 0 to 1"),
        (HEADER + "a,-0.5,1.5,BCC,0,g\n", "outside 0 to 1"),
        (HEADER + "a,0.5,0.4,BCC,0,g\n", "sum to 0.9"),
        (HEADER + "a,0.5,0.5,MEL,0,g\n", "label 'MEL'"),
        (HEADER + "a,0.5,0.5,NV,0,g\nb,0.5,0.5,NV,0,g\na,0.5,0.5,NV,0,g\n", "'a' stands twice"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, text, said):
    path = tmp_path / "p.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=said):
        read_predictions(path, EIGHT)


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(TableError, match="no predictions"):
        read_predictions(tmp_path / "none.csv", EIGHT)
    (tmp_path / "p.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match="UTF-8"):
        read_predictions(tmp_path / "p.csv", EIGHT)


def test_rows_that_do_not_belong_together_are_refused():
    good = table(images=2)
    with pytest.raises(UsageError, match="wanted 2 rows"):
        Predictions(good.images, good.taxonomy, good.probabilities[:1], good.labels, good.folds, good.groups)


def test_an_image_without_a_group_is_a_group_by_itself():
    some = table(images=3)
    lonely = Predictions(some.images, some.taxonomy, some.probabilities, some.labels, some.folds, ("", "g", "g"))
    numbers = lonely.group_numbers
    assert numbers[0] != numbers[1] == numbers[2]
