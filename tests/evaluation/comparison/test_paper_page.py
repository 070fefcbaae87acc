"""The paper's tables, filled: every printed figure is there, ours in their columns, and what is missing says so."""

import json
import re

import pytest
from noise_runs import make_set
from reports import evaluated_run

from hierattn.errors import DataError, UsageError
from hierattn.evaluation.comparison.comparison import compare
from hierattn.evaluation.comparison.entrant import read_entrant
from hierattn.evaluation.comparison.page import write_comparison
from hierattn.evaluation.comparison.paper_numbers import ABLATIONS, TABLE_1
from hierattn.evaluation.comparison.paper_page import write_paper_page


def rows_of(page, title):
    """The cells of a section's table."""
    section = page.split(f"<h2>{title}")[1].split("</table>")[0]
    return [
        [
            re.sub("<[^>]+>", "", cell).strip()
            for cell in re.findall(r"<t[hd] role=\"(?:rowheader|cell)\".*?</t[hd]>", row)
        ]
        for row in section.split("<tr")[2:]
    ]


@pytest.fixture
def folder(tmp_path):
    for protocol, skill in (("honest", 0.6), ("paper", 0.9)):
        evaluated_run(tmp_path / "runs" / protocol, 0, skill, protocol=protocol)
    sides = [[read_entrant("hierattn_xs", [tmp_path / "runs" / name])] for name in ("honest", "paper")]
    comparisons = [compare(side, resamples=100) for side in sides]
    write_comparison(tmp_path / "out" / "table1", comparisons, sides)
    pair = [read_entrant(name, [tmp_path / "runs" / "honest"]) for name in ("on", "off")]
    variants = compare(pair, paper=ABLATIONS["skip"], resamples=100)
    write_comparison(tmp_path / "out" / "ablation-skip", [variants], [pair], ablation="skip")
    make_set(tmp_path / "out" / "prepared")
    return tmp_path / "out"


def test_ours_stand_beside_the_papers_in_their_columns(folder):
    page = write_paper_page(folder).read_text()
    table = {row[0]: row for row in rows_of(page, "Table 1, Fig. 7: ISIC 2019")}
    assert set(table) == {row.title for row in TABLE_1.values()}
    for paper in TABLE_1.values():
        assert f"{paper.isic:.2f}" in table[paper.title]
    honest, by_paper = json.loads((folder / "table1" / "comparison.json").read_text())["comparisons"]
    ours = table["HierAttn_xs"]
    assert ours[1:3] == ["1.08", "1.08"]
    assert ours[6] == f"{100 * by_paper['rows'][0]['top1']['value']:.2f}"
    assert ours[7].startswith(f"{100 * honest['rows'][0]['top1']['value']:.2f} (")
    assert table["HierAttn_s"][6:] == ["–", "–"]
    skip = rows_of(page, "Table 6")
    assert [row[:2] for row in skip] == [["without skip", "96.47"], ["skip", "96.70"]]
    assert skip[0][3] == ours[7]
    assert "not measured yet" in page.split("<h2>Table 4")[1].split("</section>")[0].lower()
    assert "1 of 10 folds" in page
    assert "73" in rows_of(page, "§3.1")[0]  # the set's images


def test_table_3_is_of_the_networks_themselves(folder):
    rows = rows_of(write_paper_page(folder).read_text(), "Table 3")
    for row in rows:
        assert (row[3], row[5]) == (row[4], row[6]), row[0]
        assert row[1] in ("not printed", "8×8", row[2]), row[0]


def test_times_are_read_from_the_benchmark_and_not_from_anything_else(folder):
    row = {"model": "hierattn_xs", "runtime": "pytorch", "mean_ms": 12.3456, "batch": 1, "threads": 1}
    timing = {"rounds": 7, "size": 32, "machine": "x86_64", "rows": [row]}
    (folder / "inference.json").write_text(json.dumps(timing))
    page = write_paper_page(folder).read_text()
    assert {row[0]: row[4] for row in rows_of(page, "Table 1")}["HierAttn_xs"] == "12.346"
    assert "the mean of 7 iterations (the paper: 1000)" in page
    for wrong in ("", "{}", '{"rows": [{"median_ms": 1}]}'):
        (folder / "inference.json").write_text(wrong)
        with pytest.raises(DataError, match="measure again"):
            write_paper_page(folder)


def test_a_folder_without_results_or_with_damaged_ones_is_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="holds no comparison"):
        write_paper_page(tmp_path / "empty")
    (folder / "table1" / "comparison.json").write_text('{"comparisons": []}')
    assert write_paper_page(folder).is_file()  # the ablation is left
    (folder / "table1" / "comparison.json").write_text('{"comparisons": [{}]}')
    with pytest.raises(DataError, match="run the same command again"):
        write_paper_page(folder)
