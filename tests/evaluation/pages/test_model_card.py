"""The model card: filled from the report, and open where only people can answer."""

import pytest
from reports import made

from hierattn.errors import UsageError
from hierattn.evaluation.folder import find_evaluation
from hierattn.evaluation.pages.model_card import model_card
from hierattn.evaluation.report import Report


def test_a_card_is_filled_from_the_report_and_names_what_is_open(tmp_path):
    report, _ = made()
    report.save(tmp_path / "evaluation" / "report.json")
    card = model_card(Report.load(find_evaluation(tmp_path).report))
    for said in ("Not a medical device", "CC BY-NC 4.0", "1,079,928", "CLEAR Derm", "STARD-AI"):
        assert said in card
    assert f"{100 * report.balanced_accuracy.value:.1f}" in card
    assert "fairness was not measured" in card
    with pytest.raises(UsageError, match="no evaluation"):
        find_evaluation(tmp_path / "none")
