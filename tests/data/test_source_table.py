"""Tables as others save them: separators, byte-order marks, blanks, and the ways of saying that nothing is known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hierattn.data.source_table import (
    by_id,
    columns_in,
    find_table,
    first_few,
    header_of,
    number_of,
    read_rows,
    sex_of,
    stream_rows,
    text_of,
)
from hierattn.errors import TableError

ROWS = [{"image": "a", "age": "45.0"}, {"image": "b", "age": ""}]


@pytest.mark.parametrize(
    "content",
    [
        "image,age\na,45.0\nb,\n",
        "\ufeffimage,age\r\na,45.0\r\nb,\r\n",
        "image\tage\na\t45.0\nb\t\n",
        " image , age \n a , 45.0 \n b \n",
        '"image","age"\n"a","45.0"\n"b",""\n',
        "image;age\na;45.0\nb;\n",
        "sep=;\nIMAGE;Age\na;45.0\nb;\n",
        ",Image,AGE,\n0,a,45.0,\n1,b,,\n,,,\n ,,,\n\n",
        "image,age\na,45.0,,,\nb\n,\n",
        "\ufeff\ufeffimage,age\na,45.0\nb,\n",
    ],
)
def test_a_table_reads_the_same_however_it_was_saved(tmp_path: Path, content: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode())
    assert read_rows(path, ["image", "age"]) == ROWS


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"image,age\na,1,2\n", r":2 has 3 values for 2 columns"),
        (b"image,age,Image \na,1,b\n", "has the column image more than once"),
        ("image,age\nn\u00e6vus,1\n".encode("cp1252"), "not UTF-8, byte 11.*save it as 'CSV UTF-8'"),
        (b"PK\3\4\xff", "not UTF-8"),
        (b"image\na\n", "lacks the column age"),
        (b"", "lacks the column image, age"),
        (b"image,age\n", "has no rows"),
        (b"image,age\n\xff\xfe,1\n", "cannot be read as a table"),
    ],
)
def test_what_is_no_such_table_is_one_line(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match=words):
        read_rows(path, ["image", "age"])
    with pytest.raises(TableError, match="no table"):
        read_rows(tmp_path / "absent.csv", ["image"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_excels_own_ways_of_saving_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_bytes("image\tage\r\nn\u00e6vus\t45\r\n".encode(encoding))
    assert read_rows(tmp_path / "t.csv", ["image"]) == [{"image": "n\u00e6vus", "age": "45"}]


def test_a_pipe_in_a_tables_place_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(TableError, match="is no file"):
        read_rows(tmp_path / "t.csv", ["image"])


def test_a_table_is_found_in_any_letter_case_and_the_exact_name_first(tmp_path: Path) -> None:
    (tmp_path / "Groups.CSV").touch()
    assert find_table(tmp_path, ["groups.csv"]) == tmp_path / "Groups.CSV"
    (tmp_path / "groups.csv").touch()
    assert find_table(tmp_path, ["groups.csv"]) == tmp_path / "groups.csv"
    assert find_table(tmp_path / "absent", ["groups.csv"]) is None
    assert not columns_in(tmp_path / "groups.csv", ["image"])


def test_an_id_in_several_rows_is_named(tmp_path: Path) -> None:
    assert by_id(tmp_path, ROWS, "image") == {"a": ROWS[0], "b": ROWS[1]}
    with pytest.raises(TableError, match="names a more than once"):
        by_id(tmp_path, [*ROWS, ROWS[0]], "image")
    with pytest.raises(TableError, match="names a more than once"):
        by_id(tmp_path, [*ROWS, {"image": "a.JPG"}], "image")
    with pytest.raises(TableError, match="1 rows without image"):
        by_id(tmp_path, [*ROWS, {"image": "", "age": "4"}], "image")


def test_values_that_say_nothing_are_empty() -> None:
    assert {text_of(value) for value in ("", "NA", "n/a", "NaN", "None", "null", "unknown", "UNK")} == {""}
    assert (text_of("head/neck"), number_of("45.0"), number_of("unknown"), number_of("4.5")) == (
        "head/neck",
        "45",
        "",
        "4.5",
    )
    assert [sex_of(value) for value in ("Male", "FEMALE", "m", "")] == ["male", "female", "", ""]
    assert (first_few(["a"]), first_few(list("abcde"))) == ("a", "a, b, c and 2 more")


def test_a_long_table_is_read_row_by_row_with_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    rows = stream_rows(tmp_path / "t.csv", ["image"], ["age"])
    (tmp_path / "t.csv").write_text("Image,size,AGE\na,1,45\nb,2,\nc,3,4,5\n")
    assert (next(rows), next(rows)) == ({"image": "a", "age": "45"}, {"image": "b", "age": ""})
    with pytest.raises(TableError, match=":4 has 4 values"):
        next(rows)
    assert header_of(tmp_path / "t.csv") == ["Image", "size", "AGE"]
