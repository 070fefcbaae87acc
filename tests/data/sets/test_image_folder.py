"""One folder a class, and which layout a folder has."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sets import folder_set, write_image, write_table

from hierattn.data.sets.image_folder import has_class_folders, read_image_folder
from hierattn.errors import DataError, TableError
from hierattn.taxonomy.built_in import EIGHT


def test_the_folder_an_image_lies_in_is_its_class_at_any_depth(tmp_path: Path) -> None:
    write_image(tmp_path / "mel" / "a.png", 0)
    write_image(tmp_path / "MEL_clinic" / "SEK" / "MEL.jpg", 1)
    listing = read_image_folder(tmp_path)
    assert {Path(record.image).name: record.label for record in listing.records} == {"a.png": "MEL", "MEL.jpg": "BKL"}


def test_an_unknown_folder_is_an_error_that_lists_the_classes(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1, "warts": 1})
    with pytest.raises(TableError, match="in the folder 'warts'") as caught:
        read_image_folder(tmp_path, taxonomy=EIGHT)
    assert all(code in str(caught.value) for code in EIGHT.codes)


@pytest.mark.parametrize(
    ("folders", "name", "codes"),
    [
        (["MEL", "warts"], "own", ("MEL", "warts")),
        (["Benign", "malignant"], "malignant", ("benign", "malignant")),
        (["Lichen planus", "湿疹", "psoriasis"], "own", ("Lichen_planus", "psoriasis", "湿疹")),
    ],
)
def test_folders_that_the_eight_do_not_cover_give_classes_of_their_own(tmp_path: Path, folders, name, codes) -> None:
    folder_set(tmp_path, dict.fromkeys(folders, 1))
    listing = read_image_folder(tmp_path)
    assert listing.taxonomy.codes == codes
    assert listing.guessed == (name == "own")
    assert {record.label for record in listing.records} == set(codes)


def test_the_class_is_the_folder_an_image_lies_in_whatever_part_that_lies_in(tmp_path: Path) -> None:
    for number, name in enumerate(("train/benign", "train/malignant", "test/malignant")):
        write_image(tmp_path / name / f"{number}.png", number)
    listing = read_image_folder(tmp_path)
    assert listing.taxonomy.name == "malignant"
    assert sorted(record.label for record in listing.records) == ["benign", "malignant", "malignant"]


def test_parts_of_a_set_are_no_classes(tmp_path: Path) -> None:
    for number, names in enumerate([("train", "test"), ("HAM10000_images_part_1", "HAM10000_images_part_2")]):
        source = folder_set(tmp_path / str(number), dict.fromkeys(names, 1))
        assert not has_class_folders(source)
        with pytest.raises(TableError, match="wanted one folder a class"):
            read_image_folder(source)


def test_an_image_in_no_class_folder_is_an_error(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1})
    write_image(tmp_path / "stray.png", 3)
    with pytest.raises(TableError, match="lies in no class folder"):
        read_image_folder(tmp_path)


def test_groups_are_read_by_path_or_by_name(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 2, "NV": 1})
    rows = [("MEL/MEL_0.png", "L1", "P1"), ("NV_0.png", "L2", "P1"), ("gone.png", "L3", "P2")]
    write_table(tmp_path / "groups.csv", ("image", "lesion", "patient"), rows)
    listing = read_image_folder(tmp_path)
    told = {Path(record.image).name: (record.lesion, record.patient) for record in listing.records}
    assert told == {"MEL_0.png": ("L1", "P1"), "MEL_1.png": ("", ""), "NV_0.png": ("L2", "P1")}
    assert [row.image for row in listing.dropped] == ["gone.png"]
    assert "1 of 3 rows of groups.csv name no image (gone.png), and 1 of 3 images have no row" in listing.notes[0]


def test_groups_with_an_image_twice_or_nothing_to_group_by_are_errors(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1})
    write_table(tmp_path / "groups.csv", ("image", "lesion"), [("MEL_0.png", "L1"), ("MEL/MEL_0.png", "L2")])
    with pytest.raises(TableError, match=r"names MEL/MEL_0.png \(also as MEL_0.png\) more than once"):
        read_image_folder(tmp_path)
    write_table(tmp_path / "groups.csv", ("image", "doctor"), [("a.png", "D1")])
    with pytest.raises(TableError, match="wanted image, and lesion or patient"):
        read_image_folder(tmp_path)


def test_groups_that_match_nothing_or_may_mean_several_are_errors(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 2, "NV": 2})
    write_table(tmp_path / "groups.csv", ("image", "patient"), [("gone.png", "P1"), ("BCC/MEL_0.png", "P1")])
    with pytest.raises(TableError, match=r"names none of the 4 images, but for example 'gone.png'.*'MEL/MEL_0.png'"):
        read_image_folder(tmp_path)
    for name in ("MEL/MEL_0.png", "NV/NV_0.png"):
        (tmp_path / name).rename(tmp_path / Path(name).parent / "1.png")
    write_table(tmp_path / "groups.csv", ("image", "patient"), [("1.png", "P1")])
    with pytest.raises(TableError, match=r"names 1.png, which may be MEL/1.png, NV/1.png: write it with its folder"):
        read_image_folder(tmp_path)


@pytest.mark.parametrize(
    "spelled", ["{0}\\{0}_{1}.png", "./{0}//{0}_{1}.PNG", "/home/a/{0}/{0}_{1}.png", "{0}_{1}", " {0}/{0}_{1}.jpg "]
)
@pytest.mark.parametrize("columns", [("image", "patient"), ("Image ", "Patient_ID"), ("FileName", "patient id")])
def test_groups_are_read_in_any_spelling(tmp_path: Path, spelled: str, columns: tuple[str, str]) -> None:
    folder_set(tmp_path, {"MEL": 2, "NV": 2})
    rows = [(spelled.format(label, number), f"P{label}") for label in ("MEL", "NV") for number in range(2)]
    write_table(tmp_path / "groups.csv", columns, rows)
    assert [record.patient for record in read_image_folder(tmp_path).records] == ["PMEL"] * 2 + ["PNV"] * 2


@pytest.mark.parametrize("name", ["groups.xlsx", "Groups.ods", "groups.csv.txt", "groups.tsv"])
def test_a_table_of_groups_in_another_form_is_not_passed_over(tmp_path: Path, name: str) -> None:
    folder_set(tmp_path, {"MEL": 2})
    (tmp_path / name).touch()
    with pytest.raises(TableError, match=rf"{name} is not read: wanted one groups.csv"):
        read_image_folder(tmp_path)


@pytest.mark.parametrize(
    "mask",
    ["MEL/MEL_0_segmentation.png", "MEL/MEL_0_mask.png", "MEL/mask-MEL_0.png", "masks/MEL/MEL_0.png",
     "MEL/MEL_0_superpixels.png", "Ground Truth/MEL/MEL_0_seg.png", "MEL/mel_0 Mask 1.png"],
)  # fmt: skip
def test_a_mask_beside_its_photograph_is_left_out(tmp_path: Path, mask: str) -> None:
    folder_set(tmp_path, {"MEL": 2})
    write_image(tmp_path / mask, 9)
    listing = read_image_folder(tmp_path)
    assert [Path(record.image).name for record in listing.records] == ["MEL_0.png", "MEL_1.png"]
    assert [row.reason for row in listing.dropped] == ["by its name the mask of another image"]


def test_a_photograph_whose_name_only_sounds_like_a_mask_is_kept(tmp_path: Path) -> None:
    for name in ("MEL/mask.png", "MEL/unmask_1.png", "MEL/b_segmentation.png", "masks/MEL/c.png"):
        write_image(tmp_path / name, len(name))
    assert len(read_image_folder(tmp_path).records) == 4


def test_two_endings_of_one_name_are_refused_unless_they_are_copies(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 2})
    (tmp_path / "MEL" / "MEL_0").write_bytes((tmp_path / "MEL" / "MEL_0.png").read_bytes())
    listing = read_image_folder(tmp_path)
    assert (len(listing.records), listing.dropped[0].reason) == (2, "a copy of MEL/MEL_0, byte for byte")
    write_image(tmp_path / "MEL" / "MEL_1.jpg", 7)
    with pytest.raises(DataError, match=r"MEL/MEL_1.jpg and MEL/MEL_1.png .* different files with one id"):
        read_image_folder(tmp_path)


def test_a_table_of_patients_under_another_name_is_mentioned(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 1})
    write_table(tmp_path / "metadata.csv", ("file", "Patient ID"), [("x", "P")])
    write_table(tmp_path / "cameras.csv", ("file", "camera"), [("x", "C")])
    assert read_image_folder(tmp_path).notes[0].startswith("metadata.csv has a column of lesions or patients")


@pytest.mark.parametrize("name", ["clinic/groups.csv", "clinic/tables/Groups.tsv", "clinic/groups.xlsx"])
def test_groups_of_a_part_of_the_photographs_are_refused_with_the_place_for_them(tmp_path: Path, name: str) -> None:
    folder_set(tmp_path / "clinic", {"MEL": 2})
    (tmp_path / name).parent.mkdir(exist_ok=True)
    write_table(tmp_path / name, ("image", "patient"), [("MEL_0.png", "P1")])
    with pytest.raises(TableError, match=r"is not read: wanted one groups.csv for all.*to \S*/groups.csv"):
        read_image_folder(tmp_path)
    write_table(tmp_path / "groups.csv", ("image", "patient"), [("MEL_0.png", "P1"), ("MEL_1.png", "P1")])
    assert [record.patient for record in read_image_folder(tmp_path).records] == ["P1", "P1"]


def test_the_groups_that_are_read_are_not_told_to_be_unread_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_set(tmp_path / "src", {"MEL": 1})
    write_table(tmp_path / "src" / "groups.csv", ("image", "patient"), [("MEL_0.png", "P1")])
    monkeypatch.chdir(tmp_path)
    assert read_image_folder(Path("src")).notes == []


@pytest.mark.parametrize("name", ["metadata.tsv", "clinic/Patients.csv", "clinic/MEL/list.txt"])
@pytest.mark.parametrize("column", ["PatientID", "lesion id"])
def test_tables_of_patients_anywhere_are_told(tmp_path: Path, name: str, column: str) -> None:
    folder_set(tmp_path / "clinic", {"MEL": 2})
    write_table(tmp_path / name, ("file", column), [("MEL_0.png", "P1")])
    assert read_image_folder(tmp_path).notes == [
        f"{name} has a column of lesions or patients and is not read: save what is to be read as groups.csv"
    ]


def test_rows_of_masks_name_images_that_are_there(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 2})
    write_image(tmp_path / "masks" / "MEL_0_mask.png", 9)
    rows = [("MEL_0.png", "P1"), ("MEL_1.png", "P1"), ("masks/MEL_0_mask.png", "P1")]
    write_table(tmp_path / "groups.csv", ("image", "patient"), rows)
    listing = read_image_folder(tmp_path)
    assert [row.reason for row in listing.dropped] == ["by its name the mask of another image"]
    assert not listing.notes


def test_of_two_columns_of_patients_the_one_with_values_is_read(tmp_path: Path) -> None:
    folder_set(tmp_path, {"MEL": 2})
    rows = [("MEL_0.png", "", "C1"), ("MEL_1.png", "n/a", "C1")]
    write_table(tmp_path / "groups.csv", ("ImageID", "patient", "CaseID"), rows)
    assert [record.patient for record in read_image_folder(tmp_path).records] == ["C1", "C1"]
