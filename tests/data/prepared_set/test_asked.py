"""What a manifest's columns answer."""

from __future__ import annotations

import numpy as np

from hierattn.data.prepared_set.asked import answerable, codes_of
from hierattn.data.prepared_set.manifest import Record
from hierattn.taxonomy.questions import AGE, GREW, SITE

RECORDS = [
    Record("a.jpg", "MEL", age="54", site="head/neck", grew="yes", itch="no"),
    Record("b.jpg", "NV", age="", site="posterior torso", grew="no", itch="no"),
    Record("c.jpg", "NV", age="200", site="the left one"),
]


def test_questions_are_those_with_answers_and_values_those_that_occur() -> None:
    questions = answerable(RECORDS)
    assert [question.name for question in questions] == ["age", "site", "grew"]  # everybody's itch is the same
    assert questions[1].values == ("head_neck", "back")


def test_a_value_too_rare_to_learn_from_is_left_out() -> None:
    assert [question.name for question in answerable(RECORDS, fewest=2)] == []
    assert [question.name for question in answerable(RECORDS * 2, fewest=2)] == ["age", "site", "grew"]


def test_what_is_unknown_or_no_allowed_answer_has_the_code_0() -> None:
    site = SITE.only(["head_neck", "back"])
    np.testing.assert_allclose(codes_of(RECORDS, (AGE, site, GREW)), [[3.7, 1, 1], [0, 2, 2], [0, 0, 0]], rtol=1e-6)
    assert codes_of([], (AGE,)).shape == (0, 1)
