"""Tables of a dataclass come back as they were, and each fault is one line that says where and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from hierattn.data.prepared_set import record_table
from hierattn.data.prepared_set.record_table import columns_of, read_records, write_records
from hierattn.errors import TableError


@dataclass(frozen=True)
class Spot:
    name: str
    size: int = 0
    note: str = ""


SPOTS = [Spot('a, "b"', 3, "two\nlines"), Spot("ü", -1), Spot("")]


def read(path: Path, *, exact: bool = False) -> list[Spot]:
    return [spot for _, spot in read_records(path, Spot, again="make it again", exact=exact)]


def test_what_is_written_comes_back_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "spots.csv"
    write_records(path, Spot, SPOTS)
    assert columns_of(Spot) == ("name", "size", "note")
    assert read(path) == read(path, exact=True) == SPOTS
    assert [where.rpartition(":")[2] for where, _ in read_records(path, Spot, again="")] == ["3", "4", "5"]
    assert [one.name for one in tmp_path.iterdir()] == ["spots.csv"]


def test_a_column_more_is_let_be_unless_the_table_must_be_exact(tmp_path: Path) -> None:
    path = tmp_path / "spots.csv"
    path.write_text("size,extra,name,note\n4,x,a,\n")
    assert read(path) == [Spot("a", 4)]
    with pytest.raises(TableError, match="other columns than name, size, note; make it again"):
        read(path, exact=True)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name,note\na,b\n", "lacks the column size; make it again"),
        (b"", "lacks the column name, size, note"),
        (b"name,size,note\na,1,x\nb,2\n", r"spots.csv:3: wanted 3 values; make it again"),
        (b"name,size,note\na,1,x,y\n", r"spots.csv:2: wanted 3 values"),
        (b"name,size,note\na,1.5,x\n", r"spots.csv:2: size is '1.5', wanted a whole number"),
        (b"name,size,note\n\xfc,1,x\n", "no.* CSV table in UTF-8"),
        (b"name,size,note\n" + b"a" * 200_000 + b",1,x\n", "no.* CSV table in UTF-8"),
    ],
)
def test_each_fault_is_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "spots.csv"
    path.write_bytes(content)
    with pytest.raises(TableError, match=told) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_table_too_large_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_records(tmp_path / "spots.csv", Spot, SPOTS)
    monkeypatch.setattr(record_table, "MAX_BYTES", 20)
    with pytest.raises(TableError, match="larger than"):
        read(tmp_path / "spots.csv")
