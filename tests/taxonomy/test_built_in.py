import re

import pytest

from hierattn.errors import TableError
from hierattn.taxonomy.built_in import BUILT_IN, EIGHT, codes_of, from_dataset

CODES, LESIONS, code_of_name = EIGHT.codes, EIGHT.classes, EIGHT.code_of


def test_the_eight_codes_are_the_papers_in_alphabetical_order():
    assert CODES == ("ACK", "BCC", "BKL", "DF", "MEL", "NV", "SCC", "VASC")
    assert list(CODES) == sorted(CODES) == list(EIGHT.by_code)


def test_triage_group_is_the_papers_section_5():
    assert {"MEL", "BCC", "ACK", "SCC", "VASC"} == EIGHT.triage_group
    assert {"MEL", "BCC", "SCC"} == EIGHT.malignant


@pytest.mark.parametrize(("dataset", "classes"), [("isic", 8), ("ham", 7), ("pad", 6)])
def test_each_set_has_its_number_of_classes_without_ambiguity(dataset, classes):
    table = codes_of(dataset)
    assert len(table) == len(set(table.values())) == classes


def test_the_codes_that_differ_between_sets_meet_in_ours():
    assert from_dataset("isic", "AK") == from_dataset("ham", "akiec") == from_dataset("pad", "ACK") == "ACK"
    assert from_dataset("pad", "SEK") == from_dataset("ham", "bkl") == "BKL"
    assert from_dataset("pad", "NEV") == "NV"


def test_an_unknown_label_is_named_with_the_known_ones():
    with pytest.raises(TableError, match=r"'UNK'.*MEL"):
        from_dataset("isic", "UNK")


def test_no_plain_name_promises_health():
    assert not [each.code for each in LESIONS if "healthy" in each.plain["en"]]


@pytest.mark.parametrize("lesion", LESIONS, ids=CODES)
def test_every_known_name_of_a_class_is_accepted_in_any_case(lesion):
    for name in filter(None, (lesion.code, lesion.name, *lesion.aliases)):
        for spelled in (name, name.upper(), name.title(), name.replace(" ", "_"), name.replace(" ", "-"), f" {name} "):
            assert code_of_name(spelled) == lesion.code


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ("nevus, naevus, nevi, Naevi, melanocytic naevi, Melanocytic_Nevi, nevuses, moles, dysplastic naevus", "NV"),
        ("seborrheic keratosis, seborrhoeic keratoses, Seborrhoic Keratosis, pigmented benign keratosis, SK", "BKL"),
        ("solar lentigo, solar lentigines, benign keratosis-like lesions, lichen planus-like keratosis", "BKL"),
        ("actinic keratoses, solar keratosis, AK, AKIEC, Actinic keratoses and intraepithelial carcinoma", "ACK"),
        ("basal cell carcinomas, Basal-Cell-Carcinoma, BCC", "BCC"),
        ("squamous cell carcinomata, cSCC, squamous_cell_carcinoma", "SCC"),
        ("dermatofibromas, dermatofibromata", "DF"),
        ("vascular lesions, haemangioma, hemangiomas, angiomas, pyogenic granulomas, vasc", "VASC"),
        ("melanomas, malignant melanoma, MELANOMA", "MEL"),
        ("01_MEL, MEL (melanoma), 4. Melanoma, mel - malignant melanoma", "MEL"),
        ("Melanocytic nevi (nv), NV - naevus, 5 nevus", "NV"),
        ("Actinic keratoses and intraepithelial carcinoma / Bowen's disease (akiec), 1_akiec", "ACK"),
    ],
)  # fmt: skip
def test_british_american_plural_archive_and_kaggle_names_are_read(names, code):
    assert {name: code_of_name(name) for name in names.split(", ")} == dict.fromkeys(names.split(", "), code)


def test_no_name_means_two_classes_and_part_of_a_name_is_none():
    names = [{code_of_name(name) for name in (one.name, *one.aliases)} for one in LESIONS]
    assert names == [{code} for code in CODES]
    for name in (
        "MEL2",
        "melanoma in situ",
        "not MEL",
        "",
        "other",
        "train",
        "nevus and melanoma",
        "NV MEL",
        "nv (melanoma)",
        "images",
    ):
        assert code_of_name(name) is None


@pytest.mark.parametrize(("dataset", "classes"), [("isic", 8), ("ham", 7), ("pad", 6)])
def test_each_sets_own_codes_are_names_of_the_eight(dataset, classes):
    assert {own: code_of_name(own) for own in codes_of(dataset)} == codes_of(dataset)


@pytest.mark.parametrize(
    ("name", "codes", "referral"),
    [
        ("isic2018", "MEL NV BCC AKIEC BKL DF VASC", "MEL BCC AKIEC VASC"),
        ("pad", "ACK BCC MEL NEV SCC SEK", "ACK BCC MEL SCC"),
        ("melanoma", "other MEL", "MEL"),
        ("malignant", "benign malignant", "malignant"),
    ],
)
def test_the_other_built_in_ones_have_their_sets_codes_and_say_referral(name, codes, referral):
    taxonomy = BUILT_IN[name]
    assert taxonomy.codes == tuple(codes.split())
    assert taxonomy.triage_group == set(referral.split())
    assert taxonomy.has_referral


def test_no_word_for_a_patient_reassures() -> None:
    words = [each.plain["en"] for taxonomy in BUILT_IN.values() for each in taxonomy.classes]
    assert not [text for text in words if re.search("harmless|healthy|benign|not cancer|safe", text)]
