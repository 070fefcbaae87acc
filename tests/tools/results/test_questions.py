"""The page of the questions has every figure of its file."""

from __future__ import annotations

import json

import pytest
from tools.results.published import RESULTS
from tools.results.questions import page

from hierattn.evaluation.asking.records import AnswersFigures
from hierattn.evaluation.records import from_plain

FOLDER = RESULTS / "pad-ufes-20" / "questions"


@pytest.mark.parametrize("folder", sorted(path.parent for path in RESULTS.glob("*/questions/questions.json")), ids=str)
def test_the_published_page_is_made_of_the_published_figures(folder) -> None:
    plain = json.loads((folder / "questions.json").read_text())
    text = (folder / "questions.md").read_text()
    before, made_by = text.split("Made by:\n\n")
    figures = from_plain(AnswersFigures, plain)
    patients = int(before.split(" photographs of ")[1].split(" ")[0])
    command = "\n".join(line.removeprefix("    ") for line in made_by.splitlines())
    assert page(figures, plain["images"], patients, command) == text


def test_a_question_is_worth_asking_and_none_changes_nothing() -> None:
    figures = from_plain(AnswersFigures, json.loads((FOLDER / "questions.json").read_text()))
    assert figures.missing[0].gain.value >= 0.08
    assert figures.missing[-1].gain.value == 0
    photograph, _, rule = figures.advice
    assert rule.sensitivity.value >= photograph.sensitivity.value
