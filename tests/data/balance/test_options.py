"""Options out of range are refused before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hierattn.data.balance.balance import balance
from hierattn.data.balance.options import BalanceOptions
from hierattn.data.rendered.prepared import render_prepared
from hierattn.errors import UsageError

COUNTS = {"NV": 90, "MEL": 40, "DF": 26}


OPTIONS = BalanceOptions(target=30, fold=1, hardness_folds=3, pictures=False, jobs=1)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_prepared(tmp_path_factory.mktemp("balance") / "set", COUNTS, size=32, folds=4)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"protocol": "bold"}, "protocol 'bold': wanted honest or paper"),
        ({"under_sampling": "none"}, "wanted hardness or random"),
        ({"engine": "spark"}, "wanted threads or processes or ray"),
        ({"target": 0}, "target 0: wanted 1 or more"),
        ({"fold": 4}, "the manifest has folds 0 to 3"),
        ({"feature": "sift"}, "wanted one of colour-texture, pixels"),
        ({"learners": ("oracle",)}, "wanted some of forest"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_written(
    source: Path, tmp_path: Path, wrong: dict[str, object], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        balance(source, tmp_path / "out", replace(OPTIONS, **wrong))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
