"""Features of a whole set: cached, and replaced by the caller's own."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hierattn.data.balance.balance import balance
from hierattn.data.balance.options import BalanceOptions
from hierattn.data.prepared_set.packed import HARDNESS, PackedSet
from hierattn.data.rendered.prepared import render_prepared
from hierattn.errors import UsageError

COUNTS = {"NV": 90, "MEL": 40, "DF": 26}


OPTIONS = BalanceOptions(target=30, fold=1, hardness_folds=3, pictures=False, jobs=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_prepared(tmp_path_factory.mktemp("balance") / "set", COUNTS, size=32, folds=4)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_features_of_ones_own_take_the_place_of_ours(source: Path) -> None:
    labels = [record.label for record in PackedSet.open(source).records]
    told = np.array([[label == code for code in sorted(COUNTS)] for label in labels], np.float32)
    balance(source, source.parent / "own", replace(OPTIONS, feature="told", features=told))
    hardness = [float(row["hardness"]) for row in table(source.parent / "own" / HARDNESS)]
    assert max(hardness) < 0.2  # the feature gives the label away
    with pytest.raises(UsageError, match="a row for each row of the prepared set"):
        balance(source, source.parent / "own2", replace(OPTIONS, features=told[:-1]))
