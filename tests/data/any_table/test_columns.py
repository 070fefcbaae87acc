"""Columns are found as asked, by their names or by their values, and a wrong name gets the nearest ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hierattn.data.any_table.columns import TableOptions, choose_columns
from hierattn.data.table_files.table_file import TableFile
from hierattn.errors import TableError, UsageError

PHOTOS = {"a.jpg", "b.jpg", "c.jpg"}


def table(**columns: list[str]) -> TableFile:
    return TableFile(Path("t.csv"), "text", columns, range(2, 2 + len(next(iter(columns.values())))))


def choose(of: TableFile, asked: dict[str, str] | None = None) -> dict[str, tuple[str, str]]:
    columns = choose_columns(of, asked or {}, PHOTOS.__contains__, "a.jpg")
    return {role: (column.name, column.how) for role, column in columns.items()}


def test_columns_are_guessed_by_name_and_an_image_column_by_what_it_finds():
    of = table(
        image_id=["1", "2"], bild=["a.jpg", "b.jpg"], Diagnosis=["MEL", "NV"], patient=["P", "Q"], split=["0", "1"]
    )
    assert choose(of) == {
        "image": ("bild", "by its name"),
        "label": ("Diagnosis", "by its name"),
        "patient": ("patient", "by its name"),
    }
    of = table(x=["a.jpg", "b.jpg"], what=["melanoma", "naevus"])
    assert choose(of) == {"image": ("x", "by its values"), "label": ("what", "by its values")}


def test_a_column_is_taken_as_asked_in_any_spelling_and_none_stops_a_guess():
    of = table(file=["a.jpg"], dx=["MEL"], **{"My Label": ["x"]}, patient=["P"])
    assert choose(of, {"label": "my_label", "patient": "none"}) == {
        "image": ("file", "by its name"),
        "label": ("My Label", "as asked"),
    }
    assert "patient" not in choose(of, {"patient": "none"})


def test_one_hot_columns_are_found_and_can_be_asked_for():
    of = table(image=["a.jpg", "b.jpg"], MEL=["1.0", "0.0"], NV=["0.0", "1.0"], biopsied=["1", "1"])
    column = choose_columns(of, {}, PHOTOS.__contains__, "a.jpg")["label"]
    assert (column.one_hot, column.values(of)) == (("MEL", "NV"), ["MEL", "NV"])
    of = table(image=["a.jpg", "b.jpg", "c.jpg"], x=["1", "0", "1"], y=["0", "1", "1"])
    column = choose_columns(of, {"label": "x,y"}, PHOTOS.__contains__, "a.jpg")["label"]
    assert column.values(of) == ["x", "y", "x|y"]


@pytest.mark.parametrize(
    ("columns", "asked", "words"),
    [
        ({"filename": ["a.jpg"], "dx": ["MEL"]}, {"image": "filenam"}, "no column 'filenam'.*it has 'filename'"),
        ({"filename": ["a.jpg"], "dx": ["MEL"]}, {"label": "zzz"}, "no column 'zzz'.*'filename', 'dx'"),
        ({"filename": ["a.jpg"], "dx": ["MEL"]}, {"image": "dx", "label": "dx"}, "for both image and label"),
        ({"Study": ["file", "a.jpg"], "x": ["dx", "MEL"]}, {"image": "file"}, "stands in row 2: remove the rows above"),
        ({"q": ["1"], "r": ["2"]}, {}, "no column that names images"),
        ({"file": ["a.jpg"], "note": ["hm"]}, {}, "no column that is known to hold the labels"),
        ({"file": ["a.jpg"], "dx": [""]}, {}, "no column that is known to hold the labels"),
    ],
)
def test_a_column_that_is_not_there_is_one_line_with_what_is(columns, asked, words):
    with pytest.raises((UsageError, TableError)) as caught:
        choose(table(**columns), asked)
    assert re.search(words, str(caught.value)), caught.value
    assert "\n" not in str(caught.value)


def test_a_table_without_names_of_columns_is_told_from_one_with_others():
    with pytest.raises(TableError, match=r"first one names the image 'a\.jpg'"):
        choose(TableFile(Path("t.csv"), "text", {"a.jpg": ["b.jpg"], "MEL": ["NV"]}, [2]))


def test_a_used_column_that_is_there_twice_is_refused():
    of = TableFile(Path("t.csv"), "text", {"image": ["a.jpg"], "dx": ["MEL"]}, [2], ["dx"])
    with pytest.raises(TableError, match="column dx more than once"):
        choose(of)


@pytest.mark.parametrize("columns", [{"colour": "x"}, {"image": " "}, {"label": "none"}])
def test_options_that_mean_nothing_are_refused(columns):
    with pytest.raises(UsageError):
        TableOptions(Path("t.csv"), columns)
