"""Each row finds the photograph that it names and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hierattn.data.any_table.matching import file_name, match_rows, what_happened_to
from hierattn.data.sets.listing import ImageFolder


def folder_of(root: Path, *names: str, same: tuple[str, ...] = ()) -> ImageFolder:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"" if name in same else name.encode())
    return ImageFolder(root)


def found(folder: ImageFolder, *values: str) -> list[str | None]:
    return [None if number is None else folder.index.names[number] for number in match_rows(values, folder).numbers]


@pytest.mark.parametrize(
    "value",
    [
        "MEL/ISIC_01.jpg",
        "ISIC_01.jpg",
        "ISIC_01",
        "isic_01.JPG",
        "ISIC_01.png",
        ".\\MEL\\ISIC_01.jpg",
        "C:\\Users\\me\\photos\\MEL\\ISIC_01.jpg",
        "/mnt/other/MEL/ISIC_01.jpg",
        "https://example.org/archive/MEL/ISIC_01.jpg?size=full",
        "s3://bucket/MEL/ISIC_01.jpg",
        "file:///data/MEL/ISIC_01.jpg",
        " ISIC_01.jpg ",
    ],
)
def test_a_photograph_is_found_by_path_name_stem_and_id(tmp_path, value):
    folder = folder_of(tmp_path, "MEL/ISIC_01.jpg", "NV/ISIC_02.jpg")
    assert found(folder, value) == ["MEL/ISIC_01.jpg"]


def test_a_row_with_a_folder_does_not_take_the_photograph_of_another_folder(tmp_path):
    folder = folder_of(tmp_path, "test/1.jpg", "test/2.jpg")
    assert found(folder, "train/1.jpg", "test/1.jpg", "train/3.jpg") == [None, "test/1.jpg", None]
    matches = match_rows(["photos/2.jpg"], folder)
    assert (matches.numbers, matches.by_name) == ([folder.index.names.index("test/2.jpg")], [0])
    assert found(folder, "a/2.jpg", "b/2.jpg") == [None, None]


def test_a_name_that_may_be_several_photographs_is_none_of_them(tmp_path):
    folder = folder_of(tmp_path, "a/1.jpg", "b/1.jpg", "a/2.jpg", "b/2.jpg", same=("a/2.jpg", "b/2.jpg"))
    matches = match_rows(["1.jpg", "2.jpg", "b/1"], folder)
    assert list(matches.ambiguous) == [0]
    assert found(folder, "1.jpg", "2.jpg", "b/1") == [None, "a/2.jpg", "b/1.jpg"]


@pytest.mark.parametrize(
    ("value", "name"), [("7", "0007.jpg"), ("7.0", "0007.jpg"), ("07", "0007.jpg"), ("12,0", "012.jpg")]
)
def test_ids_that_lost_zeros_in_a_spreadsheet_are_found_by_their_number(tmp_path, value, name):
    folder = folder_of(tmp_path, "0007.jpg", "012.jpg", "x7.jpg")
    matches = match_rows([value], folder)
    assert (found(folder, value), matches.by_number) == ([name], [0])


def test_a_number_that_may_be_two_photographs_is_neither(tmp_path):
    folder = folder_of(tmp_path, "007.jpg", "07.jpg", "5000.jpg")
    assert found(folder, "7", "5E+03") == [None, None]
    assert found(folder, "07", "007") == ["07.jpg", "007.jpg"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(
        st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=4), min_size=1, max_size=6
    )
)
def test_every_photograph_is_found_by_its_own_path(tmp_path_factory, stems):
    root = tmp_path_factory.mktemp("photos")
    names = [f"{folder}/{stem}.jpg" for folder in ("a", "b") for stem in stems]
    folder = folder_of(root, *names)
    assert found(folder, *names) == names
    assert found(folder, *(f"D:\\x\\{name}".replace("/", "\\") for name in names)) == names


def test_an_address_gives_its_path():
    assert file_name("https://example.org/a/x%20y.jpg?a=b#c") == "/a/x y.jpg"
    assert file_name("C:\\a\\x.jpg") == "C:\\a\\x.jpg"
    assert file_name("http://[broken") == "http://[broken"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["1.2346E+11", "5E+03"], "shortened long numbers"),
        (["2024-01-03", "3-Jan", "01/03/2024"], "made dates"),
        (["17.0", "18"], "made numbers"),
        (["a.jpg", "b.jpg", "1"], ""),
        ([], ""),
    ],
)
def test_what_a_spreadsheet_did_to_ids_is_told(values, words):
    said = what_happened_to(values)
    assert words in said
    assert bool(words) == bool(said)
