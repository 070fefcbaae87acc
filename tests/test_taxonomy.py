import pytest

from hierattn.errors import TableError
from hierattn.taxonomy import BY_CODE, CODES, LESIONS, MALIGNANT, TRIAGE_GROUP, codes_of, from_dataset


def test_the_eight_codes_are_the_papers_in_alphabetical_order():
    assert CODES == ("ACK", "BCC", "BKL", "DF", "MEL", "NV", "SCC", "VASC")
    assert list(CODES) == sorted(CODES) == list(BY_CODE)


def test_triage_group_is_the_papers_section_5():
    assert {"MEL", "BCC", "ACK", "SCC", "VASC"} == TRIAGE_GROUP
    assert {"MEL", "BCC", "SCC"} == MALIGNANT


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
    assert not [lesion.code for lesion in LESIONS if "healthy" in lesion.plain]
