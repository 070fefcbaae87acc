import pytest

from hierattn.taxonomy.spelling import readings, spelled


@pytest.mark.parametrize(
    ("names", "one"),
    [
        (["Naevi", "nevus", "NEVUSES", "nævi".replace("æ", "ae")], "nevus"),
        (["seborrhoeic keratoses", "Seborrheic-Keratosis", "seborrhoic_keratosis"], "seborrheic keratosis"),
        (["Bowen's disease", "bowens  disease", "Bowen’s_disease"], "bowens disease"),
        (["Ação", "Ac\u0327a\u0303o"], "ação"),
        (["हिन्दी", " हिन्दी_"], "हिन्दी"),
        (["??"], "??"),
    ],
)
def test_names_that_differ_in_form_alone_are_spelled_alike(names, one):
    assert {spelled(name) for name in names} == {one}


def test_marks_of_a_script_tell_words_apart():
    assert spelled("कि") != spelled("की")


def test_a_number_before_a_name_may_be_left_out():
    assert list(readings("3. Melanoma")) == ["3 melanoma", "melanoma"]
    assert list(readings("3")) == ["3"]
