"""DDI at its own size: malignancy, diseases, skin tones, and files called by numbers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.sets.published_sets import ddi, folds_without_leaks, touch, write

from hierattn.data.sets.layouts import read_source
from hierattn.errors import TableError


def test_all_photographs_are_read_with_their_skin_tones(tmp_path: Path) -> None:
    ddi(tmp_path)
    layout, listing = read_source(tmp_path)
    assert (layout.name, listing.dropped, listing.notes) == ("ddi", [], [])
    assert Counter(record.label for record in listing.records) == {"benign": 485, "malignant": 171}
    assert Counter(record.skin_type for record in listing.records) == {"1-2": 208, "3-4": 241, "5-6": 207}
    assert len(folds_without_leaks(listing.records, 10)) == 656
    _, listing = read_source(tmp_path, "auto:disease")
    assert {each.name: each.malignancy for each in listing.taxonomy.classes} == {
        "basal cell carcinoma": "malignant",
        "melanocytic nevi": "benign",
        "melanoma in situ": "malignant",
        "seborrheic keratosis irritated": "benign",
        "wart": "benign",
    }


def test_numbers_that_a_spreadsheet_has_shortened_find_their_files_and_bad_values_do_not_pass(tmp_path: Path) -> None:
    touch(tmp_path / "images", ["000001.png", "000002.png"])
    columns = ["DDI_file", "skin_tone", "malignant", "disease"]
    write(tmp_path / "ddi_metadata.csv", columns, [("1", "12.0", "TRUE", "wart"), ("2", "99", "FALSE", "")])
    _, listing = read_source(tmp_path)
    assert [(record.label, record.skin_type) for record in listing.records] == [("malignant", "1-2"), ("benign", "")]
    write(tmp_path / "ddi_metadata.csv", columns, [("1", "12", "perhaps", "wart")])
    with pytest.raises(TableError, match="1: malignant is 'perhaps', wanted 0 or 1"):
        read_source(tmp_path)
