"""results/README.md and README.md show the figures that are published, and none is typed in."""

import csv
import gzip
import re

import numpy as np
from sklearn.metrics import recall_score
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


def test_of_a_source_with_rare_classes_the_frequent_ones_have_a_row_of_their_own():
    run = "two-sources/hierattn_xs_two_sources_grey_192px"
    with gzip.open(RESULTS / run / "predictions.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if (row["table"], row["source"]) == ("outer", "OTHER")]
    codes = list(rows[0])[2:-4]
    kept = [row for row in rows if row["label"] in ("BKL", "MEL", "NV")]
    answers = [max(codes, key=lambda code: float(row[code])) for row in kept]
    of_class = recall_score([row["label"] for row in kept], answers, labels=["BKL", "MEL", "NV"], average=None)
    found = tables().partition(f"[{run}]")[2].partition("– of it, OTHER: BKL, MEL, NV alone | ")[2]
    assert len(rows) > len(kept)
    assert found.startswith(f"{len(kept)} (")
    assert found.partition(" | ")[2].startswith(f"{np.mean(of_class):.3f} (")


def test_without_a_comparison_there_is_no_table_of_them(tmp_path):
    assert comparison_tables(tmp_path) == ""
