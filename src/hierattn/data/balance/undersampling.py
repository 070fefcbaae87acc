"""Under-sampling, §3.2.2: keep exactly the wanted number of images of a class, the easiest or any.

"Exactly" needs a rule for ties: a forest of 100 trees knows about a hundred answers, so that hundreds of images of a
large class are equally hard, and a cut at a percentile (imbalanced-learn's) keeps them all. Here ties are broken by
one shuffle of the images drawn from the seed. The order of the rows would be the wrong rule: in ISIC 2019 it is the
order of the clinics that the images came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, validate_data

from hierattn.data.balance.instance_hardness import CrossFitting, instance_hardness, make_learners
from hierattn.errors import DataError, HierAttnError, UsageError

Target = int | np.integer | Mapping[Any, int]
"""Images wanted of every class, or of each class by its label; a class that is not named stays as it is."""


def ranks(hardness: np.ndarray, labels: Sequence[Any] | np.ndarray, seed: int = 0) -> NDArray[np.int64]:
    """Each image's place within its class, 0 for the easiest; ties in the order of a shuffle drawn from ``seed``.

    Raises
    ------
    UsageError
        Where there is not one of each an image.

    >>> ranks(np.array([0.2, 0.9, 0.1]), ["NV", "NV", "NV"]).tolist()
    [1, 2, 0]
    """
    values, names = np.asarray(hardness), np.asarray(labels)
    if values.shape != names.shape or values.ndim != 1:
        raise UsageError(f"hardness {values.shape} and labels {names.shape}: wanted one of each an image")
    lot = np.random.default_rng(seed).permutation(len(values))
    place = np.empty(len(values), np.int64)
    for label in np.unique(names):
        own = np.flatnonzero(names == label)
        place[own[np.lexsort((lot[own], values[own]))]] = np.arange(len(own))
    return place


def keep_easiest(
    hardness: np.ndarray, labels: Sequence[Any] | np.ndarray, target: Target, seed: int = 0
) -> NDArray[np.int64]:
    """Row numbers, rising, of the easiest ``target`` images of every class; of all, where a class has no more.

    Parameters
    ----------
    hardness, labels
        (images,) each.
    target
        Images a class.
    seed
        Of the shuffle that breaks ties.

    >>> keep_easiest(np.array([0.2, 0.9, 0.1, 0.5]), ["NV", "NV", "NV", "DF"], target=2).tolist()
    [0, 2, 3]
    """
    wanted = _wanted(labels, target)
    return np.flatnonzero(ranks(hardness, labels, seed) < wanted)


def keep_random(labels: Sequence[Any] | np.ndarray, target: Target, seed: int = 0) -> NDArray[np.int64]:
    """Row numbers, rising, of ``target`` images of every class drawn from ``seed``, whatever their hardness."""
    return keep_easiest(np.zeros(len(labels)), labels, target, seed)


def _wanted(labels: Sequence[Any] | np.ndarray, target: Target) -> NDArray[np.int64]:
    """For each image, how many of its class are wanted."""
    names = np.asarray(labels)
    if not isinstance(target, int | np.integer | Mapping):
        raise UsageError(f"target {target!r}: wanted a whole number of images a class, or label -> images")
    each: Mapping[Any, Any] = target if isinstance(target, Mapping) else dict.fromkeys(names.tolist(), target)
    if set(each) - set(names.tolist()) or not all(_is_whole(wanted, 1) for wanted in each.values()):
        raise UsageError(f"target {dict(each)}: wanted 1 or more of classes that are there")
    return np.array([each.get(name, len(names)) for name in names.tolist()], np.int64)


def _is_whole(number: object, least: int) -> bool:
    """Whether it is a whole number, NumPy's included, of ``least`` or more."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool) and int(number) >= least


class SamplerError(DataError, ValueError):
    """Data or a parameter that the sampler cannot use; a ``ValueError`` too, as scikit-learn's callers expect."""


class InstanceHardnessSampler(BaseEstimator):
    """Under-sampling by instance hardness (Eq. 1) as a scikit-learn estimator, which imbalanced-learn's pipelines take.

    Unlike imbalanced-learn's ``InstanceHardnessThreshold`` it averages any number of learners, can keep groups
    together, and keeps exact counts: a percentile of tied probabilities keeps too many.

    Parameters
    ----------
    target
        Images a class, or label -> images; None: as many as the smallest class has.
    learners
        Name -> classifier; None: the paper's forest of 100 trees.
    folds
        Of the cross-fitting, 2 or more; each class needs as many images (or groups).
    random_state
        Of the forest, the folds and the ties.
    jobs
        Cores.

    Attributes
    ----------
    hardness_
        float64, (images,), of what was given.
    sample_indices_
        int64, rising: the rows that were kept.
    n_features_in_
        Columns of the features.

    Examples
    --------
    >>> features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    >>> labels = np.repeat(["NV", "MEL"], [40, 20])
    >>> few, few_labels = InstanceHardnessSampler(target=20).fit_resample(features, labels)
    >>> few.shape
    (40, 4)
    """

    def __init__(
        self,
        target: Target | None = None,
        *,
        learners: Mapping[str, Any] | None = None,
        folds: int = 5,
        random_state: int = 0,
        jobs: int = 1,
    ) -> None:
        self.target = target
        self.learners = learners
        self.folds = folds
        self.random_state = random_state
        self.jobs = jobs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | np.ndarray | None = None) -> Self:
        """Estimate hardness and choose the easiest.

        Parameters
        ----------
        X
            Features, (images, columns), finite.
        y
            Labels, (images,).
        groups
            (images,): no image is predicted by learners that saw its group; None: images are on their own.

        Raises
        ------
        SamplerError
            For a parameter out of range, or a class that is too small.
        """
        features, labels = (np.asarray(part) for part in validate_data(self, X, y, dtype="numeric"))
        check_classification_targets(labels)
        if groups is not None:
            check_consistent_length(labels, groups)
        try:
            self._check_parameters()
            seed = int(self.random_state)
            learners = self.learners or make_learners(["forest"], seed)
            fitting = CrossFitting(folds=int(self.folds), seed=seed, jobs=int(self.jobs))
            hardness = instance_hardness(features, labels, learners, fitting, groups=groups).values
            target = min(np.unique(labels, return_counts=True)[1]) if self.target is None else self.target
            kept = keep_easiest(hardness, labels, target, seed)
        except HierAttnError as error:
            raise SamplerError(str(error)) from None
        self.hardness_, self.sample_indices_ = hardness, kept
        return self

    def fit_resample(self, X: Any, y: Any, groups: Sequence[Any] | np.ndarray | None = None) -> tuple[Any, Any]:
        """:meth:`fit`, and the kept rows of ``X`` and of ``y``, each of the kind that came (an array, a data frame)."""
        self.fit(X, y, groups)
        return _safe_indexing(X, self.sample_indices_), _safe_indexing(y, self.sample_indices_)

    def _check_parameters(self) -> None:
        for name, least in (("folds", 2), ("jobs", 1), ("random_state", 0)):
            value = getattr(self, name)
            if not _is_whole(value, least):
                raise UsageError(f"{name}={value!r}: wanted a whole number, {least} or more")
        learners: object = self.learners
        if learners is not None and not (isinstance(learners, Mapping) and learners):
            raise UsageError(f"learners={learners!r}: wanted name -> classifier, or None for the paper's forest")
