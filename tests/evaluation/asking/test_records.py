"""The records of a published report of a model that asks: read whole, written as they were."""

import json
from pathlib import Path

from hierattn.evaluation.asking.records import ADVICE_BY, MISSING, AnswersFigures
from hierattn.evaluation.records import from_plain, to_plain

RESULTS = Path(__file__).resolve().parents[3] / "results"


def test_what_was_published_is_read_whole_and_written_as_it_was():
    published = sorted(RESULTS.glob("*/*asked*/report.json"))
    assert published
    for path in published:
        plain = json.loads(path.read_text(encoding="utf-8"))["answers"]
        figures = from_plain(AnswersFigures, plain)
        assert to_plain(figures) == plain
        assert tuple(row.missing for row in figures.missing) == MISSING
        assert [row.name for row in figures.asked] == list(figures.questions)
        assert [advice.by for advice in figures.advice] == list(ADVICE_BY)
