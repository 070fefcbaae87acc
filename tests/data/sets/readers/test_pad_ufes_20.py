"""PAD-UFES-20's own layout."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import SHARED
from tiny_sets import write_image, write_table

from hierattn.data.prepared_set.folds import join_groups
from hierattn.data.sets.readers.pad_ufes_20 import read_pad_ufes_20
from hierattn.errors import TableError

COLUMNS = ("patient_id", "lesion_id", "age", "gender", "fitspatrick", "region", "diagnostic", "img_id")
SIX = {"ACK": "ACK", "BCC": "BCC", "SEK": "BKL", "MEL": "MEL", "NEV": "NV", "SCC": "SCC"}


def pad_set(folder: Path, place: str = "images", ending: str = ".png") -> Path:
    rows = []
    for number, diagnostic in enumerate(SIX):
        name = f"PAT_{number // 2}_{number}_{100 + number}"
        write_image(folder / place.format(1 + number % 3) / f"{name}{ending}", number)
        known = ("55", "FEMALE", "3.0", "FACE") if number else ("", "", "", "")
        rows.append((f"PAT_{number // 2}", str(number), *known, diagnostic, f"{name}.png"))
    write_table(folder / "metadata.csv", COLUMNS, rows)
    return folder


@pytest.mark.parametrize("place", ["images", "images/imgs_part_{}", "images/imgs_part_{0}/imgs_part_{0}", "."])
@pytest.mark.parametrize("ending", [".png", ".jpg", ".JPG"])
def test_images_are_found_by_their_stem_in_every_way_of_unpacking(tmp_path: Path, place: str, ending: str) -> None:
    listing = read_pad_ufes_20(pad_set(tmp_path, place, ending))
    assert [record.label for record in listing.records] == list(SIX.values())
    assert (listing.dropped, listing.unnamed) == ([], [])


def test_a_record_holds_what_the_table_says_and_empty_stays_empty(tmp_path: Path) -> None:
    empty, full = read_pad_ufes_20(pad_set(tmp_path)).records[:2]
    assert (full.patient, full.lesion, full.age, full.sex) == ("PAT_0", "1", "55", "female")
    assert (full.site, full.skin_type) == ("face", "3")
    assert (empty.age, empty.sex, empty.site, empty.skin_type) == ("", "", "", "")
    assert (full.source, full.licence) == ("pad-ufes-20", "CC BY 4.0")


def test_what_was_asked_is_read_and_what_nobody_should_be_asked_is_not(tmp_path: Path) -> None:
    columns = ("img_id", "patient_id", "lesion_id", "diagnostic", "region", "itch", "grew", "changed", "biopsed",
               "diameter_1", "diameter_2", "pesticide", "background_father", "has_piped_water")  # fmt: skip
    write_image(tmp_path / "images" / "PAT_1_2_3.png", 1)
    row = ("PAT_1_2_3.png", "PAT_1", "2", "NEV", "ARM", "True", "False", "UNK", "True", "6.0", "9.5", "True", "ITALY",
           "True")  # fmt: skip
    write_table(tmp_path / "metadata.csv", columns, [row])
    (record,) = read_pad_ufes_20(tmp_path).records
    assert (record.itch, record.grew, record.changed, record.hurt) == ("yes", "no", "", "")
    assert (record.site, record.diameter_mm, record.biopsied) == ("upper arm", "9.5", "yes")
    assert "ITALY" not in vars(record).values()


def test_lesions_of_one_patient_are_one_group(tmp_path: Path) -> None:
    groups = [record.group for record in join_groups(read_pad_ufes_20(pad_set(tmp_path)).records)]
    assert groups == ["patient:PAT_0"] * 2 + ["patient:PAT_1"] * 2 + ["patient:PAT_2"] * 2


def test_an_unknown_diagnosis_is_an_error_naming_the_image(tmp_path: Path) -> None:
    pad_set(tmp_path)
    text = (tmp_path / "metadata.csv").read_text().replace("NEV", "DF")
    (tmp_path / "metadata.csv").write_text(text)
    with pytest.raises(TableError, match=r"PAT_2_4_104.png: unknown label 'DF': pad-ufes-20 has ACK"):
        read_pad_ufes_20(tmp_path)


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real photographs in ../shared")
def test_the_real_set_has_the_counts_that_its_readme_gives() -> None:
    listing = read_pad_ufes_20(SHARED / "data" / "pad-ufes-20")
    assert (listing.dropped, listing.unnamed, listing.notes) == ([], [], [])
    assert Counter(record.label for record in listing.records) == {
        "BCC": 249, "NV": 191, "ACK": 185, "BKL": 124, "SCC": 39, "MEL": 38,
    }  # fmt: skip
    assert {record.skin_type for record in listing.records} == {"", "1", "2", "3", "4", "5", "6"}
    assert {record.sex for record in listing.records} == {"", "male", "female"}
    patients = {record.patient for record in listing.records}
    assert len(patients) == 619
    assert all(Path(record.image).stem.startswith(record.patient + "_") for record in listing.records)
