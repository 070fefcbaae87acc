"""Wrong labels are found, right ones are left, for two classes and for sixty."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from hierattn.audit.label_errors import check_cleanlab, find_label_errors
from hierattn.errors import MissingPackageError


def test_without_cleanlab_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    with pytest.raises(MissingPackageError, match=r"cleanlab is not installed.*hierattn\[audit\]"):
        check_cleanlab()


def planted(classes: int, images: int, seed: int, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, labels of which a share is wrong, and answers of a network that knows the truth fairly well."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, images)
    wrong = generator.random(images) < noise
    labels = np.where(wrong, (truth + generator.integers(1, classes, images)) % classes, truth)
    logits = generator.normal(size=(images, classes)) + 5 * np.eye(classes)[truth]
    return truth, labels, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("classes", "images"), [(2, 300), (8, 600), (60, 3000)])
@pytest.mark.parametrize("seed", [0, 1])
def test_most_planted_errors_are_found_and_the_first_of_the_list_are_right(classes, images, seed):
    pytest.importorskip("cleanlab")
    truth, labels, probabilities = planted(classes, images, seed)
    errors = find_label_errors(labels, probabilities)
    wrong = np.flatnonzero(labels != truth)
    assert len(np.intersect1d(errors.likely, wrong)) >= 0.8 * len(wrong)
    first = errors.likely[: len(wrong) // 2]
    assert (labels[first] != truth[first]).mean() >= 0.95
    assert (errors.suggested[first] == truth[first]).mean() >= 0.9
    assert (np.diff(errors.scores[errors.likely]) >= 0).all()  # the likeliest first


def test_a_network_that_is_sure_and_right_finds_exactly_the_wrong_labels():
    pytest.importorskip("cleanlab")
    truth, labels, _ = planted(5, 400, 3)
    errors = find_label_errors(labels, np.eye(5)[truth])
    assert sorted(errors.likely.tolist()) == np.flatnonzero(labels != truth).tolist()
    assert (errors.suggested == truth).all()


def test_a_class_that_no_label_names_is_never_suggested():
    pytest.importorskip("cleanlab")
    truth, _, probabilities = planted(6, 300, 4)
    labels = np.where(truth == 2, 3, truth)
    errors = find_label_errors(labels, probabilities)
    assert 2 not in errors.suggested


@pytest.mark.parametrize("labels", [[], [1], [1, 1, 1]])
def test_with_one_class_or_none_there_is_nothing_to_confuse(labels):
    pytest.importorskip("cleanlab")
    probabilities = np.full((len(labels), 3), 1 / 3)
    assert len(find_label_errors(np.array(labels, np.int64), probabilities).likely) == 0
