"""The manifest survives the way to disk and back, and says what is wrong with a broken one."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hierattn.data.prepared_set.manifest import COLUMNS, Record, manifest_sha256, read_manifest, write_manifest
from hierattn.errors import TableError
from hierattn.taxonomy.built_in import EIGHT

# What a data set's id or site may hold: anything printable, also commas, quotes and other alphabets.
words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=12)
records = st.builds(
    Record,
    **{field.name: words for field in fields(Record) if field.type == "str"},
    fold=st.integers(-1, 20),
    width=st.integers(0, 10**5),
    height=st.integers(0, 10**5),
    role=st.sampled_from(["original", "augmented"]),
).flatmap(lambda record: st.sampled_from(EIGHT.codes).map(lambda code: Record(**{**vars(record), "label": code})))


@settings(deadline=None)
@given(rows=st.lists(records, max_size=4))
def test_what_is_written_is_read_again(rows: list[Record], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("manifest") / "manifest.csv"
    write_manifest(path, rows)
    assert read_manifest(path) == rows


def test_the_columns_are_those_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    write_manifest(path, [Record("a.jpg", "MEL")])
    first = path.read_bytes().splitlines()[0].decode()
    assert first == (
        "image,label,lesion,patient,group,fold,role,parent,source,licence,age,sex,site,skin_type,width,height,sha256"
    )
    assert b"\r" not in path.read_bytes()


def test_a_manifest_saved_by_a_spreadsheet_still_reads(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    write_manifest(path, [Record("a.jpg", "MEL", lesion="1", fold=2)])
    plain = read_manifest(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_manifest(path) == plain


def test_an_unwritten_row_leaves_the_former_table_whole(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    write_manifest(path, [Record("a.jpg", "MEL")])
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_manifest(path, [Record("b.jpg", "NV"), None])  # type: ignore[list-item]
    assert path.read_bytes() == before


def test_each_fault_is_one_line_that_says_where(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    with pytest.raises(TableError, match="hierattn prepare"):
        read_manifest(path)
    write_manifest(path, [Record("a.jpg", "MEL", fold=1), Record("b.jpg", "NV", fold=1)])
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    for column, value, words_of_it in (("label", "WART", "unknown label 'WART'"), ("fold", "x", "fold is 'x'")):
        changed = [list(row) for row in rows]
        changed[2][COLUMNS.index(column)] = value
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(changed)
        with pytest.raises(TableError, match=r"manifest\.csv:3: ") as caught:
            read_manifest(path)
        assert words_of_it in str(caught.value)
    path.write_text("image,label\n")
    with pytest.raises(TableError, match="lacks the column lesion"):
        read_manifest(path)


def test_the_checksum_is_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    write_manifest(path, [Record("a.jpg", "MEL")])
    assert manifest_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
