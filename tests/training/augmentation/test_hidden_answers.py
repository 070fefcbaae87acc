"""Answers are hidden as the recipe says, and so that a gap tells nothing of the class."""

from __future__ import annotations

import numpy as np
import torch

from hierattn.training.augmentation.hidden_answers import HiddenAnswers

LABELS = np.repeat([0, 1], 4000)
CODES = np.stack([np.ones(8000), np.where(np.arange(8000) % 4000 < 2400, 0, 2) * LABELS + (1 - LABELS)], axis=1)
"""The second question is unknown for 60 % of class 1 alone."""


def hidden(all_of: float, most: float, seed: int = 0) -> np.ndarray:
    rules = HiddenAnswers.of(CODES, LABELS, 2, all_of=all_of, most=most)
    generator = torch.Generator().manual_seed(seed)
    return rules.hide(torch.from_numpy(CODES.astype(np.float32)), torch.from_numpy(LABELS), generator).numpy()


def test_i_do_not_know_is_as_frequent_in_every_class() -> None:
    unknown = hidden(0.0, 0.0) == 0
    np.testing.assert_allclose(unknown[LABELS == 0].mean(0), [0, 0.6], atol=0.03)
    np.testing.assert_allclose(unknown[LABELS == 1].mean(0), [0, 0.6], atol=1e-9)


def test_all_answers_of_some_photographs_and_a_share_of_the_others_are_hidden() -> None:
    told = hidden(0.25, 0.5)[:, 0] > 0
    assert abs(told.mean() - 0.75 * 0.75) < 0.02  # a share up to a half of them: a quarter in the mean
    assert not hidden(1.0, 0.0).any()


def test_a_known_answer_is_told_as_it_is_and_the_seed_decides_which() -> None:
    some = hidden(0.1, 0.5)
    assert ((some == 0) | (some == CODES)).all()
    assert np.array_equal(some, hidden(0.1, 0.5))
    assert not np.array_equal(some, hidden(0.1, 0.5, seed=1))
