"""results/README.md and README.md show the figures that are published, and none is typed in."""

import re

from tools.results.headline import headline
from tools.results.page import comparison_tables, tables
from tools.results.published import RESULTS

ROOT = RESULTS.parent
FIGURE = re.compile(r"\b0\.\d{3} \(0\.\d{3} to [01]\.\d{3}\)")
"""A figure with its interval, as our tables print them."""


def test_the_table_in_the_readme_is_the_one_that_the_script_makes():
    assert tables() in (RESULTS / "README.md").read_text(encoding="utf-8")


def test_every_figure_with_an_interval_in_the_readmes_is_computed_and_none_is_typed_in():
    for name, computed in (("README.md", headline(RESULTS)), ("results/README.md", tables())):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(FIGURE.findall(text)) <= set(FIGURE.findall(computed)), name


def test_without_a_comparison_there_is_no_table_of_them(tmp_path):
    assert comparison_tables(tmp_path) == ""
