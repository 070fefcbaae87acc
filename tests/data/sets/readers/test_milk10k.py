"""MILK10k at its own size: two photographs a lesion, their domains, eleven classes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.sets.published_sets import MILK10K_LESIONS, folds_without_leaks, milk10k, touch, write

from hierattn.data.sets.catalog import MILK10K
from hierattn.data.sets.layouts import read_source
from hierattn.errors import TableError


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("milk10k")
    milk10k(folder)
    return folder


def test_both_photographs_of_a_lesion_are_read_and_stay_together(source: Path) -> None:
    layout, listing = read_source(source)
    assert (layout.name, listing.dropped, listing.unnamed, listing.notes) == ("milk10k", [], [], [])
    assert Counter(record.label for record in listing.records) == dict(MILK10K.classes)
    assert Counter(record.domain for record in listing.records) == {"clinical": 5_240, "dermoscopic": 5_240}
    assert {record.skin_type for record in listing.records} == {""}
    assert {record.site for record in listing.records} == {"head neck face"}
    assert len({record.group for record in folds_without_leaks(listing.records, 9)}) == 5_240
    assert list(listing.taxonomy.codes) == list(MILK10K_LESIONS)
    assert {listing.taxonomy.by_code[code].malignancy for code in ("MEL", "MAL_OTH", "SCCKA", "BCC")} == {"malignant"}


def test_the_full_diagnosis_can_be_asked_for(source: Path) -> None:
    _, listing = read_source(source, "auto:diagnosis_full")
    names = {each.name: each.malignancy for each in listing.taxonomy.classes}
    assert set(names) == {"Nevus", "Melanoma in situ", "Basal cell carcinoma", "Other, NOS"}
    assert (names["Nevus"], names["Basal cell carcinoma"], names["Other, NOS"]) == ("benign", "malignant", "unknown")


def test_tables_that_do_not_belong_together_are_one_line(tmp_path: Path) -> None:
    touch(tmp_path, ["ISIC_1.jpg"])
    write(tmp_path / "MILK10k_Training_GroundTruth.csv", ["lesion_id", "MEL", "NV"], [("IL_1", 1, 0)])
    with pytest.raises(TableError, match=r"no table .*MILK10k_Training_Metadata.csv"):
        read_source(tmp_path)
    columns = ["lesion_id", "image_type", "isic_id"]
    write(tmp_path / "MILK10k_Training_Metadata.csv", columns, [("IL_2", "dermoscopic", "ISIC_1")])
    with pytest.raises(TableError, match="no lesion in common"):
        read_source(tmp_path)
    rows = [("IL_1", "dermoscopic", "ISIC_1"), ("IL_9", "dermoscopic", "ISIC_2")]
    write(tmp_path / "MILK10k_Training_Metadata.csv", columns, rows)
    touch(tmp_path, ["ISIC_2.jpg"])
    _, listing = read_source(tmp_path)
    assert [(row.image, row.reason) for row in listing.dropped] == [("ISIC_2", "no class of lesion IL_9")]
