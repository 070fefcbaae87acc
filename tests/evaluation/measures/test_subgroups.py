"""Subgroups: the bands, the counts, the flag, and the largest gap among those that can be told."""

from dataclasses import replace

import numpy as np
import pytest
from prediction_tables import table

from hierattn import metrics
from hierattn.errors import UsageError
from hierattn.evaluation.cases import Case
from hierattn.evaluation.measures.calibration import fit_calibration, risk
from hierattn.evaluation.measures.subgroups import by_subgroups, value_of
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.built_in import EIGHT


def cases_of(predictions, **columns):
    return tuple(
        Case(name, **{key: values[row] for key, values in columns.items()})
        for row, name in enumerate(predictions.images)
    )


def test_figures_are_those_of_the_rows_alone():
    some = table(images=240, seed=3)
    sexes = np.array(["female", "male", ""])[np.arange(240) % 3]
    calibration = fit_calibration(table(images=120, seed=1), resamples=0)
    found = by_subgroups(some, cases_of(some, sex=sexes), calibration, resamples=100)
    assert list(found.attributes) == ["sex"]
    assert [row.name for row in found.attributes["sex"]] == ["female", "male", "unknown"]
    for row, sex in zip(found.attributes["sex"], ("female", "male", ""), strict=True):
        chosen = sexes == sex
        expected = metrics.balanced_accuracy(some.labels[chosen], some.probabilities[chosen])
        assert row.balanced_accuracy.value == pytest.approx(expected)
        assert row.images == chosen.sum()
        positive, scores = risk(some, calibration.temperature)
        due = positive & chosen
        assert row.referred.value == pytest.approx((scores[due] >= calibration.risk_threshold).mean())
        low, high = row.malignant_auc.interval
        assert low < row.malignant_auc.value < high


def test_the_largest_gap_is_found_and_never_among_the_few_or_the_unknown():
    labels = np.arange(200) % 2
    answers = labels.copy()
    answers[100:140] = 1 - answers[100:140]  # men: 40 of 96 wrong
    answers[196:] = 1 - answers[196:]  # four of another skin type, all wrong
    two, probabilities = EIGHT.subset(("MEL", "NV")), np.eye(2)[answers] * 0.8 + 0.1
    some = Predictions(tuple(map(str, range(200))), two, probabilities, labels, np.zeros(200), ("",) * 200)
    sexes = ["female"] * 100 + ["male"] * 100
    types = ["2"] * 98 + ["3"] * 98 + ["6"] * 4
    found = by_subgroups(some, cases_of(some, sex=sexes, skin_type=types), resamples=100)
    gap = found.largest_gap
    assert (gap.attribute, gap.worst, gap.best) == ("sex", "male", "female")
    assert gap.gap == pytest.approx(0.44)
    few = found.attributes["skin_type"][-1]
    assert (few.name, few.too_few, few.groups) == ("type 6", True, 4)


def test_ten_photographs_of_one_lesion_are_too_few():
    some = table(images=80)
    one = replace(some, groups=("a",) * 40 + ("b",) * 40)
    found = by_subgroups(one, cases_of(one, sex=["female"] * 40 + ["male"] * 40), resamples=100)
    assert all(row.too_few and row.groups == 1 for row in found.attributes["sex"])
    assert found.largest_gap is None


@pytest.mark.parametrize(
    ("case", "attribute", "expected"),
    [
        (Case("a", age="0"), "age", "0 to 19"),
        (Case("a", age="39.5"), "age", "20 to 39"),
        (Case("a", age="85"), "age", "80 or more"),
        (Case("a", age="old"), "age", "unknown"),
        (Case("a", age="nan"), "age", "unknown"),
        (Case("a", width=600, height=450), "image_size", "512 to 1023 pixels"),
        (Case("a", width=4000, height=10), "image_size", "2048 pixels or more"),
        (Case("a"), "image_size", "unknown"),
        (Case("a", skin_type="4"), "skin_type", "type 4"),
    ],
)
def test_bands(case, attribute, expected):
    assert value_of(case, attribute) == expected


def test_cases_of_other_images_are_refused():
    with pytest.raises(UsageError, match="same images"):
        by_subgroups(table(images=3), (Case("d.jpg"),), resamples=0)
