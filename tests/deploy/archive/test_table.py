"""The archive's table: whole rows survive a crash, one process writes at a time, and foreign tables are left alone."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hierattn.deploy.archive.table import ArchiveTable, columns
from hierattn.errors import TableError, UsageError

SAME = {"rule": "risk", "bundle": "d"}


def read_rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", ['quote".png', "comma,\nline.png", r"\xe9.png", "é.png"])
def test_rows_cut_anywhere_are_dropped_and_whole_ones_kept(tmp_path, name):
    with ArchiveTable(tmp_path / "whole.csv", ("MEL",), SAME) as table:
        for file in ("first", name, "last"):
            table.add({"file": file, "reason": 'said "no", twice\n', **SAME})
    content = (tmp_path / "whole.csv.part").read_bytes()
    ends = []
    with ArchiveTable(tmp_path / "one.csv", ("MEL",), SAME) as table:
        for file in ("first", name, "last"):
            ends.append(len((tmp_path / "one.csv.part").read_bytes()))
            table.add({"file": file, "reason": 'said "no", twice\n', **SAME})
    ends.append(len(content))
    for cut in range(len(content)):
        (tmp_path / "cut.csv.part").write_bytes(content[:cut])
        with ArchiveTable(tmp_path / "cut.csv", ("MEL",), SAME) as table:
            assert len(table.done) == max(0, sum(end <= cut for end in ends) - 1)
        if cut >= ends[0]:
            kept = max(end for end in ends if end <= cut)
            assert (tmp_path / "cut.csv.part").read_bytes() == content[:kept]


def test_finished_table_has_no_part_beside_it(tmp_path):
    with ArchiveTable(tmp_path / "t.csv", ("MEL", "NV"), SAME) as table:
        table.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == ",".join(columns(("MEL", "NV"))) + "\n"


def test_a_table_that_another_process_writes_is_refused_and_keeps_its_rows(tmp_path):
    with ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME) as table:
        table.add({"file": "first", **SAME})
        with pytest.raises(UsageError, match="is being written by process"):
            ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME)
        table.add({"file": "second", **SAME})
        table.finish()
    assert [row["file"] for row in read_rows(tmp_path / "t.csv")] == ["first", "second"]
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_table_of_other_classes_is_left_alone(tmp_path):
    (tmp_path / "t.csv").write_text(",".join(columns(("NV", "BCC"))) + "\n", encoding="utf-8")
    with pytest.raises(TableError, match="other columns"):
        ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("content", ["one line, no end", "two\nlines\n", "file,sha256,status\n", "\ufeff", "\xe6\n"])
@pytest.mark.parametrize("name", ["t.csv", "t.csv.part"])
def test_a_file_that_is_no_table_is_not_touched(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="latin-1" if content == "\xe6\n" else "utf-8")
    before = (tmp_path / name).read_bytes()
    with pytest.raises(UsageError, match="not a table of answers"):
        ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: before}


def test_a_table_behind_a_link_is_written_there(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "t.csv").symlink_to(tmp_path / "there" / "answers.csv")
    for _ in range(2):
        with ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME) as table:
            table.add({"file": "a.png", **SAME})
            table.finish()
    assert (tmp_path / "t.csv").is_symlink()
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["answers.csv"]
    assert len(read_rows(tmp_path / "t.csv")) == 2
