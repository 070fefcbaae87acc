"""Decision curves: those of the dcurves package, true at their ends, and none where nothing is said of referral."""

from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import same, table

from hierattn import metrics
from hierattn.evaluation.cases import Case
from hierattn.evaluation.clinical_use.decision_curves import (
    CANCER,
    CLINIC,
    SUBGROUP_THRESHOLDS,
    THRESHOLDS,
    measure_net_benefit,
    net_benefits,
)
from hierattn.evaluation.measures.calibration import fit_calibration, risk
from hierattn.evaluation.measures.intervals import bootstrap, interval
from hierattn.evaluation.predictions import rows_of
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import LesionClass, Taxonomy

CALIBRATION = fit_calibration(table(images=200, seed=1), resamples=0)


def values(estimates):
    return [estimate.value for estimate in estimates]


def by_dcurves(positive, thresholds, **policies):
    """Policy -> net benefits, by the package of the method's authors."""
    pandas, dcurves = pytest.importorskip("pandas"), pytest.importorskip("dcurves")
    frame = pandas.DataFrame({"outcome": positive.astype(int), **policies})
    found = dcurves.dca(data=frame, outcome="outcome", modelnames=list(policies), thresholds=list(thresholds))
    return {name: rows.sort_values("threshold")["net_benefit"].to_numpy() for name, rows in found.groupby("model")}


@pytest.mark.parametrize("seed", range(8))
def test_every_policy_has_the_net_benefit_that_dcurves_gives(seed):
    some = table(images=20 + 60 * seed, seed=seed)
    probabilities = np.round(some.probabilities, 2) if seed % 2 else some.probabilities  # ties, and at thresholds too
    some = replace(some, probabilities=probabilities / probabilities.sum(axis=1, keepdims=True))
    measured = measure_net_benefit(some, CALIBRATION, resamples=0)
    assert [curve.outcome for curve in measured.curves] == [CLINIC, CANCER]
    advised = (risk(some, CALIBRATION.temperature)[1] >= CALIBRATION.risk_threshold).astype(int)
    for curve, group in zip(measured.curves, (EIGHT.triage_group, EIGHT.malignant), strict=True):
        calibrated = CALIBRATION.apply(some.probabilities)
        positive, scores = metrics.group_scores(some.labels, calibrated, some.classes, group)
        # The package refuses a sum of probabilities that rounding took beyond 1.
        theirs = by_dcurves(positive, THRESHOLDS, risk=np.minimum(scores, 1), advice=advised)
        same(values(curve.risk), theirs["risk"])
        same(values(curve.advice), theirs["advice"])
        same(values(curve.refer_all), theirs["all"])
        same(values(curve.gain), theirs["advice"] - np.maximum(theirs["all"], theirs["none"]))


def test_a_subgroup_has_the_net_benefit_of_its_rows_alone_as_dcurves_gives_it():
    some = table(images=240, seed=3)
    sources = np.array(["a", "b", ""])[np.arange(240) % 3]
    cases = [Case(name, source=str(source)) for name, source in zip(some.images, sources, strict=True)]
    found = measure_net_benefit(some, CALIBRATION, cases, resamples=100).subgroups
    assert [row.name for row in found["source"]] == ["a", "b", "unknown"]
    for row, source in zip(found["source"], ("a", "b", ""), strict=True):
        members = rows_of(some, np.flatnonzero(sources == source))
        positive, scores = risk(members, CALIBRATION.temperature)
        theirs = by_dcurves(positive, SUBGROUP_THRESHOLDS, advice=(scores >= CALIBRATION.risk_threshold).astype(int))
        same(values(row.advice), theirs["advice"])
        same(values(row.gain), theirs["advice"] - np.maximum(theirs["all"], 0))
        assert row.images == len(members)
        assert row.groups == row.images  # each photograph of a source is of another lesion
        assert row.too_few == (min(positive.sum(), (~positive).sum()) < 30)
        low, high = row.advice[2].interval
        assert low < row.advice[2].value < high


def test_intervals_grow_where_photographs_are_of_one_lesion():
    some = table(images=400, seed=4)
    alone, pairs = replace(some, groups=("",) * 400), replace(some, groups=tuple(str(row // 20) for row in range(400)))
    same_twenty = replace(pairs, labels=some.labels[np.arange(400) // 20 * 20])
    widths = []
    for predictions in (replace(alone, labels=same_twenty.labels), same_twenty):
        low, high = measure_net_benefit(predictions, CALIBRATION, resamples=300).curves[0].refer_all[4].interval
        widths.append(high - low)
    assert widths[1] > 2 * widths[0]


def test_intervals_hold_the_true_net_benefit_nineteen_times_in_twenty():
    rng, held = np.random.default_rng(0), 0
    truth = 0.3 * 0.9 - 0.7 * 0.2 * 0.25  # sensitivity 90 %, specificity 80 %, threshold 20 %
    for seed in range(200):
        positive = rng.random(300) < 0.3
        referred = (rng.random(300) < np.where(positive, 0.9, 0.2))[:, None]
        draws = bootstrap(lambda w, p=positive, r=referred: net_benefits(p, r, [0.2], w), np.arange(300), 300, seed)
        low, high = interval(draws[:, 0])
        held += low <= truth <= high
    assert held >= 184  # of 200 at 95 %: 190; below 184 once in 40,000


def test_referring_no_one_is_worth_nothing_and_everyone_what_the_prevalence_says():
    positive = np.arange(10) < 3
    referred = np.stack([np.zeros(10, bool), np.ones(10, bool), positive], axis=1)
    nothing, everyone, perfect = net_benefits(positive, referred, [0.3] * 3)[0]
    assert (nothing, perfect) == (0, 0.3)
    assert everyone == pytest.approx(0, abs=1e-12)  # at a threshold of the prevalence, all and none are worth the same


def test_without_referral_or_threshold_there_is_none():
    plain = Taxonomy("plain", (LesionClass("a"), LesionClass("b")))
    some = table(images=60, classes=("BKL", "NV"))
    silent = replace(some, taxonomy=plain)
    assert measure_net_benefit(silent, fit_calibration(silent, resamples=0)) is None
    assert measure_net_benefit(some, fit_calibration(some, resamples=0)) is None  # none of them is to be referred
    assert measure_net_benefit(table(), None) is None


def test_cancer_has_no_curve_of_its_own_where_exactly_cancer_is_referred():
    two = Taxonomy(
        "two",
        (LesionClass("bad", malignancy="malignant", refer=True), LesionClass("good", malignancy="benign", refer=False)),
    )
    some = replace(table(images=60, classes=("MEL", "NV")), taxonomy=two)
    measured = measure_net_benefit(some, fit_calibration(some, resamples=0), resamples=0)
    assert [curve.outcome for curve in measured.curves] == [CLINIC]
