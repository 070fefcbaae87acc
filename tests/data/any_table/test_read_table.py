"""A table beside photographs: what it says is understood, and what is wrong with it is one line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hierattn.data.any_table.columns import TableOptions
from hierattn.data.any_table.read_table import TableRead, read_any_table
from hierattn.data.prepared_set.asked import answerable
from hierattn.errors import HierAttnError, TableError, UsageError
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.questions import QUESTIONS

LABELS = ["melanoma", "nevus", "eczema", "psoriasis"]


def photos(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photos(tmp_path / "photos", *(f"img_{number:03}.jpg" for number in range(24)))


def read(folder: Path, text: str, taxonomy=None, **columns: str) -> TableRead:
    path = folder.parent / "labels.csv"
    path.write_text(text)
    names = {role.replace("_", "-"): name for role, name in columns.items()}
    result = read_any_table(folder, None, TableOptions(path, names), taxonomy)
    for line in (*result.understanding.problems, *result.listing.notes):
        assert "\n" not in line
    return result


def rows(header: str, count: int = 24, **values) -> str:
    """A table with a row for each photograph: values by column, or a function of the row's number."""
    lines = [header]
    for number in range(count):
        cells = {"file": f"img_{number:03}.jpg", "dx": LABELS[number % 4], "patient": f"P{number // 3}"}
        for name, value in values.items():
            cells[name] = str(value(number) if callable(value) else value)
        lines.append(",".join(cells[name] for name in header.split(",")))
    return "\n".join(lines) + "\n"


def test_everything_that_fits_is_understood(folder):
    text = rows("file,dx,patient,age,sex,note", age=lambda k: 30 + k, sex=lambda k: "mf"[k % 2], note="x")
    result = read(folder, text)
    account = result.understanding
    assert not account.problems
    assert [(column.role, column.name) for column in account.columns] == [
        ("image", "file"),
        ("label", "dx"),
        ("patient", "patient"),
        ("age", "age"),
        ("sex", "sex"),
    ]
    assert account.not_used == ["note"]
    assert account.found == {"by path, name or id": 24, "by the file's name alone": 0, "by its number": 0}
    assert {found.code: (found.images, found.patients) for found in account.classes} == dict.fromkeys(LABELS, (6, 6))
    assert (account.patients, account.lesions, account.referral) == (8, 0, False)
    record = result.listing.records[5]
    assert (Path(record.image).name, record.label, record.patient) == ("img_005.jpg", "nevus", "P1")
    assert (record.age, record.sex, record.source) == ("35", "female", "table")


def test_what_is_left_out_is_counted_and_named(folder):
    text = (
        rows("file,dx,patient", 20, dx=lambda k: "" if k == 3 else LABELS[k % 4]) + "absent.jpg,nevus,P1\n,nevus,P2\n"
    )
    result = read(folder, text)
    account = result.understanding
    assert account.no_photograph == ["absent.jpg"]
    assert account.no_row == [f"img_{number:03}.jpg" for number in range(20, 24)]
    assert account.no_label == {"": 1}
    assert len(result.listing.records) == 19
    reasons = sorted(row.reason for row in result.listing.dropped)
    assert reasons == ["its row names no image", "no image file", "no label"]
    assert len(account.notes) == 3


def test_labels_of_the_eight_give_the_eight(folder):
    result = read(folder, rows("file,dx", dx=lambda k: ["MEL", "Naevus"][k % 2]))
    assert result.taxonomy == EIGHT
    assert {record.label for record in result.listing.records} == {"MEL", "NV"}
    assert result.understanding.referral


def test_classes_are_those_of_rows_that_have_a_photograph(folder):
    result = read(folder, rows("file,dx") + "absent.jpg,scabies\n")
    assert sorted(found.code for found in result.understanding.classes) == sorted(LABELS)
    assert result.taxonomy is not None
    assert "scabies" not in result.taxonomy.codes


def test_a_fold_column_gives_the_folds_and_is_used_only_where_asked(folder):
    text = rows("file,dx,patient,split", split=lambda k: ["train", "val", "test"][(k // 3) % 3])
    assert "not used: --fold-column 'split'" in " ".join(read(folder, text).understanding.notes)
    result = read(folder, text, fold="split")
    assert not result.understanding.problems
    assert result.listing.splits is not None
    assert result.listing.splits.fold_of[:9] == (2, 2, 2, 1, 1, 1, 0, 0, 0)
    assert result.understanding.folds == {"test": 6, "train": 9, "val": 9}


@pytest.mark.parametrize("name", ["{}", "fold_{}", "Fold {}", "{}.0"])
@pytest.mark.parametrize("first", [0, 1])
def test_folds_may_be_numbered_from_0_or_1_under_any_name(folder, name, first):
    result = read(folder, rows("file,dx,patient,f", f=lambda k: name.format((k // 3) % 4 + first)), fold="f")
    assert not result.understanding.problems
    assert result.listing.splits is not None
    assert sorted(set(result.listing.splits.fold_of)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("fold", "words"),
    [
        (lambda k: k % 3, "patient P0 is in the folds '0' (img_000.jpg) and '1' (img_001.jpg)"),
        (lambda k: (k // 3) % 2, "wanted 3 or more"),
        (lambda k: ["a", "b", "c"][(k // 3) % 3], "fold 'a'"),
        (lambda k: [0, 1, 3][(k // 3) % 3], "without a gap"),
        (lambda k: "", "has no fold in its column f"),
    ],
)
def test_a_fold_column_that_leaks_or_means_nothing_is_one_line(folder, fold, words):
    (problem,) = read(folder, rows("file,dx,patient,f", f=fold), fold="f").understanding.problems
    assert words in problem


def test_images_without_a_fold_are_counted(folder):
    text = rows("file,dx,patient,f", f=lambda k: "" if k < 3 else (k // 3) % 3)
    result = read(folder, text, fold="f")
    assert result.listing.splits is not None
    assert len(result.listing.splits.names) == 21
    assert "3 images have no fold" in " ".join(result.understanding.notes)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("img_000.jpg,nevus,P0\n", "gives img_000.jpg the label 'melanoma' in row 2 and 'nevus' in row 26"),
        ("IMG_000,melanoma,P7\n", "gives img_000.jpg the patient 'P0' in row 2 and 'P7' in row 26"),
    ],
)
def test_an_image_twice_that_is_at_odds_is_one_line(folder, more, words):
    (problem,) = read(folder, rows("file,dx,patient") + more).understanding.problems
    assert words in problem


def test_an_image_twice_that_agrees_is_taken_once(folder):
    result = read(folder, rows("file,dx,patient") + "img_000,Melanoma,P0\nimg_000.jpg,,P0\n")
    assert not result.understanding.problems
    assert len(result.listing.records) == 24
    assert "1 rows name an image again" in " ".join(result.understanding.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,dx\nx.jpg,MEL\ny.jpg,NV\n", "names no photograph below"),
        ("file,dx\n5E+03,MEL\n6E+03,NV\n", "shortened long numbers"),
        ("file,dx\n2024-01-03,MEL\n2024-02-03,NV\n", "made dates"),
        (rows("file,dx", dx=lambda k: f"note {k}"), "24 different values in 24 rows"),
        (rows("file,dx", dx=lambda k: k % 3), "numbers for labels (0, 1, 2)"),
        (rows("file,dx", dx=lambda k: ["MEL", "NV", "MEL|NV"][k % 3]), "several labels in one cell in 8 rows"),
    ],
)
def test_a_bad_table_is_one_line(folder, text, words):
    result = read(folder, text, label="dx")
    assert words in result.understanding.problems[0]
    with pytest.raises(TableError) as caught:
        result.usable()
    assert "\n" not in str(caught.value)


def test_a_name_that_may_be_two_photographs_is_one_line(tmp_path):
    folder = photos(tmp_path / "photos", "a/1.jpg", "b/1.jpg", "a/2.jpg")
    (problem,) = read(folder, "file,dx\n1.jpg,MEL\n2.jpg,NV\na/2.jpg,NV\n").understanding.problems[:1]
    assert "labels.csv:2 names 1.jpg, which may be a/1.jpg, b/1.jpg" in problem


def test_addresses_and_paths_from_elsewhere_find_their_files_and_are_told(folder):
    text = rows("file,dx", file=lambda k: f"https://example.org/i/img_{k:03}.jpg?x=1")
    result = read(folder, text)
    assert len(result.listing.records) == 24
    assert "nothing is downloaded" in " ".join(result.understanding.notes)
    result = read(folder, rows("file,dx", file=lambda k: f"D:\\study\\img_{k:03}.JPG"))
    assert len(result.listing.records) == 24
    assert not result.understanding.notes


def test_a_column_of_one_patient_an_image_is_told(folder):
    result = read(folder, rows("file,dx,patient", patient=lambda k: k))
    assert "every row has its own patient" in " ".join(result.understanding.notes)


def test_a_folder_without_photographs_or_none_at_all_is_one_line(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(TableError, match="no photograph below"):
        read(tmp_path / "photos", "file,dx\na,b\n")
    with pytest.raises(UsageError, match="no folder"):
        read(tmp_path / "absent", "file,dx\na,b\n")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_changes_nothing(folder, shuffled: random.Random):
    header, *lines = rows("file,dx,patient,age", age=lambda k: k).splitlines()
    order = list(range(4))
    shuffled.shuffle(order)
    shuffled.shuffle(lines)
    text = "\n".join(",".join(line.split(",")[k] for k in order) for line in [header, *lines])
    records = read(folder, text).listing.records
    assert {(Path(one.image).name, one.label, one.patient, one.age) for one in records} == {
        (f"img_{k:03}.jpg", LABELS[k % 4], f"P{k // 3}", str(k)) for k in range(24)
    }


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=8)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.one_of(CELL, st.sampled_from(["img_001.jpg", "1", "MEL", "nevus", "a|b"])), max_size=4), max_size=8
    )
)
def test_any_table_is_understood_or_refused_in_one_line(folder, cells):
    text = "\n".join(",".join(row) for row in [["file", "dx", "patient"], *cells])
    line = ""
    try:
        (folder.parent / "labels.csv").write_bytes(text.encode())
        result = read_any_table(folder, None, TableOptions(folder.parent / "labels.csv"))
        result.usable()
        assert {record.label for record in result.listing.records} <= set(
            result.taxonomy.codes if result.taxonomy else ()
        )
    except HierAttnError as error:
        line = str(error)
    assert "\n" not in line


def test_what_patients_answered_can_be_asked_of_a_table_of_ones_own(folder):
    head = "file,dx,patient,age,m/f,location,Fitzpatrick,itching,has grown,pain,changed,bled,raised,size mm,biopsy"
    text = rows(
        head, age=lambda k: 30 + k, location=lambda k: ("face", "lower extremity", "moon")[k % 3],
        Fitzpatrick=lambda k: ("FST2", "IV")[k % 2], biopsy="yes", **{
            "m/f": lambda k: "mf"[k % 2], "itching": lambda k: ("yes", "0")[k % 2], "has grown": lambda k: "xn"[k % 2],
            "pain": lambda k: ("TRUE", "no", "UNK")[k % 3], "changed": lambda k: ("yes", "no")[k % 2],
            "bled": lambda k: ("ja", "nein", "often")[k % 3], "raised": lambda k: ("sim", "não")[k % 2],
            "size mm": lambda k: ("4.5", "1.2 cm")[k % 2],
        },
    )  # fmt: skip
    result = read(folder, text)
    assert not result.understanding.problems
    notes = result.understanding.notes
    assert any("8 values of bleed are not understood and taken as unknown: 'often'" in note for note in notes)
    assert any("8 values of site are the table's own ('moon')" in note for note in notes)
    records = result.usable().records
    assert [question.name for question in answerable(records, 5)] == [question.name for question in QUESTIONS]
    first = records[0]
    assert (first.grew, first.hurt, first.elevation, first.diameter_mm) == ("yes", "yes", "yes", "4.5")
    assert (first.skin_type, first.biopsied, records[2].hurt, records[2].site) == ("2", "yes", "", "moon")


def test_answers_of_a_photographs_two_rows_that_differ_are_told(folder):
    text = rows("file,dx,grew", grew="yes") + "img_000.jpg,melanoma,no\n"
    notes = read(folder, text).understanding.notes
    assert any("but not in grew in 1: the first row of an image counts" in note for note in notes)
