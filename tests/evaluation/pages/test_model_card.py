"""The model card: filled from the report, and open where only people can answer."""

import pytest
from reports import made

from hierattn.errors import UsageError
from hierattn.evaluation.folder import find_evaluation
from hierattn.evaluation.pages.model_card import model_card, write_card
from hierattn.evaluation.report import Report


def test_a_card_is_filled_from_the_report_and_names_what_is_open(tmp_path):
    report, _ = made()
    report.save(tmp_path / "evaluation" / "report.json")
    card = model_card(Report.load(find_evaluation(tmp_path).report))
    for said in ("Not a medical device", "CC BY-NC 4.0", "1,079,928", "CLEAR Derm", "STARD-AI"):
        assert said in card
    assert f"{100 * report.balanced_accuracy.value:.1f}" in card
    assert "fairness was not measured" in card
    assert "| melanoma sensitivity |" in card
    assert "melanoma sensitivity" not in model_card(made(classes=("BCC", "NV"))[0])
    with pytest.raises(UsageError, match="no folder"):
        find_evaluation(tmp_path / "none")


@pytest.mark.parametrize("change", ["a note", "a filled-in item", "an older card", "none"])
def test_a_card_that_somebody_wrote_in_is_not_replaced(tmp_path, change):
    report, _ = made()
    path = tmp_path / "MODEL_CARD.md"
    write_card(path, report)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        {"a note": text + "\nSeen by me.\n", "a filled-in item": text.replace("# Model", "# My model"),
         "an older card": model_card(report), "none": text}[change], encoding="utf-8",
    )  # fmt: skip
    before = path.read_text(encoding="utf-8")
    if change == "none":
        write_card(path, report)
    else:
        with pytest.raises(UsageError, match="not a model card, unchanged"):
            write_card(path, report)
    assert path.read_text(encoding="utf-8") == before
