"""The paper's numbers, against the registry and the paper's own text."""

import pytest

from hierattn.evaluation.comparison.paper_numbers import ABLATIONS, TABLE_1, paper_accuracy
from hierattn.models.registry import SPECS, list_models


def test_the_papers_table_agrees_with_the_registry_and_its_text():
    assert set(TABLE_1) <= set(list_models())
    for name, row in TABLE_1.items():
        assert SPECS[name].paper_parameters == row.parameters
        assert SPECS[name].title == row.title
    # The gains that the text states: Tables 2, 5, 6 and 4.
    gains = {
        what: rows.get("on", rows.get("sc")).isic - rows.get("off", rows.get("none")).isic
        for what, rows in ABLATIONS.items()
        if what != "balance"
    }
    assert gains == pytest.approx({"attention": 0.5, "warmup": 0.42, "stochastic-depth": 0.65, "skip": 0.23})
    assert paper_accuracy(TABLE_1["hierattn_s"], "ham10000") == 0.967
    assert paper_accuracy(None, "ham10000") is None
