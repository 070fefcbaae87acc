"""What may be asked: allowed answers, their codes, and what is refused."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierattn.errors import TaxonomyError, UsageError
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.questions import (
    AGE,
    BY_NAME,
    GREW,
    LANGUAGES,
    QUESTIONS,
    SITE,
    Question,
    answer_codes,
    choose_questions,
    read_answers,
)
from hierattn.taxonomy.records import Taxonomy
from hierattn.taxonomy.toml_file import taxonomy_text

ISIC_SITES = {
    "head/neck", "anterior torso", "posterior torso", "lateral torso", "upper extremity", "lower extremity",
    "palms/soles", "oral/genital",
}  # fmt: skip
PAD_SITES = {
    "face", "nose", "ear", "lip", "scalp", "neck", "chest", "abdomen", "back", "upper arm", "forearm", "hand", "thigh",
    "foot",
}  # fmt: skip


def test_isic_and_pad_sites_each_have_their_own_place_on_the_one_list() -> None:
    for sites in (ISIC_SITES, PAD_SITES):
        values = [SITE.value_of(site) for site in sites]
        assert None not in values
        assert len(set(values)) == len(sites)


def test_every_question_and_value_has_words_in_every_language() -> None:
    for question in QUESTIONS:
        assert set(question.ask) == set(LANGUAGES)
        assert not question.is_choice or set(question.words) == set(LANGUAGES)


def test_no_question_asks_what_no_patient_should_have_to_say() -> None:
    asked = {"age", "sex", "site", "skin_type", "itch", "grew", "hurt", "changed", "bleed", "elevation", "diameter_mm"}
    assert set(BY_NAME) == asked


def test_unknown_has_the_code_0_and_every_value_another() -> None:
    for question in QUESTIONS:
        assert question.value_of("unknown") == question.value_of("") == ""
        assert question.code("") == 0
        if question.is_choice:
            codes = [question.code(value) for value in question.values]
            assert codes == list(range(1, question.points + 1))
        else:
            assert question.code(f"{question.least:g}") == 1
            assert question.code(f"{question.most:g}") == question.points


@given(st.floats(0, 120))
def test_ages_keep_their_order_in_their_codes(years: float) -> None:
    value = AGE.value_of(str(years))
    assert value is not None
    assert AGE.code(value) == pytest.approx(1 + float(value) / 20)


@pytest.mark.parametrize(
    ("given_answers", "said"),
    [
        ({"grew": "perhaps"}, r"^answer grew=perhaps: wanted yes, no or unknown$"),
        ({"age": "old"}, r"^answer age=old: wanted a number from 0 to 120 years, or unknown$"),
        ({"age": "200"}, r"^answer age=200: wanted a number"),
        ({"age": "nan"}, r"^answer age=nan: wanted a number"),
        ({"water": "yes"}, r"^no question 'water': wanted one of grew, age$"),
    ],
)
def test_a_wrong_answer_gets_one_line_that_says_what_is_wanted(given_answers: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_answers((GREW, AGE), given_answers)


def test_answers_may_be_json_values() -> None:
    answers = read_answers((GREW, AGE, SITE), json.loads('{"grew": true, "age": 54.0, "site": null}'))
    assert answers == {"grew": "yes", "age": "54"}
    assert answer_codes((GREW, AGE, SITE), answers) == [1.0, pytest.approx(3.7), 0.0]


def test_a_question_with_some_values_keeps_their_words_and_refuses_the_others() -> None:
    some = SITE.only(["hand", "face"])
    assert (some.values, some.words["en"]) == (("face", "hand"), ("face", "hand"))
    assert some.value_of("nose") is None


def test_a_taxonomy_carries_its_questions_through_its_file_and_equals_the_same_classes() -> None:
    asking = EIGHT.asking(QUESTIONS)
    again = Taxonomy.from_dict(tomllib.loads(taxonomy_text(asking)))
    assert again.questions == QUESTIONS
    assert again == EIGHT
    assert again.subset(["MEL", "NV"]).questions == QUESTIONS
    assert "questions" not in EIGHT.to_dict()


@pytest.mark.parametrize(
    "damaged",
    [
        {"name": "pesticide", "values": ["yes", "no"]},
        {"name": "grew"},
        {"name": "grew", "values": ["yes", "yes"]},
        {"name": "grew", "values": ["yes", "unknown"]},
        {"name": "grew", "values": [1, 2]},
        {"name": "age", "least": 0, "most": "old", "step": 20},
        {"name": "age", "least": 0, "most": 120, "step": 0},
        {"name": "age", "least": 0, "most": 120, "step": 20, "colour": "red"},
        {"name": "age", "least": 0, "most": 120, "step": 20, "unit": 7},
        {"name": "age", "least": 0, "most": 120, "step": 1e-9},
        {"name": "age", "least": 0, "most": 120, "step": 1e-320},
        {"name": "grew", "values": [f"value {number}" for number in range(101)]},
        {"name": "grew", "values": ["yes", "no"], "ask": {"en": "?" * 201}},
        {"name": "grew", "values": ["yes", "no"], "ask": {"en": 7}, "words": {"en": ["yes", "no"]}},
        {"name": "grew", "values": ["yes", "no"], "words": {"en": ["yes", "n" * 201]}},
        "grew",
    ],
)
def test_a_damaged_question_is_refused(damaged: object) -> None:
    with pytest.raises(TaxonomyError, match="question"):
        Question.from_dict(damaged)


def test_questions_are_chosen_by_name_in_the_one_order() -> None:
    assert choose_questions(["grew", "age"]) == (AGE, GREW)
    with pytest.raises(UsageError, match="question 'grown'"):
        choose_questions(["grown"])
