import json
import unicodedata

import pytest

from hierattn.errors import TaxonomyError
from hierattn.taxonomy.built_in import BUILT_IN, EIGHT
from hierattn.taxonomy.records import LesionClass, Taxonomy, code_objection


def taxonomy(*codes: str, **values) -> Taxonomy:
    return Taxonomy("own", tuple(LesionClass(code, **values) for code in codes))


@pytest.mark.parametrize("code", ["MEL", "a", "x" * 40, "grade_2", "non-melanoma", "3", "湿疹", "हिन्दी", "ß", "Ñandú"])
def test_codes_of_any_script_are_allowed(code):
    assert LesionClass(code).code == unicodedata.normalize("NFC", code)


@pytest.mark.parametrize(
    "code",
    ["", "x" * 41, "a b", "a/b", "..", "=1+2", "-x", "_x", "a,b", 'a"b', "a\nb", "\u0301a", "image", "LABEL", "Con",
     "lpt1", "a\u202eb", 3, None],
)  # fmt: skip
def test_codes_that_are_unsafe_in_files_tables_or_json_are_refused_by_name(code):
    assert code_objection(code)
    with pytest.raises(TaxonomyError, match=r"^class code "):
        LesionClass(code)


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("name", "a\nb\x00", "one line"),
        ("name", "x" * 201, "1 to 200"),
        ("name", 3, "text"),
        ("aliases", "mole", "list"),
        ("aliases", ["mole", ""], "text"),
        ("malignancy", "bad", "pre-malignant"),
        ("refer", "yes", "true, false"),
        ("refer", 1, "true, false"),
        ("plain", "ordinary mole", "plain.en"),
        ("plain", {"English": "mole"}, "zh-Hans"),
        ("plain", {"en": 1}, "text"),
        ("colour", "red", "#d55e00"),
        ("colour_dark", 3, "#d55e00"),
        ("gathers", ["all"], "malignant"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_its_class_and_key(key, value, wanted):
    with pytest.raises(TaxonomyError) as error:
        LesionClass.from_dict({"code": "PSO", key: value})
    line = str(error.value)
    assert line.startswith(f"class PSO: {key}")
    assert wanted in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "nothing"),
        ([], "wanted a name"),
        ({"name": "x", "classes": {}}, "[[classes]]"),
        ({"name": "x", "classes": [{"code": "A"}]}, "1 classes"),
        ({"name": "x", "classes": [{"code": f"C{n}"} for n in range(1001)]}, "1001 classes"),
        ({"name": "", "classes": [{"code": "A"}, {"code": "B"}]}, "name is ''"),
        ({"name": "x", "classes": [{"code": "A"}, {"name": "B"}]}, "a table with a code"),
        ({"name": "x", "classes": [{"code": "A"}, {"code": "B", "colur": "x"}]}, "unknown key 'colur'"),
        ({"name": "x", "classes": [{"code": "A"}, {"code": "a"}]}, "letter case"),
        ({"name": "x", "classes": [{"code": "A", "aliases": ["moles"]}, {"code": "B", "name": "Mole"}]}, "both have"),
        ({"name": "x", "classes": [{"code": "A", "refer": True}, {"code": "B"}]}, "B of 2 classes do not say refer"),
        ({"name": "x", "classes": [{"code": "A"}, {"code": "B"}], "multi_label": True}, "nothing else"),
    ],
)
def test_a_taxonomy_that_is_none_is_refused_in_one_line(values, said):
    with pytest.raises(TaxonomyError) as error:
        Taxonomy.from_dict(values)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("known", BUILT_IN.values(), ids=list(BUILT_IN))
def test_to_dict_and_from_dict_are_inverse_through_json(known):
    assert Taxonomy.from_dict(json.loads(json.dumps(known.to_dict()))) == known


def test_a_subset_keeps_order_meaning_and_colours():
    part = EIGHT.subset(("NV", "MEL"))
    assert part.codes == ("NV", "MEL")
    assert part.classes == (EIGHT.by_code["NV"], EIGHT.by_code["MEL"])
    assert part.malignant == part.triage_group == {"MEL"}
    with pytest.raises(TaxonomyError, match="PSO"):
        EIGHT.subset(("NV", "PSO"))
    with pytest.raises(TaxonomyError):
        EIGHT.subset(("NV", "NV"))


def test_referral_and_malignancy_are_not_said_where_nothing_says_them():
    quiet = taxonomy("A", "B")
    assert not quiet.has_referral
    assert quiet.triage_group == quiet.malignant == frozenset()


@pytest.mark.parametrize("name", ["PSÓ", "pso\u0301", "PSO\u0301", "02 psó", " psó ", "psó (Psó)"])
def test_composed_and_decomposed_names_are_one(name):
    assert taxonomy("Psó", "LP").code_of(name) == "Psó"


def test_numbers_belong_to_a_name_where_they_tell_classes_apart():
    stages = Taxonomy("own", (LesionClass("a", "1 stage"), LesionClass("b", "2 stage")))
    assert [stages.code_of(name) for name in ("1 stage", "2_STAGE", "3 stage", "stage")] == ["a", "b", None, None]
