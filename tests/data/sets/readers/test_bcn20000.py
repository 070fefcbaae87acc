"""BCN20000 at its own size: the eight codes, lesions, and what is none of the eight."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.data.sets.published_sets import bcn20000, folds_without_leaks

from hierattn.data.sets.layouts import read_source


def test_the_training_part_is_read_by_lesion_without_what_has_no_code(tmp_path: Path) -> None:
    bcn20000(tmp_path)
    bcn20000(tmp_path, 600, part="test")
    layout, listing = read_source(tmp_path)
    assert (layout.name, listing.taxonomy.name) == ("bcn20000", "eight")
    reasons = Counter(row.reason for row in listing.dropped)
    assert reasons == {
        "diagnosis not given, none of the eight classes": 125,
        "diagnosis OOD, none of the eight classes": 50,
    }
    assert len(listing.records) == 12_413 - 175
    assert Counter(record.label for record in listing.records).keys() == set(listing.taxonomy.codes)
    assert {(record.age, record.sex, record.site) for record in listing.records} == {("55", "male", "anterior torso")}
    assert sum(not record.lesion for record in listing.records) == len(range(2, 12_413, 30))
    folds_without_leaks(listing.records, 10)
    assert listing.notes == ["bcn_20k_test.csv is there and not read: name it by --layout bcn20000-test"]
    _, test = read_source(tmp_path, "bcn20000-test")
    assert {Path(record.image).parent.name for record in test.records} == {"bcn_20k_test"}
