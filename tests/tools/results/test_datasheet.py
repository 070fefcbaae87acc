"""A datasheet counts what the prepared set holds, and no count in it points at a person."""

from collections import Counter

from tools.marked_text import marks

from hierattn.data.prepared_set.manifest import read_manifest
from hierattn.taxonomy.built_in import EIGHT
from tools.results import datasheet


def test_a_datasheet_counts_what_the_prepared_set_holds(prepared):
    records = read_manifest(prepared / "manifest.csv")
    text = datasheet.counts(records)
    assert f"{len(records):,} images, {len({record.group for record in records}):,} groups" in text
    for code in {record.label for record in records}:
        of_class = [record for record in records if record.label == code]
        groups = len({record.group for record in of_class})
        assert f"| {code} {EIGHT.by_code[code].name} | {len(of_class)} | {groups} |" in text
    assert not [record.lesion for record in records if record.lesion and record.lesion in text]


def test_a_datasheet_gives_no_count_that_points_at_a_person(prepared):
    record = read_manifest(prepared / "manifest.csv")[0]
    rows = datasheet._rows(Counter({"back": 20, "lip": 2, datasheet.UNKNOWN: 3}))
    assert rows == ["| back | 20 |", "| 1 others together | under 5 |", f"| {datasheet.UNKNOWN} | 3 |"]
    assert record.image not in datasheet.counts([record])


def test_the_counts_go_between_the_marks_of_the_page(prepared, tmp_path):
    begin, end = marks(datasheet.COMMAND)
    page = tmp_path / "page.md"
    page.write_text(f"words\n{begin}\n{end}\nmore\n")
    datasheet.main([str(prepared), str(page)])
    wanted = datasheet.counts(read_manifest(prepared / "manifest.csv"))
    assert page.read_text() == f"words\n{begin}\n\n{wanted}\n{end}\nmore\n"
