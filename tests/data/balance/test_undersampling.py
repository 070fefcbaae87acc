"""Under-sampling: exact counts, the stated tie-break, and imbalanced-learn's sampler on the same probabilities."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import InstanceHardnessThreshold
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from hierattn.data.balance.undersampling import (
    InstanceHardnessSampler,
    SamplerError,
    keep_easiest,
    keep_random,
    ranks,
)
from hierattn.errors import HierAttnError, UsageError


def clouds(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], [120, 80, 30])
    return generator.normal(labels[:, None], 1.0, (230, 5)), labels


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("abc")), min_size=1, max_size=60),
    st.integers(1, 20),
    st.integers(0, 5),
)
def test_counts_are_exact_and_nothing_dropped_is_easier_than_anything_kept(
    images: list[tuple[int, str]], target: int, seed: int
) -> None:
    hardness = np.array([value / 9 for value, _ in images])
    labels = np.array([label for _, label in images])
    kept = keep_easiest(hardness, labels, target, seed)
    assert (np.diff(kept) > 0).all()
    for label, count in Counter(labels.tolist()).items():
        own = np.flatnonzero(labels == label)
        chosen = np.intersect1d(own, kept)
        assert len(chosen) == min(count, target)
        dropped = np.setdiff1d(own, chosen)
        assert not len(dropped) or hardness[chosen].max() <= hardness[dropped].min()


def test_ties_are_broken_by_the_seed_and_not_by_the_order_of_rows() -> None:
    hardness, labels = np.zeros(1000), ["NV"] * 1000
    one, again, other = (keep_easiest(hardness, labels, 500, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert 200 < len(np.intersect1d(one, other)) < 300  # 250 by chance
    assert 200 < (one < 500).sum() < 300


def test_ranks_run_from_the_easiest_of_each_class() -> None:
    assert ranks(np.array([0.5, 0.1, 0.9, 0.3]), ["a", "b", "a", "a"]).tolist() == [1, 0, 2, 0]


def test_random_keeps_exact_counts_too_and_each_image_as_often() -> None:
    labels = ["NV"] * 10 + ["DF"] * 3
    often = np.zeros(13)
    for seed in range(400):
        kept = keep_random(labels, 4, seed)
        assert len(kept) == 7
        often[kept] += 1
    assert (often[10:] == 400).all()
    assert np.abs(often[:10] - 160).max() < 50  # five standard deviations


def test_classes_can_have_targets_of_their_own() -> None:
    kept = keep_easiest(np.arange(6.0), list("aaabbb"), {"a": 1}, seed=0)
    assert kept.tolist() == [0, 3, 4, 5]
    with pytest.raises(UsageError, match="wanted 1 or more of classes that are there"):
        keep_easiest(np.arange(2.0), ["a", "a"], {"b": 1})


def test_imbalanced_learn_keeps_ours_and_those_that_tie_with_the_last() -> None:
    """The same probabilities: its percentile cut keeps our exact number and more, ours among them."""
    features, labels = clouds()
    seed, target = 4, {0: 50, 1: 40}
    neighbours = KNeighborsClassifier(10)  # draws nothing, so that both see the same answers: eleven of them
    cutter = InstanceHardnessThreshold(estimator=neighbours, sampling_strategy=target, random_state=seed, cv=5)
    cutter.fit_resample(features, labels)
    ours = InstanceHardnessSampler(target, learners={"neighbours": neighbours}, random_state=seed)
    ours.fit_resample(features, labels)
    theirs = set(cutter.sample_indices_.tolist())
    for label, wanted in target.items():
        own = np.flatnonzero(labels == label)
        mine = np.intersect1d(own, ours.sample_indices_)
        assert len(mine) == wanted
        kept = np.array([row for row in own if row in theirs])
        assert len(kept) >= wanted
        assert set(mine.tolist()) <= theirs
        extra = np.setdiff1d(kept, mine)  # only images exactly as hard as our hardest
        assert (ours.hardness_[extra] == ours.hardness_[mine].max()).all()
    assert len(theirs) > len(ours.sample_indices_)  # there were ties here, so the difference was seen


def test_the_sampler_works_by_itself_as_scikit_learns_do() -> None:
    features, labels = clouds()
    small = {"forest": RandomForestClassifier(10, random_state=0)}
    sampler = clone(InstanceHardnessSampler(30, learners=small, random_state=1))
    few, few_labels = sampler.fit_resample(features, labels)
    assert Counter(few_labels.tolist()) == {0: 30, 1: 30, 2: 30}
    np.testing.assert_array_equal(few, features[sampler.sample_indices_])
    assert sampler.hardness_.shape == (230,)
    kept = np.isin(np.arange(230), sampler.sample_indices_)
    assert sampler.hardness_[kept & (labels == 0)].max() <= sampler.hardness_[~kept & (labels == 0)].min()


FOREST = {"forest": RandomForestClassifier(5, random_state=0)}
EXPECTED_FAILURES = {
    "check_fit2d_1feature": "one of its classes has 3 images, and each class needs as many images as there are folds",
}


@pytest.mark.filterwarnings("ignore")  # of one check for another
@pytest.mark.parametrize("folds", [5, 2])
def test_scikit_learns_own_checks_pass(folds):
    expected = EXPECTED_FAILURES if folds > 3 else {}
    sampler = InstanceHardnessSampler(learners=FOREST, folds=folds)
    results = check_estimator(sampler, expected_failed_checks=expected, on_skip=None)
    statuses = {result["check_name"]: result["status"] for result in results}
    assert {name for name, status in statuses.items() if status == "xfail"} == set(expected)
    assert list(statuses.values()).count("passed") > 35


@pytest.mark.parametrize("target", [30, np.int64(30), np.uint8(30), {0: 30, 1: np.int32(30)}, None])
def test_counts_of_every_integer_type_are_exact(target):
    features, labels = clouds()
    _, few = InstanceHardnessSampler(target, learners=FOREST).fit_resample(features, labels)
    assert Counter(few.tolist()) == {0: 30, 1: 30, 2: 30}


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"target": 0}, "target"),
        ({"target": True}, "target"),
        ({"target": 30.0}, "target"),
        ({"target": "auto"}, "target"),
        ({"target": {0: 0}}, "target"),
        ({"target": {9: 5}}, "target"),
        ({"folds": 1}, "folds=1"),
        ({"folds": 2.5}, "folds=2.5"),
        ({"jobs": 0}, "jobs=0"),
        ({"random_state": None}, "random_state=None"),
        ({"learners": {}}, "learners={}"),
        ({"learners": KNeighborsClassifier()}, "learners="),
        ({"folds": 31}, "class 2 has 30 images"),
    ],
)
def test_a_wrong_parameter_is_refused_when_it_fits_and_not_before(parameters, word):
    features, labels = clouds()
    sampler = InstanceHardnessSampler(**{"learners": FOREST, **parameters})
    assert sampler.get_params()[next(iter(parameters))] == next(iter(parameters.values()))
    for method in (sampler.fit, sampler.fit_resample):
        with pytest.raises(SamplerError, match=word) as refused:
            method(features, labels)
    assert isinstance(refused.value, ValueError)
    assert isinstance(refused.value, HierAttnError)
    assert not hasattr(sampler, "sample_indices_")


def test_fit_chooses_the_rows_that_fit_resample_keeps():
    features, labels = clouds()
    fitted = InstanceHardnessSampler(learners=FOREST).set_params(target=20, folds=3)
    assert fitted.fit(features, labels) is fitted
    few, _ = clone(fitted).fit_resample(features, labels)
    np.testing.assert_array_equal(few, features[fitted.sample_indices_])
    assert fitted.n_features_in_ == 5


def test_groups_are_never_judged_by_learners_that_saw_them():
    features, labels = clouds()
    groups = np.arange(230) // 2
    apart = InstanceHardnessSampler(learners=FOREST).fit(features, labels)
    together = InstanceHardnessSampler(learners=FOREST).fit(features, labels, groups=groups)
    assert (apart.hardness_ != together.hardness_).any()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        InstanceHardnessSampler(learners=FOREST).fit(features, labels, groups=groups[1:])


def test_data_frames_and_lists_come_back_as_they_came():
    pandas = pytest.importorskip("pandas")
    features, labels = clouds()
    frame = pandas.DataFrame(features, columns=list("abcde"))
    sampler = InstanceHardnessSampler(20, learners=FOREST)
    few, few_labels = sampler.fit_resample(frame, pandas.Series(labels, name="label"))
    assert list(few.columns) == list("abcde") == sampler.feature_names_in_.tolist()
    assert few.index.tolist() == few_labels.index.tolist() == sampler.sample_indices_.tolist()
    rows, names = sampler.fit_resample(features.tolist(), labels.tolist())
    assert isinstance(rows, list)
    assert Counter(names) == {0: 20, 1: 20, 2: 20}


def test_it_balances_inside_imbalanced_learns_pipeline_and_only_where_it_fits():
    features, labels = clouds()
    pipeline = make_pipeline(
        StandardScaler(), InstanceHardnessSampler(25, learners=FOREST), RandomForestClassifier(5, random_state=0)
    )
    pipeline.fit(features, labels)
    assert len(pipeline[1].sample_indices_) == 75
    assert len(pipeline.predict(features)) == 230  # nothing is dropped from what is predicted
    assert cross_val_score(pipeline, features, labels, cv=3).shape == (3,)
    assert pipeline.set_params(instancehardnesssampler__target=10).fit(features, labels)[1].sample_indices_.size == 30
