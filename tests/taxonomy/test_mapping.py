import csv

import numpy as np
import pytest
from tests.conftest import SHARED

from hierattn.errors import TaxonomyError
from hierattn.taxonomy.built_in import BUILT_IN, EIGHT, ISIC2018, MALIGNANT_OR_BENIGN, MELANOMA, PAD
from hierattn.taxonomy.mapping import mapping, summed
from hierattn.taxonomy.records import LesionClass, Taxonomy


@pytest.mark.parametrize("each", BUILT_IN.values(), ids=list(BUILT_IN))
def test_a_taxonomy_maps_to_itself(each):
    assert mapping(each, each) == dict(zip(each.codes, each.codes, strict=True))


def test_probabilities_of_the_eight_add_up_to_seven_as_by_hand():
    eight = np.random.default_rng(0).dirichlet(np.ones(8), size=(5, 3))
    ack, bcc, bkl, df, mel, nv, scc, vasc = np.moveaxis(eight, -1, 0)
    by_hand = np.stack([mel, nv, bcc, ack + scc, bkl, df, vasc], axis=-1)
    np.testing.assert_allclose(summed(eight, EIGHT, ISIC2018), by_hand, rtol=1e-12)


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real tables in ../shared")
def test_the_seven_gather_the_eight_as_ham10000s_own_table_does() -> None:
    with (SHARED / "data" / "ham10000" / "HAM10000_metadata.csv").open(newline="") as file:
        seven = {row["image_id"]: row["dx"].upper() for row in csv.DictReader(file)}
    table = SHARED / "data" / "isic2019-ham-256" / "ISIC_2019_Training_GroundTruth.csv"
    places = mapping(EIGHT, ISIC2018)
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            (label,) = (code for code, value in row.items() if code != "image" and float(value) == 1)
            assert places[EIGHT.code_of(label)] == seven[row["image"]]


@pytest.mark.parametrize(
    ("coarse", "positive", "codes"),
    [(MELANOMA, "MEL", "MEL"), (MALIGNANT_OR_BENIGN, "malignant", "MEL BCC SCC")],
)
@pytest.mark.parametrize("fine", [EIGHT, ISIC2018, PAD], ids=lambda each: each.name)
def test_the_positive_class_of_a_binary_one_gathers_what_it_names(fine, coarse, positive, codes):
    places = mapping(fine, coarse)
    assert {code for code, place in places.items() if place == positive} == set(codes.split()) & set(fine.codes)


@pytest.mark.parametrize(
    ("fine", "coarse", "lost"),
    [(EIGHT, PAD, "DF, VASC"), (MELANOMA, EIGHT, "other"), (MALIGNANT_OR_BENIGN, MELANOMA, "malignant")],
    ids=["eight-pad", "melanoma-eight", "malignant-melanoma"],
)
def test_an_impossible_mapping_names_the_class_without_a_place(fine, coarse, lost):
    with pytest.raises(TaxonomyError, match=lost):
        mapping(fine, coarse)


def test_an_own_class_goes_by_its_name_and_else_by_its_malignancy():
    clinic = Taxonomy(
        "clinic",
        (
            LesionClass("a", "Naevi"),
            LesionClass("b", "Merkel cell carcinoma", malignancy="malignant"),
            LesionClass("c", "psoriasis", malignancy="benign"),
        ),
    )
    assert mapping(clinic, MALIGNANT_OR_BENIGN) == {"a": "benign", "b": "malignant", "c": "benign"}
    with pytest.raises(TaxonomyError, match=r"^b of"):
        mapping(clinic, MELANOMA)


def test_numbers_and_answers_are_no_names():
    grades = Taxonomy("grades", tuple(LesionClass(str(number)) for number in range(3)))
    with pytest.raises(TaxonomyError, match="0, 1, 2"):
        mapping(grades, MALIGNANT_OR_BENIGN)
    assert mapping(grades, grades) == {"0": "0", "1": "1", "2": "2"}
