"""Which labels are likely wrong: confident learning, by cleanlab.

For each class, cleanlab takes the mean probability that photographs of that label get for it as the mark of a confident
answer. A photograph that passes another class's mark is counted for that pair of classes; the counts say how many
labels of each class are wrong, and the photographs least sure of their own label are named. So a network that is
too sure, or unsure of a rare class, is measured by its own habits.

References
----------
Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70, 2021.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from hierattn.errors import require

EXTRA = "audit"


@dataclass(frozen=True)
class LabelErrors:
    """What confident learning says of N labels.

    Attributes
    ----------
    likely
        Places of the labels that are likely wrong, the likeliest first.
    suggested
        The most probable class of those that the set has, int64 (N,).
    scores
        The probability of the label as given, 0 to 1, (N,).
    """

    likely: np.ndarray
    suggested: np.ndarray
    scores: np.ndarray


def check_cleanlab() -> None:
    """Raise where cleanlab is not installed; to be asked before any work."""
    require("cleanlab", EXTRA)


def find_label_errors(labels: np.ndarray, probabilities: np.ndarray) -> LabelErrors:
    """Rank labels by how likely they are wrong.

    Parameters
    ----------
    labels
        Index of each given class, (N,).
    probabilities
        Out-of-fold, (N, C). Classes that no label names are left out, and the others made to sum to 1 again.

    Raises
    ------
    MissingPackageError
        Where cleanlab is not installed.

    Notes
    -----
    With fewer than two classes among the labels there is nothing to confuse, and none is likely wrong.
    """
    check_cleanlab()
    from cleanlab.filter import find_label_issues

    present, places = np.unique(labels, return_inverse=True)
    among = np.maximum(probabilities[:, present], 1e-12)
    among /= among.sum(axis=1, keepdims=True)
    rows = np.arange(len(labels))
    suggested = present[among.argmax(axis=1)] if len(labels) else np.zeros(0, np.int64)
    scores = among[rows, places] if len(labels) else np.zeros(0)
    likely = np.zeros(0, np.int64)
    if len(present) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a class of one or two photographs loses none of them
            # of cleanlab's ways to choose, the one that misses fewest among many classes (docs/lab-notes.md)
            ranked = find_label_issues(
                places, among, return_indices_ranked_by="self_confidence", filter_by="prune_by_class", n_jobs=1
            )
        likely = np.asarray(ranked, np.int64)
        likely = likely[suggested[likely] != labels[likely]]
    return LabelErrors(likely, suggested, scores)
