"""The archive's table: whole rows survive a crash, one process writes at a time, and foreign tables are left alone."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from hierattn.deploy.archive.table import ArchiveTable, columns
from hierattn.errors import NoSpaceError, TableError, UsageError

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


def test_a_link_stays_one_and_is_the_same_table_under_both_names(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "t.csv").symlink_to(tmp_path / "far" / "real.csv")
    with ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME) as table:
        with pytest.raises(UsageError, match="is being written by process"):
            ArchiveTable(tmp_path / "far" / "real.csv", ("MEL",), SAME)
        table.finish()
    assert (tmp_path / "t.csv").is_symlink()
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["real.csv"]


def test_a_table_that_its_owner_closed_to_others_stays_closed(tmp_path):
    with ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME) as table:
        table.finish()
    (tmp_path / "t.csv").chmod(0o600)
    with ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME) as table:
        assert (tmp_path / "t.csv.part").stat().st_mode & 0o777 == 0o600
        table.finish()
    assert (tmp_path / "t.csv").stat().st_mode & 0o777 == 0o600


def test_a_disk_that_fills_up_ends_in_one_line_and_the_rows_so_far_are_kept(tmp_path):
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill():
        with ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME) as table:
            for number in range(1000):
                table.add({"file": f"{number}.jpg", **SAME})

    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(NoSpaceError, match=r"rows so far are in .*t\.csv\.part, and the same command resumes"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with ArchiveTable(tmp_path / "t.csv", ("MEL",), SAME) as table:
        assert 5 < len(table.done) < 100
        for number in range(1000):
            if f"{number}.jpg" not in table.done:
                table.add({"file": f"{number}.jpg", **SAME})
        table.finish()
    assert [row["file"] for row in read_rows(tmp_path / "t.csv")] == [f"{number}.jpg" for number in range(1000)]
