"""What notebooks show: well-formed, escaped, the figures of the value itself, and nothing of an unfit photograph."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from reports import made
from small_bundles import write_small_bundle

from hierattn import Predictor
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.notebook_html import NOT_A_DEVICE, notebook_table
from hierattn.shares import percent


def test_every_text_is_escaped_and_the_page_is_well_formed() -> None:
    evil = "<script>alert('x')</script>&"
    tree = ElementTree.fromstring(notebook_table(evil, [(evil, evil)], [evil], (evil, evil)))
    assert not list(tree.iter("script"))
    assert [part.text for part in tree.iter() if part.text] == [evil] * 6


def test_a_diagnosis_shows_its_advice_and_its_most_probable_classes(tmp_path) -> None:
    predictor = Predictor.load(write_small_bundle(tmp_path / "model.onnx"))
    diagnosis = predictor(render_lesion("NV", np.random.default_rng(0), 256).image)
    assert not diagnosis.unfit
    tree = ElementTree.fromstring(diagnosis._repr_html_())
    assert tree.findtext("strong") == diagnosis.advice.title
    first = tree.find("table/tbody/tr")
    assert first.findtext("th").split()[0] == diagnosis.label
    assert first.findtext("td") == percent(diagnosis.probabilities[diagnosis.label])
    assert NOT_A_DEVICE in [part.text for part in tree.iter("p")]


def test_of_an_unfit_photograph_no_number_is_shown(tmp_path) -> None:
    predictor = Predictor.load(write_small_bundle(tmp_path / "model.onnx"))
    diagnosis = predictor(np.zeros((256, 256, 3), np.uint8))
    assert diagnosis.unfit
    tree = ElementTree.fromstring(diagnosis._repr_html_())
    assert tree.find("table") is None
    assert not [code for code in diagnosis.probabilities if f"{code} " in diagnosis._repr_html_()]


def test_a_report_shows_its_own_figures_with_intervals() -> None:
    report = made()[0]
    tree = ElementTree.fromstring(report._repr_html_())
    cells = {row.findtext("th"): [cell.text for cell in row.findall("td")] for row in tree.iter("tr")}
    low, high = report.balanced_accuracy.interval
    assert cells["balanced accuracy"] == [
        percent(report.balanced_accuracy.value),
        f"{percent(low)} to {percent(high)}",
    ]
    assert report.run in tree.findtext("strong")
