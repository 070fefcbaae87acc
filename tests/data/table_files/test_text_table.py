"""Text tables: the delimiter and the encoding are found, and what is no table is one line."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hierattn.data.table_files.text_table import delimiter_of, encoding_of, rows_of
from hierattn.errors import TableError


def rows(path: Path, *, guess: bool = True, wanted: tuple[str, ...] = ()) -> list[list[str]]:
    return [cells for _, cells in rows_of(path, encoding_of(path, "image", guess=guess), wanted)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "^", "~", ":", " "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_reads_the_same_whatever_its_delimiter_encoding_and_line_ends(tmp_path, delimiter, encoding, end):
    wanted = [["image", "diagnóstico"], ["lésion_1.jpg", "nävus"], ["b.jpg", "Ångström"]]
    path = tmp_path / "t.csv"
    path.write_bytes(end.join(delimiter.join(row) for row in wanted).encode(encoding))
    assert rows(path) == wanted


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("image;size, mm\na;4,5\nb;5,5\n", ";"),
        ("image\tdx, final\na\tnevus, atypical\n", "\t"),
        ("image,sites|seen\na,arm|leg\nb,arm\n", ","),
        ("image, dx\na, MEL\n", ","),
        ('image,note\na,"x; y; z"\nb,"one;two"\n', ","),
        ("image\na\nb\n", ","),
        ("path,time\na,10:30:01\nb,11:30:02\n", ","),
        ("my file;dx of it\nphoto 1;MEL\nphoto 2;NV\n", ";"),
        ("a|b\n1|2\n", "|"),
        ("", ","),
    ],
)
def test_the_delimiter_is_the_one_by_which_the_rows_agree(text, delimiter):
    assert delimiter_of(text) == delimiter


def test_of_two_possible_delimiters_the_one_that_gives_the_asked_columns_is_taken(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("image;a,dx;b\nx;1,MEL;2\n")
    assert rows(path, wanted=("a,dx",)) == [["image", "a,dx", "b"], ["x", "1,MEL", "2"]]
    assert rows(path, wanted=("dx;b",)) == [["image;a", "dx;b"], ["x;1", "MEL;2"]]


CELL = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\ufeff", exclude_categories=("Cs", "Cc")), max_size=12
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_quotes_comes_back(tmp_path, cells, delimiter, end):
    text = io.StringIO()
    written = [("image", "dx", "patient"), *((f"x{k}", b, c) for k, (_, b, c) in enumerate(cells))]
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(written)
    path = tmp_path / "t.csv"
    path.write_bytes(text.getvalue().encode())
    assert rows(path, guess=False, wanted=("dx",)) == [[cell.strip() for cell in row] for row in written]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_rows_or_one_line(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    line = f"{path} is read"
    try:
        rows(path)
    except TableError as error:
        line = str(error)
    assert line.startswith(str(path))
    assert "\n" not in line


def test_lines_are_those_of_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('sep=;\nimage;dx\n\na;"two\nlines"\nb;MEL\n')
    assert [line for line, _ in rows_of(path, "utf-8")] == [2, 5, 6]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'image,dx\na,MEL\nb,"NV\nc,NV\n', r":3 cannot be read.*quotes in pairs"),
        (b"\x1f\x8b\x08\0", "compressed"),
        (b"<!DOCTYPE html><html><table>", "HTML"),
        (b'[{"image": "a"}]', "JSON"),
        (b'{"image": "a"}', "JSON"),
        (b"image\0,dx\n", "no text"),
        (b"SQLite format 3\0", "database"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_what_is_no_text_table_is_one_line(tmp_path, content, words):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match=words):
        rows(path)


def test_another_encoding_is_refused_where_none_may_be_guessed_and_the_byte_is_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"image,dx\n" * 40_000 + "nævus".encode("cp1252"))
    with pytest.raises(TableError, match=f"not UTF-8, byte {9 * 40_000 + 1}"):
        rows(path, guess=False)
    assert rows(path)[-1] == ["nævus"]
