"""The cards: read back by the hub's own card classes; every figure is the report's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard

from hierattn.deploy.hub.hub_cards import hub_card, hub_licence
from hierattn.evaluation.folder import find_evaluation
from hierattn.evaluation.report import Report
from hierattn.hub import CARD, CROISSANT, DATA_CARD, WEIGHTS
from hierattn.models.weights.checkpoint import load_checkpoint


def test_the_front_matter_is_read_by_the_hubs_own_classes(run: Path, copy: Path) -> None:
    card, report = ModelCard.load(copy / CARD), Report.load(find_evaluation(run).report)
    assert card.data.license == "cc0-1.0"
    assert card.data.library_name == "hierattn"
    assert {"dermatology", "hierattn_xs"} <= set(card.data.tags)
    values = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert values["balanced_accuracy"] == pytest.approx(report.balanced_accuracy.value, abs=1e-6)
    assert values["accuracy"] == pytest.approx(report.top1.value, abs=1e-6)
    assert values["roc_auc"] == pytest.approx(report.macro_auc.value, abs=1e-6)
    assert "value (95 % interval)" in card.text
    assert "Not a medical device" in card.text
    assert 'create_model("hf-hub:owner/name")' in card.text


def test_a_licence_without_a_name_of_the_hubs_is_told_in_words(run: Path, copy: Path) -> None:
    report, checkpoint = Report.load(find_evaluation(run).report), load_checkpoint(copy / WEIGHTS)
    card = ModelCard(hub_card(report, checkpoint, "owner/name", "research only (terms of its page)"))
    assert (card.data.license, card.data.license_name) == ("other", "research-only-terms-of-its-page")
    assert "Weights under: research only (terms of its page)." in card.text
    assert [hub_licence(text) for text in ("CC BY 4.0", "CC BY-NC-SA 3.0", "")] == [
        "cc-by-4.0",
        "cc-by-nc-sa-3.0",
        "other",
    ]


def test_the_data_card_and_the_croissant_record_describe_a_set_and_give_out_nothing_of_it(copy: Path) -> None:
    card = DatasetCard.load(copy / DATA_CARD)
    assert (card.data.license, card.data.pretty_name) == ("cc0-1.0", "synthetic")
    record = json.loads((copy / CROISSANT).read_text())
    assert record["@type"] == "sc:Dataset"
    assert record["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert "distribution" not in record
    assert record["license"] == "CC0-1.0"
    rows = record["recordSet"][0]["data"]
    assert [row["classes/code"] for row in rows] == list(load_checkpoint(copy / WEIGHTS).classes)
