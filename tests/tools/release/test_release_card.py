"""The card and the licence beside a released bundle say what its files say."""

from __future__ import annotations

import hashlib
import json

from tools.release.release_card import REMARKS, looked_before, release_card
from tools.results.published import RESULTS

from hierattn.deploy.predict.released import LICENCE, RELEASE
from hierattn.evaluation.report import Report


def test_the_record_and_the_card_say_what_the_files_say(released, run):
    model = json.loads((released / RELEASE).read_text())["models"]["phone"]
    report = json.loads((run / "evaluation" / "report.json").read_text())
    card = (released / "phone.md").read_text()
    assert model["figures"]["balanced_accuracy"] == report["balanced_accuracy"]
    assert model["bytes"] == (released / "phone.onnx").stat().st_size
    assert model["sha256"] == hashlib.sha256((released / "phone.onnx").read_bytes()).hexdigest()
    assert model["precision"]["agreement"] >= 0.99
    assert model["tried"][-1]["precision"] == model["precision"]["name"]
    assert "refused" not in model["tried"][-1]
    for words in (
        "# Released model: phone", "What it must not be used for", "Non-commercial use only", "Not a medical device",
        model["sha256"], "hierattn train a/start\nhierattn train quicktest optimiser.epochs=2",
        "Melanoma AUC falls to 0.5.", "#### By class",
    ):  # fmt: skip
        assert words in card, words
    assert f"{100 * report['balanced_accuracy']['value']:.1f}\N{NARROW NO-BREAK SPACE}%" in card


def test_a_card_begins_with_what_the_protocol_wants_said_of_its_run(candidate, released, monkeypatch):
    model = json.loads((released / RELEASE).read_text())["models"]["phone"]
    assert "failed a rule" not in release_card(candidate, model)
    monkeypatch.setitem(REMARKS, candidate.name, "It failed a rule.")
    assert "It failed a rule." in release_card(candidate, model).partition("## What it must not be used for")[0]


def test_the_licence_names_each_bundles_conditions_and_whom_to_attribute(released):
    text = (released / LICENCE).read_text()
    assert "| phone | CC BY-NC 4.0 | isic2019 | CC BY-NC 4.0 |" in text
    assert "| phone | CC BY-NC 4.0 | synthetic | CC0-1.0 (rendered) |" in text
    assert "- Somebody, 2018" in text


def test_the_card_names_the_networks_that_the_same_fold_judged_before_and_not_its_own(tmp_path):
    own = "hierattn_xs_two_sources_grey_192px"
    report = Report.load(RESULTS / "two-sources" / own / "report.json")
    (said,) = looked_before("dermoscopy", report)
    named = said.partition(": ")[2].partition(". ")[0].split(", ")
    assert {"efficientnet_lite0_two_sources_longer_192px", "hierattn_xs_two_sources_taught_192px"} <= set(named)
    assert own not in named
    assert not any("without" in name for name in named)  # judged on the source that it left out
    assert looked_before("dermoscopy", report, tmp_path) == []
