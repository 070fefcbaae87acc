"""Age, sex, skin type and domain come in the manifest's words, whatever words the table has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierattn.data.any_table.details import READERS, ages, domains, sexes, skin_types
from hierattn.data.source_table import text_of
from hierattn.taxonomy.questions import SKIN_TYPE


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (["M", "F", "", "unknown"], ["male", "female", "", ""]),
        (["Male", "FEMALE", "other"], ["male", "female", ""]),
        (["m", "w"], ["male", "female"]),
        (["H", "M"], ["male", "female"]),
        (["hombre", "mujer"], ["male", "female"]),
        (["0", "1"], ["", ""]),
    ],
)
def test_sex_is_read_by_the_letters_that_stand_beside_each_other(values, read):
    assert sexes(values) == read


@pytest.mark.parametrize(
    ("value", "age"),
    [
        ("45", "45"),
        ("45.0", "45"),
        ("45,5", "45.5"),
        ("61 years", "61"),
        ("85+", "85"),
        ("0", "0"),
        ("130", ""),
        ("-1", ""),
        ("NA", ""),
        ("45-50", ""),
        ("forty", ""),
        ("1965-01-03", ""),
    ],
)
def test_ages_are_years_or_unknown(value, age):
    assert ages([value]) == [age]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("III", "3"),
        ("vi", "6"),
        ("FST4", "4"),
        ("Type 2", "2"),
        ("Fitzpatrick type V", "5"),
        ("5.0", "5"),
        ("3", "3"),
        ("-1", ""),
        ("0", ""),
        ("7", ""),
        ("12", ""),
        ("I-II", ""),
        ("dark", ""),
    ],
)
def test_skin_types_are_one_to_six_or_unknown(value, kind):
    assert skin_types([value]) == [kind]


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        ("dermoscopic", "dermoscopic"),
        ("Dermatoscopy", "dermoscopic"),
        ("contact polarized", "dermoscopic"),
        ("clinical: close-up", "clinical"),
        ("non-dermoscopic", "clinical"),
        ("smartphone", "clinical"),
        ("xray", ""),
    ],
)
def test_domains_are_two_or_unknown(value, domain):
    assert domains([value]) == [domain]


@given(st.lists(st.text(max_size=20), max_size=5), st.sampled_from(sorted(READERS)))
def test_any_values_are_read_one_for_one(values, role):
    assert len(READERS[role](values)) == len(values)


@pytest.mark.parametrize("role", ["itch", "grew", "hurt", "changed", "bleed", "elevation", "biopsied"])
def test_yes_and_no_come_in_the_words_of_tables(role):
    assert READERS[role](["Yes", "FALSE", "1", "0.0", "UNK", "", "sometimes"]) == ["yes", "no", "yes", "no", "", "", ""]


@pytest.mark.parametrize(("value", "read"), [("6 mm", "6"), ("0,5cm", "5"), ("60", "60"), ("61", ""), ("wide", "")])
def test_diameters_are_millimetres_in_the_questions_range(value, read):
    assert READERS["diameter-mm"]([value]) == [read]


@given(st.text(max_size=12))
def test_skin_types_are_read_by_the_questions_own_rule(value):
    assert skin_types([value]) == [SKIN_TYPE.value_of(text_of(value)) or ""]
