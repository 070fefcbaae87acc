"""The ISIC challenges' own form: its columns, ids without ending, each confidence in its place; damage is named."""

import csv

import numpy as np
import pytest
from prediction_tables import table

from hierattn.errors import TableError, UsageError
from hierattn.evaluation.isic_form import check_isic_form, read_isic_form, write_isic_form
from hierattn.taxonomy.built_in import EIGHT

CODES = EIGHT.codes

HEADERS = {
    "2019": "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK",
    "2018": "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC",
}
"""As the challenges' own pages give them."""
SEVEN = tuple(code for code in CODES if code != "SCC")


@pytest.mark.parametrize(
    ("year", "classes"),
    [("2019", CODES), ("2019", ("BCC", "ACK", "NV")), ("2018", SEVEN), ("2018", ("NV", "ACK"))],
)
def test_every_probability_stands_under_the_challenges_name_of_its_class(tmp_path, year, classes):
    some = table(images=9, classes=classes)
    write_isic_form(tmp_path / "form.csv", some, year)
    text = (tmp_path / "form.csv").read_text(encoding="utf-8").splitlines()
    assert text[0] == HEADERS[year]
    theirs = {"ACK": "AK" if year == "2019" else "AKIEC"}
    rows = list(csv.DictReader(text))
    assert len(rows) == len(some)
    for row, image, given in zip(rows, some.images, some.probabilities, strict=True):
        assert row.pop("image") == image.rsplit("/", 1)[-1].removesuffix(".jpg")
        expected = {theirs.get(code, code): value for code, value in zip(classes, given, strict=True)}
        assert {name: float(value) for name, value in row.items()} == {name: expected.get(name, 0.0) for name in row}


def test_what_is_written_is_read_again(tmp_path):
    some = table(images=30)
    write_isic_form(tmp_path / "form.csv", some, "2019")
    read = read_isic_form(tmp_path / "form.csv")
    assert read.year == "2019"
    assert len(read.images) == 30
    assert np.array_equal(read.confidences[:, 3], some.probabilities[:, CODES.index("ACK")])
    assert (read.confidences[:, -1] == 0).all()


@pytest.mark.parametrize(
    ("year", "classes", "images", "said"),
    [
        ("2020", CODES, (), "wanted one of 2019, 2018"),
        ("2018", CODES, (), "no column for SCC.*--isic-form 2019"),
        ("2019", ("NV", "wart"), (), "no column for wart.*wanted a model of"),
        ("2019", CODES, ("a/x.jpg", "b/x.jpg"), "a/x.jpg and b/x.jpg have one id, x"),
        ("2019", CODES, ("a/x.jpg", "a/x.png"), "one id"),
    ],
)
def test_what_the_form_cannot_hold_is_refused(year, classes, images, said):
    with pytest.raises(UsageError, match=said):
        check_isic_form(year, classes, images)


H, V = HEADERS["2018"] + "\n", ",0.5,0,0,0,0,0,0.5\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has the columns \\(none\\)"),
        (H.replace("AKIEC", "ACK"), "image,MEL,NV,BCC,ACK.*wanted image,MEL,NV,BCC,AK,"),
        ("image,NV,MEL,BCC,AKIEC,BKL,DF,VASC\n", "wanted image,MEL,NV"),
        (H + "ISIC_1.jpg" + V, ":2: image 'ISIC_1.jpg' is no id"),
        (H + "photos/ISIC_1" + V, "is no id"),
        (H + V, "is no id"),
        (H + "ISIC_1" + V + "ISIC_1" + V, ":3: image 'ISIC_1' stands in line 2 too"),
        (H + "ISIC_1,1.5,0,0,0,0,0,0\n", "outside 0 to 1"),
        (H + "ISIC_1,nan,0,0,0,0,0,0\n", "outside 0 to 1"),
        (H + "ISIC_1,high,0,0,0,0,0,0\n", "wanted confidences"),
        (H + "ISIC_1,0,0,0,0,0,0\n", "7 values, wanted 8"),
    ],
)
def test_a_damaged_form_is_named(tmp_path, text, said):
    (tmp_path / "form.csv").write_text(text)
    with pytest.raises(TableError, match=said):
        read_isic_form(tmp_path / "form.csv")


def test_a_missing_form_says_how_to_make_one(tmp_path):
    with pytest.raises(TableError, match="--isic-form"):
        read_isic_form(tmp_path / "form.csv")
