"""Excel workbooks: values only, one sheet, bounded."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path

import pytest

from hierattn.data.table_files import workbook
from hierattn.data.table_files.workbook import read_sheet
from hierattn.errors import TableError, UsageError

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("defusedxml")

ROWS = [["image", "dx", "patient"], ["a.jpg", "MEL", 7], ["b.jpg", "NV", 8.0]]


def write(
    path: Path, rows=ROWS, more: dict[str, list[list[object]]] | None = None, merged: tuple[str, ...] = ()
) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "cases"
    for row in rows:
        sheet.append(row)
    for cells in merged:
        sheet.merge_cells(cells)
    for name, others in (more or {}).items():
        other = book.create_sheet(name)
        for row in others:
            other.append(row)
    book.save(path)
    return path


def with_part(path: Path, name: str, content: bytes, old: bytes = b"") -> Path:
    """The workbook with one part replaced, or with ``old`` in it replaced by ``content``."""
    with zipfile.ZipFile(path) as archive:
        parts = {member: archive.read(member) for member in archive.namelist()}
    parts[name] = parts[name].replace(old, content) if old else content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, value in parts.items():
            archive.writestr(member, value)
    return path


def test_the_only_sheet_with_rows_is_read_and_numbers_are_texts(tmp_path):
    sheet = read_sheet(write(tmp_path / "t.xlsx", more={"empty": [], "title": [["Our study"], ["2024"]]}))
    assert sheet.name == "cases"
    assert sheet.rows == [(1, ["image", "dx", "patient"]), (2, ["a.jpg", "MEL", "7"]), (3, ["b.jpg", "NV", "8"])]


def test_of_several_sheets_one_must_be_named(tmp_path):
    path = write(tmp_path / "t.xlsx", more={"old": ROWS[:2]})
    with pytest.raises(UsageError, match=r"2 sheets with rows \('cases', 'old'\).*--sheet 'cases'"):
        read_sheet(path)
    assert len(read_sheet(path, "old").rows) == 2
    with pytest.raises(UsageError, match=r"no sheet 'new': wanted one of 'cases', 'old'"):
        read_sheet(path, "new")
    with pytest.raises(TableError, match="no sheet with rows"):
        read_sheet(write(tmp_path / "u.xlsx", rows=[["image"]]))


def test_a_merged_cell_counts_for_every_row_that_it_spans(tmp_path):
    rows = [["image", "dx", "patient"], ["a", "MEL", "P1"], ["b", "NV", None], ["c", "NV", None], ["d", "NV", "P2"]]
    sheet = read_sheet(write(tmp_path / "t.xlsx", rows, merged=("C2:C4",)))
    assert [row[2] for _, row in sheet.rows] == ["patient", "P1", "P1", "P1", "P2"]


def test_dates_are_told_for_excel_makes_them_of_ids(tmp_path):
    rows = [["image", "lesion"], ["a", "L1"], ["b", datetime.datetime(2024, 1, 3)]]
    sheet = read_sheet(write(tmp_path / "t.xlsx", rows))
    assert sheet.dates == {1: "2024-01-03"}
    assert sheet.rows[2] == (3, ["b", "2024-01-03"])


def test_formulas_are_not_computed_their_stored_values_are_read(tmp_path):
    path = write(tmp_path / "t.xlsx", [["image", "dx"], ["a", '=WEBSERVICE("http://x")'], ["b", "NV"]])
    assert read_sheet(path).rows[1] == (2, ["a"])
    stored = b'WEBSERVICE("http://x")</f><v>4</v>'
    with_part(path, "xl/worksheets/sheet1.xml", stored, b'WEBSERVICE("http://x")</f><v />')
    assert read_sheet(path).rows[1] == (2, ["a", "4"])


def test_what_a_sheet_says_of_its_size_is_not_believed(tmp_path):
    path = with_part(write(tmp_path / "t.xlsx"), "xl/worksheets/sheet1.xml", b'ref="A1"', b'ref="A1:C3"')
    assert len(read_sheet(path).rows) == 3


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + k, b"&%c;" % (97 + k) * 10) for k in range(9)
)


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml"])
def test_entities_in_the_xml_are_refused(tmp_path, part):
    path = write(tmp_path / "t.xlsx")
    with zipfile.ZipFile(path) as archive:
        content = archive.read(part)
    with_part(path, part, ENTITIES + b"]>" + content.replace(b"MEL", b"&j;"))
    with pytest.raises(TableError, match="entities"):
        read_sheet(path)


@pytest.mark.parametrize("reference", [b"A4294967295", b"A99999999999999999999", b"ZZZZZZ3", b"XFD1048577"])
def test_a_cell_beyond_the_end_of_any_sheet_is_refused_or_small(tmp_path, reference):
    path = write(tmp_path / "t.xlsx")
    with_part(path, "xl/worksheets/sheet1.xml", b'<c r="' + reference + b'"', b'<c r="A3"')
    row = bytes(filter(bytes([*range(48, 58)]).__contains__, reference))
    with_part(path, "xl/worksheets/sheet1.xml", b'<row r="' + row + b'"', b'<row r="3"')
    rows, line = [], ""
    try:
        rows = read_sheet(path).rows
    except TableError as error:
        line = str(error)
    assert bool(rows) != bool(line)
    assert len(rows) <= 3
    assert "\n" not in line


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "_MOST_BYTES", 1 << 24)
    path = write(tmp_path / "t.xlsx")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in ("xl/media/a", "xl/media/b"):
            archive.writestr(name, bytes(9 << 20))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(TableError, match="unpacks to 11 files of 18 MiB"):
        read_sheet(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("xl/workbook.bin", "binary Excel"),
        ("content.xml", "OpenDocument"),
        ("word/document.xml", "Word"),
        ("photo.jpg", "a ZIP archive"),
    ],
)
def test_another_kind_of_archive_is_named(tmp_path, name, words):
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(TableError, match=words):
        read_sheet(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_workbook_cut_short_is_one_line(tmp_path, share):
    path = write(tmp_path / "t.xlsx")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(TableError, match="cannot be read as an Excel workbook"):
        read_sheet(path)


def test_a_damaged_part_is_one_line(tmp_path):
    for name in ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml"):
        path = with_part(write(tmp_path / "t.xlsx"), name, b"<a><b></a>")
        with pytest.raises(TableError) as caught:
            read_sheet(path)
        assert "\n" not in str(caught.value)
