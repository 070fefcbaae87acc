"""Drift: a simulated shift is flagged, none is where nothing changed, and what is kept is counts of bounded number."""

import datetime
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("fastapi")

from prometheus_client.parser import text_string_to_metric_families
from scipy.special import kolmogorov as scipys
from scipy.stats import ks_2samp
from services import post, send, service
from small_bundles import BUNDLE, write_small_bundle

from hierattn.bundle.reference import count_answers
from hierattn.deploy.predict.predictor import Diagnosis
from hierattn.deploy.predict.triage import advise
from hierattn.preprocessing.photo_quality import PhotoQuality
from hierattn.serve.drift import (
    BASELINE,
    MOST_DAYS,
    WINDOW,
    DriftWatch,
    bins_of,
    distance_chance,
    kolmogorov,
    stability_index,
)

KEY = "a-key-of-the-tests"


class Clock:
    """A day that the test turns."""

    def __init__(self):
        self.day = datetime.date(2026, 1, 1)

    def __call__(self):
        return self.day


def diagnosis(rng, shifted=False):
    risk = float(rng.beta(5, 3) if shifted else rng.beta(1, 6))
    answer = {"MEL": risk, "NV": 1 - risk}
    return Diagnosis(answer, risk, None, PhotoQuality(ok=True), None, 0.0, "")


def weeks(watch, clock, rng, days, shifted=False, a_day=40):
    states = []
    for _ in range(days):
        for _ in range(a_day):
            watch.note(diagnosis(rng, shifted))
        clock.day += datetime.timedelta(days=1)
        states.append(watch.state())
    return states


def usual(rng, photographs=800):
    drawn = [diagnosis(rng) for _ in range(photographs)]
    return replace(BUNDLE, reference=count_answers(BUNDLE.classes, [d.risk for d in drawn], [d.label for d in drawn]))


def test_a_shift_is_flagged_within_a_week_and_the_flag_goes_when_it_ends():
    rng, clock = np.random.default_rng(0), Clock()
    watch = DriftWatch(usual(rng), clock)
    before = weeks(watch, clock, rng, 30)
    assert not any(state.flagged for state in before)
    assert before[-1].comparisons == 10
    during = weeks(watch, clock, rng, 7, shifted=True)
    assert set(during[-1].flagged) == {"risk", "classes"}
    assert not weeks(watch, clock, rng, 7)[-1].flagged


def test_without_counts_in_the_bundle_the_first_photographs_are_what_is_usual():
    rng, clock = np.random.default_rng(1), Clock()
    watch = DriftWatch(BUNDLE, clock)
    weeks(watch, clock, rng, BASELINE // 40)
    assert watch.state().usual_of["risk"] == ""
    states = weeks(watch, clock, rng, 8)
    assert states[-1].usual_of["risk"] == "first photographs"
    assert states[-1].comparisons > 0
    assert not states[-1].flagged
    assert "risk" in weeks(watch, clock, rng, 6, shifted=True)[-1].flagged


def test_unfit_photographs_among_the_others_do_not_blind_it_to_a_shift_of_the_risk():
    """They count for the quality alone, which has enough a day before the risk has."""
    rng, clock = np.random.default_rng(6), Clock()
    watch = DriftWatch(usual(rng), clock)
    quality = PhotoQuality(ok=False, problems=("blurred",))
    advice = advise({"MEL": 0.5, "NV": 0.5}, 0.5, BUNDLE.triage, quality)
    blurred = replace(diagnosis(rng), quality=quality, advice=advice)
    assert blurred.unfit
    states = []
    for day in range(40):
        for number in range(WINDOW + 5):
            watch.note(blurred if number % 7 == 0 else diagnosis(rng, shifted=day >= 20))
        clock.day += datetime.timedelta(days=1)
        states.append(watch.state())
    assert not any(state.flagged for state in states[:20])
    assert {"risk", "classes"} <= set(states[-1].flagged)


def test_where_nothing_changes_hardly_a_service_raises_a_flag_in_a_year():
    flagged = 0
    for seed in range(20):
        rng, clock = np.random.default_rng(seed), Clock()
        watch = DriftWatch(usual(rng), clock)
        flagged += any(state.flagged for state in weeks(watch, clock, rng, 120, a_day=25))
    assert flagged == 0


def test_what_is_kept_is_counts_whose_number_has_a_bound():
    rng, clock = np.random.default_rng(2), Clock()
    watch = DriftWatch(usual(rng), clock)
    weeks(watch, clock, rng, MOST_DAYS + 20, a_day=3)
    state = watch.state()
    assert len(state.days) <= MOST_DAYS
    assert state.photographs <= 3 * MOST_DAYS
    kept = [counter for _, day in watch._days for counter in day.values()]
    assert all(len(counter) <= 12 for counter in kept)
    assert all(isinstance(key, str) and isinstance(count, int) for counter in kept for key, count in counter.items())


def test_an_unfit_photograph_counts_by_its_quality_alone():
    unfit = replace(BUNDLE, novelty={"threshold": 2.0})
    quality = PhotoQuality(False, ("blurred",), {"novelty": 3.0})
    advice = advise({"MEL": 0.9, "NV": 0.1}, 0.9, BUNDLE.triage, quality)
    answer = Diagnosis({"MEL": 0.9, "NV": 0.1}, 0.9, advice, quality, None, 0.0, "")
    assert bins_of(answer, unfit.novelty_threshold) == {"quality": "blurred", "novelty": "6"}


def test_chances_are_scipys_and_with_bins_on_the_safe_side():
    rng = np.random.default_rng(3)
    for scaled in (0.3, 0.8, 1.36, 2.5):
        assert kolmogorov(scaled) == pytest.approx(scipys(scaled), abs=1e-12)
    for _ in range(20):
        one, other = (rng.integers(0, 8, count) for count in (300, 150))
        counts = [{str(name): int((values == name).sum()) for name in range(8)} for values in (one, other)]
        exact = ks_2samp(one, other, method="asymp")
        assert distance_chance(*counts, ordered=True) == pytest.approx(exact.pvalue, abs=0.05)
    same = {"ok": 500, "dark": 30}
    assert stability_index(same, same) == 0
    assert distance_chance(same, same, ordered=False) == 1


def test_the_service_tells_of_it_on_a_page_and_in_its_metrics_and_to_those_with_a_key_alone(tmp_path, photos):
    path = write_small_bundle(
        tmp_path / "model.onnx", replace(BUNDLE, reference=usual(np.random.default_rng(4)).reference)
    )
    with service(path, (KEY,)) as app:
        watch = app.state.service.drift["model"]
        clock = watch._clock = Clock()
        rng = np.random.default_rng(5)
        for _ in range(WINDOW):
            watch.note(diagnosis(rng, shifted=True))
        clock.day += datetime.timedelta(days=1)
        head = {"Authorization": f"Bearer {KEY}"}
        assert post(app, photos[0], headers=head).status_code == 200
        page = send(app, "GET", "/drift", headers=head)
        text = send(app, "GET", "/metrics", headers=head).text
        assert send(app, "GET", "/drift").status_code == 401
    assert "Shifted: risk, classes" in page.text or "Shifted: classes, risk" in page.text
    assert "compared with: bundle" in page.text or "shifted" in page.text
    values = {
        (sample.name, *(sample.labels.get(label) for label in ("model", "measure"))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["hierattn_drifted", "model", "risk"] == 1
    assert values["hierattn_drift_index", "model", "risk"] > 0.25
    assert sum(state for state in watch.state().days.values()) == WINDOW + 1
