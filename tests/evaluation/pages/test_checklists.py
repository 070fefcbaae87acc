"""The checklists of the model card: the published items and no others, and nothing told that files cannot tell."""

import re

import pytest
from reports import made

from hierattn.evaluation.pages.checklists import CLEAR_DERM, STARD_AI, checklists
from hierattn.evaluation.pages.model_card import model_card

# BMJ 351:h5527: thirty items, of which four are in two halves.
HALVED = {10, 12, 13, 21}
STARD_2015 = [f"{number}{half}" for number in range(1, 31) for half in (("a", "b") if number in HALVED else ("",))]
# Nature Medicine 31(10):3283-3289, Table 2: its marks.
NEW = {"6", "11", "12", "13", "14", "15b", "15d", "23", "28", "29", "35", "39", "40a", "40b"}
CHANGED = {"1", "3", "7", "25"}
PARTED = {15: "abcd", 16: "abc", 17: "ab", 26: "ab", 40: "ab"}


@pytest.fixture(scope="module")
def report():
    return made()[0]


def filled(report, name="STARD-AI"):
    return {item["number"]: item for item in checklists(report)[name]}


def test_stard_ai_has_its_forty_items_in_forty_eight_rows_in_their_order():
    wanted = [f"{number}{part}" for number in range(1, 41) for part in PARTED.get(number, ("",))]
    assert [item.number for item in STARD_AI.items] == wanted
    assert len(wanted) == 48


def test_stard_ai_holds_every_row_of_stard_2015_once_and_marks_the_rest_as_the_paper_does():
    marks = {item.number: item.remark for item in STARD_AI.items}
    assert {number for number, mark in marks.items() if mark == "new"} == NEW
    assert {number for number, mark in marks.items() if mark.endswith(", changed")} == CHANGED
    former = [mark.removesuffix(", changed") for mark in marks.values() if mark != "new"]
    assert sorted(former) == sorted(STARD_2015)
    assert len(former) == 34


def test_what_was_not_held_against_the_paper_is_marked_in_every_card(report):
    card = model_card(report)
    rows = re.findall(r"^\| (\d+) \|.*\| (a news report|memory) \|$", card, re.MULTILINE)
    assert rows == [(str(number), "a news report" if number <= 3 else "memory") for number in range(1, 26)]
    assert "from memory. Hold it against the original" in card
    assert len(CLEAR_DERM.items) == 25


def test_an_item_that_files_answer_in_part_is_not_told_as_done(report):
    found = filled(report)
    assert found["13"]["answer"].startswith("hierattn")
    assert found["13"]["open"] == "devices, by maker and model"
    card = model_card(report)
    assert "; **open**: devices, by maker and model |" in card
    assert "13 in part" in card
    assert all(item["open"] for items in checklists(report).values() for item in items if item["answer"] is None)
