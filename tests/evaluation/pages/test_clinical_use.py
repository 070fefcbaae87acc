"""The advice in a clinic, in words and on the page: true to the figures, absent where nothing is said of referral."""

import re
from dataclasses import replace
from html import unescape

import pytest
from reports import made

from hierattn.evaluation.clinical_use.decision_curves import THRESHOLDS
from hierattn.evaluation.clinical_use.prevalence import PREVALENCES
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.pages.clinical_use import (
    net_benefit_figures,
    net_benefit_reading,
    of_100,
    prevalence_rows,
    span_of_100,
)
from hierattn.evaluation.pages.html_report import render
from hierattn.evaluation.pages.model_card import model_card
from hierattn.shares import hundredths, percent, setting


@pytest.fixture(scope="module")
def report():
    return made()[0]


@pytest.fixture(scope="module")
def page():
    return render(*made(), {})


def with_gain(report, *intervals):
    """The report, its first curve's gain with these intervals at the first thresholds and across zero at all others."""
    curve = report.net_benefit.curves[0]
    spans = [*intervals, *[(-0.1, 0.1)] * (len(THRESHOLDS) - len(intervals))]
    gain = tuple(Estimate(sum(span) / 2, span) for span in spans)
    return replace(report, net_benefit=replace(report.net_benefit, curves=(replace(curve, gain=gain),)))


def test_more_or_less_is_said_only_where_the_whole_interval_is_on_one_side(report):
    (said,) = net_benefit_reading(with_gain(report))
    assert said.endswith("no one at no threshold.")
    (said,) = net_benefit_reading(with_gain(report, (0.0, 0.1), (0.01, 0.1), (0.01, 0.2), (-0.2, -0.1)))
    assert said.endswith("at a threshold of 1 % to 2 %, and less at a threshold of 3 %.")
    (said,) = net_benefit_reading(with_gain(report, (0.01, 0.1), (-0.1, 0.1), (0.01, 0.1)))
    assert said.endswith("at a threshold of 0.5 % and 2 %.")


def test_a_curve_is_drawn_as_it_was_measured(report):
    figures = net_benefit_figures(report)
    assert list(figures) == ["net_benefit_clinic", "net_benefit_cancer"]
    for figure, curve in zip(figures.values(), report.net_benefit.curves, strict=True):
        lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
        for label, policy in (
            ("follow the advice", curve.advice),
            ("refer everyone", curve.refer_all),
            ("refer from this risk on", curve.risk),
        ):
            drawn = lines[label].get_ydata()
            assert drawn.tolist() == pytest.approx([100 * estimate.value for estimate in policy])
        assert lines["refer no one"].get_ydata() == [0, 0]


def test_a_net_benefit_is_told_of_100_people_with_its_sign():
    assert (of_100(0.0123), of_100(-0.2), of_100(None)) == ("+1.2", "−20.0", "–")
    assert (span_of_100((-0.01, 0.02)), span_of_100(None)) == ("−1.0 to 2.0", "–")


def test_the_page_has_a_row_for_every_prevalence_and_one_of_them_is_shown(page, report):
    rows = re.findall(r'<tr role="row" data-name="([^"]+)" data-said="([^"]+)"( hidden)?>', page)
    assert [name for name, _, _ in rows] == [setting(each) for each in PREVALENCES]
    assert [name for name, _, hidden in rows if not hidden] == ["1 %"]
    assert f'max="{len(PREVALENCES) - 1}"' in page
    for (_, said, _), row in zip(rows, prevalence_rows(report.by_prevalence), strict=True):
        assert unescape(said) == row.said


def test_people_found_and_missed_are_all_that_have_it(report):
    for row, told in zip(report.by_prevalence.rows, prevalence_rows(report.by_prevalence), strict=True):
        found = re.search(r"referred, (< )?([\d.]+) of them with cancer; (< )?([\d.]+) cancers are missed", told.said)
        assert float(found[2]) + float(found[4]) == pytest.approx(1000 * row.prevalence, abs=0.56)
        assert told.cells[2][0] == percent(row.ppv.value, 1)
        assert told.cells[2][1] == " to ".join(hundredths(end, 1) for end in row.ppv.interval)


def test_the_card_has_the_three_settings_and_the_curve(report):
    card = model_card(report)
    for said in ("### Net benefit", "### At another prevalence", "screening, 0.5 %", "general practice, 3 %"):
        assert said in card
    assert f"| referral clinic, 20 % | {prevalence_rows(report.by_prevalence)[-3].cells[0][0]} (" in card
    assert "carried to three settings" in card


@pytest.mark.parametrize("change", [{"net_benefit": None, "by_prevalence": None}, {}])
def test_where_nothing_is_said_of_referral_or_the_report_is_older_there_is_no_section(change):
    report, figures = made() if change else made(classes=("BKL", "NV"))
    report = replace(report, **change)
    page, card = render(report, figures if not change else {}, {}), model_card(report)
    assert net_benefit_figures(report) == {}
    assert net_benefit_reading(report) == []
    for said in ("worth following", "Where cancer is rarer", "<script", "script-src", 'id="prevalence"'):
        assert said not in page
    for said in ("Net benefit", "At another prevalence", "three settings"):
        assert said not in card


def test_the_slider_shows_what_is_chosen_by_keyboard_and_paper_has_none(browser, page, report, tmp_path):
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    rows, shown = prevalence_rows(report.by_prevalence), browser.new_page()
    faults = []
    shown.on("console", lambda message: faults.append(message.text))  # what the page's own policy would block
    shown.on("pageerror", lambda error: faults.append(error))
    shown.goto((tmp_path / "report.html").as_uri())
    slider, chosen = shown.get_by_label("Share of people with cancer"), shown.locator("#chosen tr:visible")
    assert slider.get_attribute("aria-valuetext") == "1 %"
    slider.focus()
    for key, row in (("Home", rows[0]), ("ArrowRight", rows[1]), ("End", rows[-1]), ("ArrowLeft", rows[-2])):
        shown.keyboard.press(key)
        assert slider.get_attribute("aria-valuetext") == row.name
        assert shown.locator("output").inner_text() == row.said
        assert chosen.count() == 1
        for value, span in row.cells:
            assert value in chosen.inner_text()
            assert span in chosen.inner_text()
    shown.emulate_media(media="print")
    assert not slider.is_visible()
    assert chosen.count() == 1
    assert not faults
    shown.close()
    with browser.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto((tmp_path / "report.html").as_uri())
        assert not plain.locator("#prevalence").is_visible()
        assert plain.get_by_text("general practice").is_visible()
