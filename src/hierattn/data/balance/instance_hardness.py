"""Instance hardness, Eq. (1) of §3.2.2: how far learners that never saw an image are from its label.

IH(x, y) = 1 - mean over the learners of the probability that they give to the true label (Smith et al. 2014). Every
probability is out-of-fold: five times, the learners are trained on four fifths of the images and predict the rest.
The paper's only learner is a random forest; any scikit-learn classifiers with ``predict_proba`` can stand beside it.

Two photographs of one lesion are close in every feature. If one is trained on while the other is predicted, the
second looks easy whatever its label. The folds are therefore grouped (by lesion, patient and near-duplicate) unless no
groups are given; the paper's are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import joblib
import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hierattn.data.array_cache import ArrayCache, digest_of
from hierattn.data.engines import Engine, run_in_waves
from hierattn.data.prepared_set.folds import MIN_FOLDS, make_folds
from hierattn.data.prepared_set.manifest import Record
from hierattn.errors import DataError, UsageError
from hierattn.progress import Progress, silent

DECIMALS = 9
"""Hardness is rounded to so many, so that threads that add in another order make no difference between images."""

LEARNERS: Mapping[str, Callable[[int], Any]] = MappingProxyType(
    {
        "forest": lambda seed: RandomForestClassifier(n_estimators=100, random_state=seed),
        "extra-trees": lambda seed: ExtraTreesClassifier(n_estimators=100, random_state=seed),
        "boosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
        "logistic": lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, random_state=seed)),
        "neighbours": lambda _: make_pipeline(StandardScaler(), KNeighborsClassifier(n_neighbors=25)),
        "bayes": lambda _: make_pipeline(StandardScaler(), GaussianNB()),
    }
)
"""Learners by name, each made from a seed. ``forest`` is the paper's (notes: 100 trees)."""


@dataclass(frozen=True, eq=False)
class Hardness:
    """What :func:`instance_hardness` finds, image by image.

    Attributes
    ----------
    values
        float64, (images,), in [0, 1]: 0 is an image to whose label every learner gives probability 1.
    probabilities
        Learner -> float64, (images,): its out-of-fold probability of the true label.
    folds
        int64, (images,): in which fold each image was predicted.
    """

    values: NDArray[np.float64]
    probabilities: Mapping[str, NDArray[np.float64]]
    folds: NDArray[np.int64]


@dataclass(frozen=True)
class CrossFitting:
    """How the learners are trained and asked.

    Attributes
    ----------
    folds
        The paper's implementation has 5.
    seed
        Of the folds. Each learner brings its own.
    jobs
        Cores. On this machine one learner at a time uses them all, so that one forest is in memory; on ``ray`` every
        fold of every learner is a task.
    engine
        ``threads``, ``processes`` or ``ray``, as :func:`hierattn.data.engines.run_in_waves` takes it.
    cache
        A folder where each fold's answers are saved as soon as they are there. A later call with the same inputs
        resumes from them.
    """

    folds: int = 5
    seed: int = 0
    jobs: int = 1
    engine: Engine = "threads"
    cache: Path | None = None


def make_learners(names: Sequence[str], seed: int) -> dict[str, Any]:
    """The learners of those names.

    Raises
    ------
    UsageError
        For no name, an unknown one, or one given twice.

    >>> list(make_learners(["forest", "bayes"], seed=0))
    ['forest', 'bayes']
    """
    wrong = [name for name in names if name not in LEARNERS]
    if wrong or not names or len(set(names)) < len(names):
        raise UsageError(f"learners {', '.join(names) or 'none'}: wanted some of {', '.join(LEARNERS)}, each once")
    return {name: LEARNERS[name](seed) for name in names}


def instance_hardness(
    features: np.ndarray,
    labels: Sequence[str] | np.ndarray,
    learners: Mapping[str, Any],
    fitting: CrossFitting | None = None,
    *,
    groups: Sequence[str] | np.ndarray | None = None,
    progress: Progress | None = None,
) -> Hardness:
    """Eq. (1) for every image.

    Parameters
    ----------
    features
        (images, columns), finite; float32 is used as it is, without a copy.
    labels
        (images,), of any kind that sorts.
    learners
        Name -> unfitted scikit-learn classifier with ``predict_proba``; :func:`make_learners` has some.
    fitting
        Folds, seed, and where the work runs; None: the defaults.
    groups
        (images,): images of one group are predicted by learners that saw none of it. None: images are on their own.
    progress
        Called with folds, counted over all learners, for the step ``hardness``.

    Returns
    -------
    Hardness
        The same bits for the same inputs, with any number of jobs.

    Raises
    ------
    UsageError
        For arrays of different lengths, no learner, or too few folds.
    DataError
        For features that are not finite, one class only, or a class with fewer groups than folds.

    >>> features = np.repeat(np.float32([[0], [1]]), 30, axis=0)
    >>> labels = np.repeat(["BCC", "NV"], 30)
    >>> hardness = instance_hardness(features, labels, make_learners(["forest"], seed=0))
    >>> float(hardness.values.max())
    0.0
    """
    labels, fitting, progress = np.asarray(labels), fitting or CrossFitting(), progress or silent
    _check(features, labels, groups, learners, fitting.folds)
    place = _folds_of(labels, groups, fitting.folds, fitting.seed)
    arrays = ArrayCache(fitting.cache and fitting.cache / digest_of(features, labels, place, sklearn.__version__))
    tasks = [(name, fold) for name in learners for fold in range(fitting.folds)]
    answers = {
        task: cached
        for task in tasks
        if (cached := arrays.load(_file_name(learners, task), _images_of(place, task))) is not None
    }
    missing = [task for task in tasks if task not in answers]
    predict = partial(_predict, features, labels, place, dict(learners))
    progress("hardness", len(answers), len(tasks))
    for task, answer in zip(missing, _answers(predict, missing, fitting), strict=True):
        arrays.save(_file_name(learners, task), answer)
        answers[task] = answer
        progress("hardness", len(answers), len(tasks))
    probabilities = {name: np.zeros(len(labels)) for name in learners}
    for (name, fold), answer in answers.items():
        probabilities[name][place == fold] = answer
    mean = np.mean(list(probabilities.values()), axis=0)
    return Hardness(np.round(1 - mean, DECIMALS) + 0.0, probabilities, place)  # + 0.0: never minus nought


def _check(features: np.ndarray, labels: np.ndarray, groups: Any, learners: Mapping[str, Any], folds: int) -> None:
    if features.ndim != 2 or len(features) != len(labels) or (groups is not None and len(groups) != len(labels)):
        count = "none" if groups is None else str(len(groups))
        raise UsageError(
            f"features {features.shape}, {len(labels)} labels, groups {count}: wanted (images, columns) and one label "
            "and one group an image"
        )
    if not learners:
        raise UsageError(f"no learner to estimate hardness: wanted one or more, of {', '.join(LEARNERS)} for instance")
    if folds < 2:
        raise UsageError(f"{folds} folds to estimate hardness: wanted 2 or more (the paper's implementation: 5)")
    if not all(np.isfinite(features[start : start + 4096]).all() for start in range(0, len(features), 4096)):
        raise DataError("features with nan or infinity: wanted finite numbers; extract them again")


def _folds_of(labels: np.ndarray, groups: Any, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold in which each image is predicted: stratified, and grouped where there are groups."""
    together: dict[Any, set[Any]] = {}
    for label, group in zip(labels.tolist(), range(len(labels)) if groups is None else list(groups), strict=True):
        together.setdefault(label, set()).add(group)
    fewest, label = min((len(groups_of), str(label)) for label, groups_of in together.items())
    if len(together) < 2:
        raise DataError(f"1 class, {label}, is all there is: hardness wants two classes or more")
    if fewest < folds:
        kind = "images" if groups is None else "groups (lesions or patients)"
        raise DataError(
            f"class {label} has {fewest} {kind} and hardness is estimated in {folds} folds: wanted at least one a "
            "fold; use fewer folds, or add images"
        )
    if groups is None:
        place = np.empty(len(labels), np.int64)
        shuffled = StratifiedKFold(folds, shuffle=True, random_state=seed)
        for fold, (_, rows) in enumerate(shuffled.split(np.zeros(len(labels)), labels)):
            place[rows] = fold
        return place
    if folds < MIN_FOLDS:
        raise UsageError(f"{folds} grouped folds to estimate hardness: wanted {MIN_FOLDS} or more")
    records = [
        Record(image=str(row), label=str(label), group=str(group))
        for row, (label, group) in enumerate(zip(labels, groups, strict=True))
    ]
    return np.array([record.fold for record in make_folds(records, folds, seed)], np.int64)


def _answers(
    predict: Callable[[tuple[str, int]], NDArray[np.float64]], tasks: list[tuple[str, int]], fitting: CrossFitting
) -> Iterator[NDArray[np.float64]]:
    if fitting.engine != "ray":  # one learner at a time, which shares out its own work over the cores
        for task in tasks:
            with joblib.parallel_config(backend="threading", n_jobs=fitting.jobs):
                answer = predict(task)
            yield answer
        return
    yield from run_in_waves(predict, tasks, engine=fitting.engine, jobs=fitting.jobs)


def _predict(
    features: np.ndarray,
    labels: np.ndarray,
    place: NDArray[np.int64],
    learners: Mapping[str, Any],
    task: tuple[str, int],
) -> NDArray[np.float64]:
    """One learner, one fold: the probability of the true label of every image in it."""
    name, fold = task
    held_out = place == fold
    learner = _untrained(learners[name]).fit(features[~held_out], labels[~held_out])
    probabilities = learner.predict_proba(features[held_out])
    column = {label: number for number, label in enumerate(learner.classes_.tolist())}
    true = [column[label] for label in labels[held_out].tolist()]
    return np.asarray(probabilities[np.arange(len(probabilities)), true], np.float64)


def _untrained(learner: Any) -> Any:
    """A copy, typed here: clone takes containers of learners too, and its answer is inferred as one of those."""
    return clone(learner)


def _images_of(place: NDArray[np.int64], task: tuple[str, int]) -> int:
    return int((place == task[1]).sum())


def _file_name(learners: Mapping[str, Any], task: tuple[str, int]) -> str:
    name, fold = task
    settings = sorted((key, str(value)) for key, value in learners[name].get_params(deep=True).items())
    return f"{name}-{digest_of(type(learners[name]).__name__, str(settings))}-fold-{fold}"
