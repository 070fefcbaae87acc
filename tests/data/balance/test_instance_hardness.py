"""Eq. (1), against scikit-learn's own cross-validation; groups, determinism, and going on after a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.naive_bayes import GaussianNB

from hierattn.data.balance.instance_hardness import LEARNERS, CrossFitting, instance_hardness, make_learners
from hierattn.errors import DataError, UsageError


def clouds(seed: int = 0, sizes: tuple[int, ...] = (60, 40, 20)) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds of points, a class each, and the names of the classes."""
    generator = np.random.default_rng(seed)
    features = [generator.normal(2 * k, 1.5, (size, 4)) for k, size in enumerate(sizes)]
    labels = np.repeat(["BCC", "MEL", "NV"][: len(sizes)], sizes)
    return np.concatenate(features).astype(np.float32), labels


def small_forest() -> dict[str, Any]:
    return {"forest": RandomForestClassifier(10, random_state=0)}


def test_without_groups_it_is_scikit_learns_cross_validated_probability() -> None:
    features, labels = clouds()
    found = instance_hardness(
        features, labels, {"forest": RandomForestClassifier(20, random_state=3)}, CrossFitting(seed=5)
    )
    plan = StratifiedKFold(5, shuffle=True, random_state=5)
    forest = RandomForestClassifier(20, random_state=3)
    said = cross_val_predict(forest, features, labels, cv=plan, method="predict_proba")
    true = said[np.arange(len(labels)), np.searchsorted(np.unique(labels), labels)]
    np.testing.assert_allclose(found.values, 1 - true, atol=1e-9)


def test_several_learners_are_averaged() -> None:
    features, labels = clouds()
    learners = {"forest": RandomForestClassifier(10, random_state=0), "bayes": GaussianNB()}
    both = instance_hardness(features, labels, learners)
    alone = [instance_hardness(features, labels, {name: learners[name]}).values for name in learners]
    np.testing.assert_allclose(both.values, np.mean(alone, axis=0), atol=1e-8)
    assert list(both.probabilities) == ["forest", "bayes"]


def test_no_learner_judges_a_lesion_that_it_saw() -> None:
    features, labels = clouds()
    groups = [f"{label}{number // 3}" for number, label in enumerate(labels)]
    folds = instance_hardness(features, labels, small_forest(), groups=groups).folds
    assert len({(group, fold) for group, fold in zip(groups, folds.tolist(), strict=True)}) == len(set(groups))
    for label in np.unique(labels):
        assert set(folds[labels == label]) == set(range(5))


def test_a_mislabelled_photograph_looks_easy_only_where_its_twin_may_be_trained_on() -> None:
    """Why hardness is grouped: with a copy of itself in the training part, a wrong label is learnt by heart."""
    features, labels = clouds(sizes=(60, 60))
    features += np.repeat([[0.0], [8.0]], 60, axis=0).astype(np.float32)  # far apart: only a wrong label is hard
    features = np.repeat(features, 2, axis=0)
    labels = np.repeat(labels, 2)
    labels[:2] = "MEL"  # a BCC, both photographs wrong
    groups = [str(number // 2) for number in range(len(labels))]
    grouped = instance_hardness(features, labels, small_forest(), CrossFitting(seed=1), groups=groups).values
    plain = instance_hardness(features, labels, small_forest(), CrossFitting(seed=1))
    assert plain.folds[0] != plain.folds[1]
    assert grouped[:2].min() > 0.9
    assert plain.values[:2].max() < grouped[:2].min()


def test_the_number_of_jobs_and_the_engine_change_no_bit() -> None:
    features, labels = clouds()
    learners = small_forest() | make_learners(["logistic", "neighbours"], seed=0)
    one, many = (instance_hardness(features, labels, learners, CrossFitting(jobs=jobs)).values for jobs in (1, 3))
    np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize("name", list(LEARNERS))
def test_every_learner_finds_the_middle_of_a_cloud_easier_than_the_wrong_one(name: str) -> None:
    features, labels = clouds(sizes=(80, 80))
    features = features * 0.5
    labels[0] = "MEL"  # in the middle of the BCC
    values = instance_hardness(features, labels, make_learners([name], seed=0), CrossFitting(folds=2)).values
    assert ((values >= 0) & (values <= 1)).all()
    assert values[0] > np.quantile(values, 0.9)


class Brittle(ClassifierMixin, BaseEstimator):
    """Says the class shares; counts how often it learnt, and breaks at one of these."""

    learnt = 0
    breaks_at: int | None = None

    def fit(self, X: np.ndarray, y: np.ndarray) -> Brittle:
        if type(self).learnt == self.breaks_at:
            raise KeyboardInterrupt
        type(self).learnt += 1
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / counts.sum()
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.tile(self.shares_, (len(X), 1))


def test_a_stopped_judgement_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clouds()
    whole = instance_hardness(features, labels, {"brittle": Brittle()}).values
    monkeypatch.setattr(Brittle, "learnt", 0)
    monkeypatch.setattr(Brittle, "breaks_at", 3)
    with pytest.raises(KeyboardInterrupt):
        instance_hardness(features, labels, {"brittle": Brittle()}, CrossFitting(cache=tmp_path))
    monkeypatch.setattr(Brittle, "breaks_at", None)
    np.testing.assert_array_equal(
        instance_hardness(features, labels, {"brittle": Brittle()}, CrossFitting(cache=tmp_path)).values, whole
    )
    assert Brittle.learnt == 5  # three before the stop, two after it
    changed = np.where(np.arange(len(labels)) == 0, "NV", labels)
    instance_hardness(features, changed, {"brittle": Brittle()}, CrossFitting(cache=tmp_path))
    assert Brittle.learnt == 10  # another label: nothing that was kept is true any more


def test_a_damaged_file_is_judged_again(tmp_path: Path) -> None:
    features, labels = clouds()
    first = instance_hardness(features, labels, small_forest(), CrossFitting(cache=tmp_path)).values
    kept = sorted(tmp_path.rglob("*.npy"))
    assert len(kept) == 5
    kept[0].write_bytes(kept[0].read_bytes()[:40])
    np.testing.assert_array_equal(
        instance_hardness(features, labels, small_forest(), CrossFitting(cache=tmp_path)).values, first
    )


def test_what_cannot_be_judged_is_told_in_one_line() -> None:
    features, labels = clouds()
    with pytest.raises(DataError, match=r"class NV has 4 groups .* estimated in 5 folds"):
        instance_hardness(features, labels, small_forest(), groups=[str(k // 5) for k in range(120)])
    with pytest.raises(DataError, match="1 class, BCC, is all there is"):
        instance_hardness(features[:60], labels[:60], small_forest())
    with pytest.raises(DataError, match="nan or infinity"):
        instance_hardness(np.where(np.arange(120)[:, None] == 7, np.nan, features), labels, small_forest())
    with pytest.raises(UsageError, match="one label and one group an image"):
        instance_hardness(features, labels[:-1], small_forest())
    with pytest.raises(UsageError, match="wanted some of forest"):
        make_learners(["oracle"], 0)
