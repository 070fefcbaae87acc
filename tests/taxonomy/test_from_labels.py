import pytest

from hierattn.errors import TaxonomyError
from hierattn.taxonomy.built_in import EIGHT, MALIGNANT_OR_BENIGN, MELANOMA
from hierattn.taxonomy.from_labels import from_labels, own_classes


@pytest.mark.parametrize(
    ("labels", "column", "known"),
    [
        (["MEL", "nevi"], "", EIGHT),
        (["akiec", "Basal cell carcinoma", "SEK"], "dx", EIGHT),
        (["benign", "malignant"], "", MALIGNANT_OR_BENIGN),
        (["Benign ", "MALIGNANT"], "label", MALIGNANT_OR_BENIGN),
        (["0", "1"], "target", MALIGNANT_OR_BENIGN),
        (["0.0", "1.0"], "benign_malignant", MALIGNANT_OR_BENIGN),
        (["0", "1"], "Melanoma", MELANOMA),
        (["melanoma", "non-melanoma"], "", MELANOMA),
        (["Melanoma", "benign"], "", MELANOMA),
    ],
)
def test_labels_that_are_clearly_a_built_in_ones_give_it(labels, column, known):
    assert from_labels(labels, column=column) is known
    assert all(known.code_of(label) for label in labels)


@pytest.mark.parametrize(
    ("labels", "column"),
    [
        (["0", "1"], ""),
        (["0", "1"], "label"),
        (["0", "1", "2"], "target"),
        (["benign", "malignant", "indeterminate"], ""),
        (["MEL", "psoriasis"], ""),
        (["benign", "nevus eczema"], ""),
    ],
)
def test_of_anything_else_nothing_is_assumed(labels, column):
    own = from_labels(labels, "mine", column=column)
    assert own.name == "mine"
    assert len(own.codes) == len(labels)
    assert {each.malignancy for each in own.classes} == {"unknown"}
    assert not own.has_referral


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("Lichen planus", "Lichen_planus"),
        ("a/b\\c:d", "a_b_c_d"),
        ("=cmd|' /C calc'!A0", "cmd_C_calc_A0"),
        ("..", "class"),
        ("image", "image_2"),
        ("NUL", "NUL_2"),
        ("湿疹", "湿疹"),
        ("x" * 60, "x" * 40),
        ("- minus", "minus"),
        ("Cafe\u0301 au lait", "Café_au_lait"),
    ],
)
def test_codes_are_safe_and_every_label_is_found_again(label, code):
    own = from_labels([label, "other label"])
    assert own.code_of(label) == code


@pytest.mark.parametrize(
    ("labels", "odd", "nearest"),
    [
        (["ACK", "BCC", "BKL", "DF", "Melanmoa", "NV", "VASC"], "Melanmoa", "MEL"),
        (["akiec", "bcc", "naevus", "healthy"], "healthy", ""),
        (
            ["melanoma", "nevus", "basal cell carcinoma", "squamous cel carcinoma", "zzz"],
            "squamous cel carcinoma",
            "SCC",
        ),
        (["melanoma", "nevsu"], "nevsu", "NV"),
        (["benign", "malignat"], "malignat", "malignant"),
        (["melanomma", "non-melanoma"], "melanomma", "MEL"),
    ],
)
def test_a_slip_of_the_pen_does_not_cost_the_referral(labels, odd, nearest):
    with pytest.raises(TaxonomyError) as error:
        from_labels(labels)
    said = str(error.value)
    assert repr(odd) in said
    assert "--taxonomy own" in said
    assert (f"is it {nearest} (" in said or f"is {odd!r} {nearest} (" in said) == bool(nearest)
    assert "\n" not in said
    own = own_classes(labels, "mine")
    assert len(own.codes) == len(labels)
    assert not own.has_referral


@pytest.mark.parametrize(
    "labels",
    [
        ["melanoma", "melanosis"],
        ["melanoma", "eczema", "psoriasis"],
        ["nevus", "eczema", "psoriasis", "acne", "melanoma"],
        ["nevus lipomatosus", "nevus sebaceus", "nevus"],
    ],
)
def test_classes_of_ones_own_may_have_a_few_names_of_the_eight(labels):
    assert len(from_labels(labels).codes) == len(labels)


def test_long_labels_that_begin_alike_have_codes_of_their_own():
    labels = [f"{'x' * 50} {number}" for number in range(12)]
    own = from_labels(labels)
    assert len(set(own.codes)) == 12
    assert len({own.code_of(label) for label in labels}) == 12


def test_letter_case_blanks_and_plurals_are_one_class_and_numbers_are_in_order():
    assert from_labels(["grade 10", "Grade  2", "grade 2", "moles", "Mole"]).codes == ("Grade_2", "grade_10", "Mole")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "0 different labels"),
        (["eczema", "Eczema"], "1 different labels"),
        ([str(number) for number in range(1001)], "1001 different labels"),
        (["eczema", " "], "empty label"),
        (["x" * 201, "eczema"], "201 characters"),
        (["eczema", "psoriasis", "eczema|psoriasis"], "several labels an image are not supported"),
    ],
)
def test_labels_that_are_no_classes_have_one_line(labels, said):
    with pytest.raises(TaxonomyError) as error:
        from_labels(labels)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
