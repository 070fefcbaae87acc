"""How ``hierattn crossval`` reads its folds; what it trains is in tests/training/cross_validation."""

import pytest

from hierattn.cli.crossval import parse_folds
from hierattn.errors import UsageError


@pytest.mark.parametrize(("text", "folds"), [("all", None), ("0-3", [0, 1, 2, 3]), ("0,2, 5-6", [0, 2, 5, 6])])
def test_folds_are_parsed(text, folds):
    assert parse_folds(text) == folds


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "0;1", "1--2"])
def test_a_wrong_list_of_folds_is_an_error(text):
    with pytest.raises(UsageError, match="--folds"):
        parse_folds(text)
