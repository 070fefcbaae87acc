"""The folder of a comparison: everything is there, and nothing of others is replaced."""

import csv

import pytest

from hierattn.errors import UsageError
from hierattn.evaluation.comparison.page import write_comparison
from hierattn.evaluation.comparison.tables import markdown_table
from hierattn.files import CONTENTS


def test_everything_is_written_and_the_papers_column_is_beside_ours(entrants, comparison, tmp_path):
    write_comparison(tmp_path / "out", [comparison], [entrants])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"comparison.csv", "comparison.md", "comparison.json", "comparison.html", "pairs.csv", "figures",
                     CONTENTS}  # fmt: skip
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["good", "poor", "same"]
    assert {row["paper_accuracy"] for row in rows} == {"0.9615"}
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "default-src 'none'" in page
    assert "good is better than poor" in page
    assert "96.15" in markdown_table(comparison)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("keep")
    with pytest.raises(UsageError, match=r"thesis\.txt, which is not part of a comparison"):
        write_comparison(tmp_path / "mine", [comparison], [entrants])
