"""Names are matched with images once, for every reader: exactly first, then as far as only one can be meant."""

from __future__ import annotations

import pytest

from hierattn.data.image_ids import ImageIndex, image_id, join, shortest_names
from hierattn.errors import TableError

IMAGES = ["MEL/a.jpg", "NV/a.jpg", "NV/b.png", "clinic/NV/B.png", "BCC/n\u00e6vus 1.jpg", "BCC/c.jpg", "BCC/c.png"]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("MEL/a.jpg", 0),
        ("MEL\\a.JPG", 0),
        ("./MEL//a", 0),
        (" MEL/a.png\t", 0),
        ("mel/A.Jpg", 0),
        ("/data/photos/MEL/a.jpg", 0),
        ("C:\\photos\\NV\\a.jpg", 1),
        ("photos/x/../NV/a.jpg", 1),
        ("b", 2),
        ("B", 3),
        ("NV/b", 2),
        ("clinic/NV/b.png", 3),
        ("nv/b", 2),
        ("nae\u0308vus 1".replace("ae\u0308", "\u00e6"), 4),
        ("BCC/c.jpg", 5),
        ("c.PNG", 6),
    ],
)
def test_a_name_is_found_however_it_is_written(name: str, image: int) -> None:
    assert ImageIndex(IMAGES).find(name) == [image]


def test_composed_and_decomposed_letters_are_one() -> None:
    assert ImageIndex(["Me\u0301lanome/e\u0301.jpg"]).find("M\u00e9lanome/\u00e9") == [0]


@pytest.mark.parametrize("name", ["a", "a.jpg", "A.png", "BCC/c", "x/BCC/c.bmp"])
def test_a_name_that_may_be_several_gives_all(name: str) -> None:
    assert len(ImageIndex(IMAGES).find(name)) == 2


@pytest.mark.parametrize("name", ["", "d", "BCC/a", "L/a.jpg", "a.b", "MEL"])
def test_nothing_is_guessed(name: str) -> None:
    assert ImageIndex(IMAGES).find(name) == []


def test_dots_in_ids_are_no_endings() -> None:
    assert image_id("x.1.2").stem == "x.1.2"
    assert ImageIndex(["x.1.2.jpg", "x.1.3"]).find("x.1.3") == [1]


def test_rows_are_joined_and_those_that_match_nothing_are_given_back() -> None:
    joined = join("t.csv", ["NV/b", "gone", "c.jpg"], ImageIndex(IMAGES))
    assert (joined.row_of, joined.unmatched) == ({2: 0, 5: 2}, [1])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a.jpg"], "t.csv names a.jpg, which may be MEL/a.jpg, NV/a.jpg: write it with its folder"),
        (["MEL/a", "mel/a.jpg"], r"names mel/a.jpg \(also as MEL/a\) more than once"),
        (["NV/b", "NV/b"], "names NV/b more than once"),
    ],
)
def test_what_is_ambiguous_is_an_error_that_names_it(names: list[str], words: str) -> None:
    with pytest.raises(TableError, match=words):
        join("t.csv", names, ImageIndex(IMAGES))


def test_foreign_folders_are_a_hint_where_ids_are_unique() -> None:
    images = ImageIndex(["/x/Input/ISIC_1.jpg", "/x/Input/ISIC_2.jpg", "/x/A/1.jpg"])
    joined = join("t.csv", ["train/ISIC_1.png", "train/ISIC_2.png", "A/1", "B/1"], images, anywhere=True)
    assert (joined.row_of, joined.unmatched) == ({0: 0, 1: 1, 2: 2}, [3])
    assert join("t.csv", ["B/1", "C/1"], images, anywhere=True).unmatched == [0, 1]  # which of them, nobody knows


def test_short_names_are_found_again() -> None:
    paths = [*IMAGES, "clinic/MEL/a.jpg", "other/clinic/MEL/a.jpg", "z.jpg"]
    names = shortest_names(paths)
    assert names[2:4] == ["b", "B"]
    assert names[-1] == "z"
    index = ImageIndex(paths)
    assert [index.find(name) for name in names] == [[number] for number in range(len(paths))]
