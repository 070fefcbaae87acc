"""The advice's texts: whole in every language, with the same figures, and no word that soothes."""

from __future__ import annotations

import re
import string

import pytest

from hierattn.deploy.predict.advice_texts import KNOWN, LANGUAGES, TEXTS, class_name, language_texts
from hierattn.deploy.predict.triage import LEVELS
from hierattn.preprocessing.photo_quality import PROBLEMS
from hierattn.taxonomy.built_in import BUILT_IN
from hierattn.taxonomy.records import LesionClass


def test_every_text_is_there_in_every_language():
    for language in LANGUAGES:
        assert list(TEXTS[language]) == list(TEXTS["en"])
        assert all(text.strip() for text in TEXTS[language].values())


def test_every_level_problem_and_class_has_its_text():
    for name in (*(f"level.{one}.title" for one in LEVELS), *(f"level.{one}.next" for one in LEVELS)):
        assert name in TEXTS["en"]
    assert {f"problem.{name}" for name in PROBLEMS} <= set(TEXTS["en"])
    assert {f"class.{code}" for code in KNOWN} == {key for key in TEXTS["en"] if key.startswith("class.")}


def test_no_built_in_class_soothes_in_any_language():
    for taxonomy in BUILT_IN.values():
        for each in taxonomy.classes:
            for language in LANGUAGES:
                words = class_name(each, language)
                assert words == TEXTS[language][f"class.{each.code}"]
                assert not re.search(SOOTHING[language] + "|not cancer", words, re.IGNORECASE)


@pytest.mark.parametrize(
    ("each", "language", "words"),
    [
        (LesionClass("MEL", "melasma"), "pt", "melasma"),  # a code of ours that means something else
        (LesionClass("X", "melanoma"), "pt", "melanoma"),
        (LesionClass("X"), "zh", "X"),
        (LesionClass("X", "x", plain={"zh-Hans": "甲", "en": "an x"}), "zh", "甲"),
        (LesionClass("X", "x", plain={"pt-BR": "um x", "pt": "xis"}), "pt", "xis"),
        (LesionClass("X", "x", plain={"en": "an x"}), "pt", "x"),
        (LesionClass("X", "x", plain={"zho": "no"}), "zh", "x"),
    ],
)
def test_a_class_of_ones_own_is_called_by_its_words_in_the_language_or_its_name(each, language, words):
    assert class_name(each, language) == words


def test_languages_ask_for_the_same_figures():
    def figures(text: str) -> set[str | None]:
        return {field for _, field, _, _ in string.Formatter().parse(text) if field}

    for language in LANGUAGES:
        for key, text in TEXTS[language].items():
            assert figures(text) == figures(TEXTS["en"][key]), (language, key)


SOOTHING = {
    "en": r"health|harmless|no reason to worry|nothing to worry|no need to|safe\b|reassur|all clear|\bfine\b|\bnormal",
    "pt": r"saud[áa]v|sadi[ao]|inofensiv|não (se )?preocup|sem motivo|segur[ao]\b|\bnormal|tranquil",
    "zh": r"健康|无害|放心|不必担心|不用担心|没事|正常|安全",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_soothes(language):
    for key, text in language_texts(language).items():
        assert not re.search(SOOTHING[language], text, re.IGNORECASE), (key, text)


def test_words_of_comfort_would_be_found():
    for language, text in {"en": "It looks healthy.", "pt": "Parece saudável.", "zh": "皮肤健康，请放心。"}.items():
        assert re.search(SOOTHING[language], text, re.IGNORECASE)
