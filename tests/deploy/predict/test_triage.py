"""Triage (§5): the levels, what each may say, and that no advice in any language tells someone to stop worrying."""

from __future__ import annotations

import pytest
from small_bundles import CALIBRATED, GROUP

from hierattn.deploy.predict.advice_texts import LANGUAGES, TEXTS
from hierattn.deploy.predict.triage import RULES, TriageSettings, advise, decide
from hierattn.errors import UsageError
from hierattn.preprocessing.photo_quality import PhotoQuality
from hierattn.taxonomy.built_in import EIGHT

FIT, UNFIT = PhotoQuality(ok=True), PhotoQuality(ok=False, problems=("blurred",))
UNCALIBRATED = TriageSettings(group=GROUP)


def spread(risk: float) -> dict[str, float]:
    """``risk`` shared evenly by the five, the rest by the others."""
    rest = len(EIGHT.codes) - len(GROUP)
    return {code: risk / len(GROUP) if code in GROUP else (1 - risk) / rest for code in EIGHT.codes}


def level(risk: float, settings: TriageSettings, rule: str = "risk", quality: PhotoQuality = FIT) -> str:
    return decide(spread(risk), risk, settings, quality, rule).level


@pytest.mark.parametrize(
    ("threshold", "risk", "expected"),
    [
        (0.3, 0.29, "watch"),
        (0.3, 0.30, "have_checked"),
        (0.3, 0.49, "have_checked"),
        (0.3, 0.50, "see_soon"),
        (0.7, 0.49, "watch"),
        (0.7, 0.60, "have_checked"),
        (0.7, 0.70, "see_soon"),
    ],
)
def test_levels_of_the_default_rule(threshold, risk, expected):
    assert level(risk, TriageSettings(group=GROUP, threshold=threshold)) == expected


def test_level_never_falls_as_the_risk_rises():
    order = {"watch": 0, "have_checked": 1, "see_soon": 2}
    for threshold in (0.02, 0.3, 0.5, 0.9):
        settings = TriageSettings(group=GROUP, threshold=threshold)
        levels = [order[level(step / 200, settings)] for step in range(201)]
        assert levels == sorted(levels)


def test_five_shared_risks_refer_by_default_and_not_by_the_papers_rule():
    settings = TriageSettings(group=GROUP, threshold=0.3)
    assert level(0.9, settings) == "see_soon"
    assert level(0.9, settings, "paper") == "watch"


def test_the_papers_rule_is_more_than_half_of_one_class():
    half = {**dict.fromkeys(EIGHT.codes, 0.0), "MEL": 0.5, "NV": 0.5}
    assert decide(half, 0.5, UNCALIBRATED, FIT, "paper").level == "watch"
    assert decide({**half, "MEL": 0.51, "NV": 0.49}, 0.51, UNCALIBRATED, FIT, "paper").level == "see_soon"
    benign = {**half, "MEL": 0.0, "NV": 1.0}
    assert decide(benign, 0.0, UNCALIBRATED, FIT, "paper").level == "watch"


def test_without_a_calibration_nobody_is_told_to_wait():
    assert {level(step / 20, UNCALIBRATED) for step in range(21)} == {"have_checked", "see_soon"}
    advice = advise(spread(0.0), 0.0, UNCALIBRATED, FIT)
    assert not advice.calibrated
    assert TEXTS["en"]["limits.uncalibrated"] in advice.limits


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("risk", [0.0, 0.4, 1.0])
def test_an_unfit_photo_is_retaken_whatever_the_numbers(rule, risk):
    assert level(risk, CALIBRATED, rule, UNFIT) == "retake"
    advice = advise(spread(risk), risk, CALIBRATED, UNFIT, rule=rule)
    assert advice.next_steps[0] == TEXTS["en"]["problem.blurred"]
    assert "doctor" in advice.next_steps[-1]


def test_unknown_rule_and_language_are_named():
    with pytest.raises(UsageError, match="risk, paper"):
        decide(spread(0.1), 0.1, CALIBRATED, FIT, "coin")
    with pytest.raises(UsageError, match="en, pt, zh"):
        advise(spread(0.1), 0.1, CALIBRATED, FIT, language="xx")


def test_measured_sensitivity_is_told_with_its_interval_and_size():
    limits = " ".join(advise(spread(0.4), 0.4, CALIBRATED, FIT).limits)
    assert "250 photos" in limits
    assert "93 % (88 % to 97 %)" in limits


def test_sensitivity_of_the_risk_rule_is_not_claimed_for_the_papers():
    limits = advise(spread(0.4), 0.4, CALIBRATED, FIT, rule="paper").limits
    assert TEXTS["en"]["limits.unmeasured"] in limits
    assert "93 %" not in " ".join(limits)


def test_the_limits_round_what_was_caught_down_and_never_say_all_of_some():
    settings = TriageSettings(group=GROUP, threshold=0.3, sensitivity=239 / 240, interval=(0.9759, 0.9999), images=1200)
    (said,) = [line for line in advise(spread(0.1), 0.1, settings, FIT).limits if "1200" in line]
    assert "99 % (97 % to 99 %)" in said


def test_a_risk_just_under_the_limit_is_told_from_it():
    why = advise(spread(0.2961), 0.2961, TriageSettings(group=GROUP, threshold=0.3034), FIT).why
    assert "29.6 %" in why
    assert "30.3 %" in why


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_advice_says_what_to_do_next_and_its_limits(language):
    for quality in (FIT, UNFIT):
        for risk in (0.0, 0.35, 0.9):
            for settings in (CALIBRATED, UNCALIBRATED):
                for rule in RULES:
                    advice = advise(spread(risk), risk, settings, quality, rule=rule, language=language)
                    assert len(advice.next_steps) >= 2
                    assert advice.title
                    assert advice.why
                    assert advice.limits[-1] == TEXTS[language]["limits.device"]
                    assert "{" not in " ".join((advice.title, advice.why, *advice.next_steps, *advice.limits))
                    assert advice.to_dict()["language"] == language
