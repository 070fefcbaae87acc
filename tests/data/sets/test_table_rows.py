"""What a table says of photographs: values, spellings, and the listing that follows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.sets.published_sets import touch

from hierattn.data.sets.listing import ImageFolder, Listing
from hierattn.data.sets.table_rows import (
    Photo,
    age_of,
    domain_of,
    list_photos,
    malignancy_of,
    one_hot,
    spellings,
    taken_for_one,
)
from hierattn.errors import TableError


def listed(folder: Path, photos: list[Photo], **options: object) -> Listing:
    touch(folder, ["a.jpg", "b.JPG", "c.png"])
    listing = Listing("own", "CC0", domain="clinical")
    list_photos(listing, folder / "own.csv", photos, ImageFolder(folder), **options)  # type: ignore[arg-type]
    return listing


def test_labels_become_classes_with_the_malignancy_that_the_set_says(tmp_path: Path) -> None:
    photos = [
        Photo(("a",), "Kaposi sarcoma", "malignant", lesion="L1"),
        Photo(("b",), "wart", domain="dermoscopic", source="clinic", licence="CC BY"),
        Photo(("c",), "melanoma"),
    ]
    listing = listed(tmp_path, photos)
    names = {each.name: each.malignancy for each in listing.taxonomy.classes}
    assert names == {"Kaposi sarcoma": "malignant", "wart": "unknown", "melanoma": "malignant"}
    assert all(record.label in listing.taxonomy.codes for record in listing.records)
    assert [record.own_label for record in listing.records] == ["Kaposi sarcoma", "wart", "melanoma"]
    assert [(record.source, record.licence, record.domain) for record in listing.records][:2] == [
        ("own", "CC0", "clinical"), ("clinic", "CC BY", "dermoscopic"),
    ]  # fmt: skip


def test_rows_of_one_file_rows_without_a_file_and_rows_left_out_are_listed_with_their_reason(tmp_path: Path) -> None:
    photos = [
        Photo(("a",), "x"),
        Photo(("a.jpg",), "y"),
        Photo(("absent",), "x"),
        Photo(("c",), "", left_out="no diagnosis"),
        Photo(("absent", "b"), "y"),
    ]
    listing = listed(tmp_path, photos)
    assert [(row.image, row.reason) for row in listing.dropped] == [
        ("a.jpg", "its file is that of a"), ("absent", "no image file"), ("c", "no diagnosis"),
    ]  # fmt: skip
    assert [Path(record.image).name for record in listing.records] == ["a.jpg", "b.JPG"]


def test_a_label_that_the_set_does_not_have_is_one_line_with_its_photograph(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"own.csv: b: unknown label 'z': own has x, y; correct the table"):
        listed(tmp_path, [Photo(("a",), "x"), Photo(("b",), "z")], words={"x": "MEL", "y": "NV"})


def test_chains_of_pairs_are_one_and_blanks_join_nobody(tmp_path: Path) -> None:
    photos = [Photo(("a",), "x", patient="P1"), Photo(("b",), "y", patient="P2"), Photo(("c",), "y", patient="P9")]
    listing = listed(tmp_path, photos)
    assert taken_for_one(listing, "patient", [("P9", "P2"), ("P2", "P1"), ("", "P1"), ("P1", "P9"), ("", "")]) == 2
    assert {record.patient for record in listing.records} == {"P1"}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("1", "malignant"), ("0.0", "benign"), (" TRUE", "malignant"), ("benign", "benign"), ("nan", "unknown"),
     ("", "unknown")],
)  # fmt: skip
def test_malignancy_is_read_in_every_spelling(value: str, wanted: str) -> None:
    assert malignancy_of(value, "x") == wanted


@pytest.mark.parametrize("value", ["2", "-1", "0.5", "perhaps"])
def test_anything_else_is_no_malignancy(value: str) -> None:
    with pytest.raises(TableError, match="row 3: target is"):
        malignancy_of(value, "row 3: target")


def test_ages_and_domains_in_every_spelling() -> None:
    assert [age_of(value) for value in ("60.0", "85+", "", "nan", "0")] == ["60", "85", "", "", "0"]
    kinds = ("dermoscopic", "clinical: close-up", "clinical: overview", "TBP tile: close-up", "RCM: mosaic", "")
    assert [domain_of(kind) for kind in kinds] == ["dermoscopic", *["clinical"] * 3, "unknown", "unknown"]


@pytest.mark.parametrize("image", ["ISIC_0000001", "ISIC_0000001_downsampled", "ISIC_0000001.jpg"])
def test_an_isic_image_is_found_with_and_without_its_ending(image: str) -> None:
    found = {name.removesuffix(".jpg") for name in spellings(image)}
    assert found == {"ISIC_0000001", "ISIC_0000001_downsampled"}
    assert spellings(image)[0] == image


def test_a_one_hot_row_has_exactly_one_known_class() -> None:
    assert one_hot({"image": "x", "MEL": "0,0", "NV": "1.0", "note": "0"}, ["MEL", "NV"], "x", ["image"]) == "NV"
    for row, words in (
        ({"MEL": "1", "NV": "1"}, r"2 classes \(MEL, NV\)"),
        ({"MEL": "0", "NV": "0"}, "0 classes"),
        ({"MEL": "", "NV": "1"}, "MEL is '', wanted 0 or 1"),
        ({"MEL": "0", "NV": "0", "OTHER": "1"}, "unknown label 'OTHER', wanted one of MEL, NV"),
    ):
        with pytest.raises(TableError, match=words):
            one_hot(row, ["MEL", "NV"], "x")
