"""The advice at another prevalence: Bayes' rule, people counted one by one, and intervals that hold."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from prediction_tables import table

from hierattn.evaluation.clinical_use.prevalence import (
    PEOPLE,
    PREVALENCES,
    SETTINGS,
    carry,
    measure_by_prevalence,
)
from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import LesionClass, Taxonomy

TWO = EIGHT.subset(("MEL", "NV"))
CALIBRATION = replace(fit_calibration(table(classes=TWO.codes), resamples=0), temperature=1.0, risk_threshold=0.5)


def counted(found, missed, alarms, spared):
    """So many photographs of each kind, each a lesion of its own."""
    referred = np.repeat([True, False, True, False], [found, missed, alarms, spared])
    labels = np.repeat([0, 0, 1, 1], [found, missed, alarms, spared])
    melanoma = np.where(referred, 0.9, 0.1)
    return Predictions(
        tuple(map(str, range(len(labels)))),
        TWO,
        np.stack([melanoma, 1 - melanoma], axis=1),
        labels,
        np.zeros(len(labels), np.int64),
        ("",) * len(labels),
    )


def test_figures_are_bayes_rule_in_exact_fractions():
    measured = measure_by_prevalence(counted(45, 5, 40, 160), CALIBRATION, resamples=0)
    assert (measured.sensitivity.value, measured.specificity.value) == (0.9, 0.8)
    assert measured.prevalence == 0.2
    assert [row.prevalence for row in measured.rows] == list(PREVALENCES)
    for row in measured.rows:
        share = Fraction(str(row.prevalence))
        found, missed = share * Fraction(9, 10), share * Fraction(1, 10)
        alarms, spared = (1 - share) * Fraction(2, 10), (1 - share) * Fraction(8, 10)
        for figure, expected in (
            (row.ppv, found / (found + alarms)),
            (row.npv, spared / (spared + missed)),
            (row.referrals, PEOPLE * (found + alarms)),
            (row.missed, PEOPLE * missed),
        ):
            assert figure.value == pytest.approx(float(expected), rel=1e-12)
            assert figure.interval is None


def test_at_the_sets_own_prevalence_the_figures_are_the_sets_own_counts():
    ppv, npv, referrals, missed = carry(np.array(45 / 50), np.array(160 / 200), 0.2)
    assert ppv == pytest.approx(45 / 85)
    assert npv == pytest.approx(160 / 165)
    assert referrals == pytest.approx(1000 * 85 / 250)
    assert missed == pytest.approx(1000 * 5 / 250)


@pytest.mark.parametrize("prevalence", [0.005, 0.03, 0.2])
def test_intervals_are_those_of_the_delta_method_where_every_lesion_has_one_photograph(prevalence):
    measured = measure_by_prevalence(counted(450, 50, 400, 1600), CALIBRATION, resamples=4000)
    row = next(row for row in measured.rows if row.prevalence == prevalence)
    # Mercaldo, Lau and Zhou 2007: the logits of PPV and NPV; the counts are linear in both shares.
    sensitivity, specificity, cancers, others = 0.9, 0.8, 500, 2000
    for figure, variance in (
        (row.ppv, (1 - sensitivity) / sensitivity / cancers + specificity / (1 - specificity) / others),
        (row.npv, sensitivity / (1 - sensitivity) / cancers + (1 - specificity) / specificity / others),
    ):
        centre, half = math.log(figure.value / (1 - figure.value)), 1.96 * math.sqrt(variance)
        for end, logit in zip(figure.interval, (centre - half, centre + half), strict=True):
            assert math.log(end / (1 - end)) == pytest.approx(logit, abs=0.15 * half)
    miss = 1.96 * 1000 * prevalence * math.sqrt(0.9 * 0.1 / cancers)
    assert row.missed.interval == pytest.approx((row.missed.value - miss, row.missed.value + miss), abs=0.15 * miss)
    both = prevalence**2 * 0.09 / cancers + (1 - prevalence) ** 2 * 0.16 / others
    sent = 1.96 * 1000 * math.sqrt(both)
    assert row.referrals.interval == pytest.approx(
        (row.referrals.value - sent, row.referrals.value + sent), abs=0.15 * sent
    )


def test_no_cancer_missed_of_few_is_not_told_as_never():
    measured = measure_by_prevalence(counted(12, 0, 40, 160), CALIBRATION, resamples=200)
    assert measured.sensitivity.value == 1
    low, high = measured.sensitivity.interval
    row = measured.settings["referral clinic"]
    assert row.missed.value == 0
    assert row.missed.interval == pytest.approx((0, 200 * (1 - low)))
    assert row.npv.interval[0] < 0.97
    assert row.npv.interval[1] == 1
    assert high == 1


def test_the_three_settings_are_among_what_a_reader_may_choose():
    measured = measure_by_prevalence(table(images=200, seed=2), fit_calibration(table(), resamples=0), resamples=100)
    assert list(measured.settings) == list(SETTINGS.values())
    assert [row.prevalence for row in measured.settings.values()] == [0.005, 0.03, 0.2]
    assert measured.classes == ("BCC", "MEL", "SCC")
    for row in measured.rows:
        for figure in (row.ppv, row.npv, row.referrals, row.missed):
            low, high = figure.interval
            assert low <= figure.value <= high


def test_where_no_class_is_said_to_be_cancer_those_to_refer_count():
    plain = Taxonomy("plain", (LesionClass("see", refer=True), LesionClass("leave", refer=False)))
    some = replace(counted(9, 1, 2, 8), taxonomy=plain)
    measured = measure_by_prevalence(some, CALIBRATION, resamples=0)
    assert (measured.classes, measured.cancer) == (("see",), False)
    assert measured.sensitivity.value == 0.9


def test_without_threshold_or_without_both_kinds_there_is_nothing():
    assert measure_by_prevalence(counted(5, 5, 5, 5), None) is None
    assert measure_by_prevalence(counted(5, 5, 5, 5), replace(CALIBRATION, risk_threshold=float("nan"))) is None
    assert measure_by_prevalence(counted(5, 5, 0, 0), CALIBRATION) is None
    assert measure_by_prevalence(counted(0, 0, 5, 5), CALIBRATION) is None
