"""Any table becomes the same columns, told by its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from hierattn.data.table_files.table_file import read_table
from hierattn.errors import MissingPackageError, TableError, UsageError

COLUMNS = {"image": ["a.jpg", "b.jpg"], "dx": ["MEL", "NV"], "patient": ["007", ""]}


def save(path: Path, form: str) -> Path:
    rows = list(zip(*COLUMNS.values(), strict=True))
    if form == "parquet":
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pa.table(COLUMNS), path)
    elif form == "excel":
        pytest.importorskip("defusedxml")
        book = pytest.importorskip("openpyxl").Workbook()
        for row in [tuple(COLUMNS), *rows]:
            book.active.append(row)
        book.save(path)
    else:
        path.write_text("\n".join("\t".join(row) for row in [tuple(COLUMNS), *rows]))
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.parquet", "table"])
@pytest.mark.parametrize("form", ["text", "excel", "parquet"])
def test_a_table_is_told_by_its_content_and_not_by_its_name(tmp_path, name, form):
    assert read_table(save(tmp_path / name, form)).columns == COLUMNS


def test_text_needs_no_extra_and_the_others_say_which(tmp_path, monkeypatch):
    for form, package in (("excel", "openpyxl"), ("parquet", "pyarrow")):
        path = save(tmp_path / form, form)
        monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(MissingPackageError, match=r"hierattn\[tables\]"):
            read_table(path)
    assert read_table(save(tmp_path / "t.csv", "text")).columns == COLUMNS


def test_a_guessed_encoding_is_told(tmp_path):
    (tmp_path / "t.csv").write_bytes("image,dx\na,nævus\n".encode("cp1252"))
    table = read_table(tmp_path / "t.csv")
    assert table.columns["dx"] == ["nævus"]
    assert "read as Windows-1252" in table.notes[0]


def test_a_column_twice_is_told_and_one_without_a_name_left_out(tmp_path):
    (tmp_path / "t.csv").write_text(",image,dx,dx\n0,a,MEL,NV\n")
    table = read_table(tmp_path / "t.csv")
    assert (table.columns, list(table.repeated)) == ({"image": ["a"], "dx": ["MEL"]}, ["dx"])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_titles_above_the_columns_are_left_out_and_told(tmp_path, delimiter):
    rows = ["Our study of 2024", "", "image,dx,patient", "a.jpg,MEL,007", "b.jpg,NV,"]
    (tmp_path / "t.csv").write_text("\n".join(rows).replace(",", delimiter))
    table = read_table(tmp_path / "t.csv")
    assert (table.columns, list(table.lines)) == (COLUMNS, [4, 5])
    assert "'Our study of 2024'" in table.notes[0]


def test_a_table_of_one_column_has_no_title(tmp_path):
    (tmp_path / "t.csv").write_text("image\na.jpg\nb.jpg\n")
    assert read_table(tmp_path / "t.csv").columns == {"image": ["a.jpg", "b.jpg"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel workbook"),
        (b"image,dx\n", "has no rows"),
        (b"", "has no columns"),
        (b"image,dx\na,b,c\n", r":2 has 3 values for 2 columns"),
        (b"PAR1", "cannot be read as Parquet"),
        (b"PK\3\4", "cannot be read as an Excel workbook"),
    ],
)
def test_what_is_no_table_is_one_line(tmp_path, content, words):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    if b"PAR1" in content:
        pytest.importorskip("pyarrow")
    with pytest.raises(TableError, match=words):
        read_table(path)


def test_a_sheet_is_a_workbooks(tmp_path):
    with pytest.raises(UsageError, match="no workbook"):
        read_table(save(tmp_path / "t.csv", "text"), sheet="cases")
    with pytest.raises(TableError, match="no table"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(TableError, match="is no file"):
        read_table(tmp_path)
