"""The card and the licence beside a released bundle say what its files say."""

from __future__ import annotations

import hashlib
import json

from hierattn.deploy.predict.released import LICENCE, RELEASE


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


def test_the_licence_names_each_bundles_conditions_and_whom_to_attribute(released):
    text = (released / LICENCE).read_text()
    assert "| phone | CC BY-NC 4.0 | isic2019 | CC BY-NC 4.0 |" in text
    assert "| phone | CC BY-NC 4.0 | synthetic | CC0-1.0 (rendered) |" in text
    assert "- Somebody, 2018" in text
