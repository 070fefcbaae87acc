"""Parquet: plain columns as texts, pictures and lists left where they are."""

from __future__ import annotations

import datetime

import pytest

from hierattn.data.table_files.parquet_table import read_parquet
from hierattn.errors import TableError

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def test_plain_columns_are_texts_and_the_others_are_named(tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "image": ["a.jpg", "b.jpg"],
            "dx": pa.array(["MEL", None]).dictionary_encode(),
            "patient": [7.0, None],
            "seen": [datetime.date(2024, 1, 3), None],
            "photo": [{"bytes": b"x", "path": "a"}, {"bytes": b"y", "path": "b"}],
            "raw": [b"\xff\xd8", b"\xff"],
            "tags": [["x"], []],
            "biopsied": [True, False],
        }
    )
    parquet.write_table(table, path)
    read = read_parquet(path)
    assert read.columns == {
        "image": ["a.jpg", "b.jpg"],
        "dx": ["MEL", ""],
        "patient": ["7", ""],
        "seen": ["2024-01-03", ""],
        "biopsied": ["true", "false"],
    }
    assert read.nested == ["photo", "raw", "tags"]
    assert read.dates == {"seen": "2024-01-03"}


def test_a_table_of_more_rows_than_can_be_read_is_refused_before_it_is(tmp_path):
    path = tmp_path / "t.parquet"
    many = pa.DictionaryArray.from_arrays(pa.array([0] * 4_000_001, pa.int8()), ["a"])
    parquet.write_table(pa.table({"image": many}), path)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(TableError, match="4000001 rows"):
        read_parquet(path)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_cut_short_is_one_line(tmp_path, share):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"image": ["a"] * 100}), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(TableError, match="cannot be read as Parquet"):
        read_parquet(path)
