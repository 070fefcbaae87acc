"""The page of left-out sources: every figure with its interval, every source, and nothing of it is markup of a name."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hierattn.errors import UsageError
from hierattn.evaluation.comparison.left_out_sources import FIGURES, Judged, LeftOutSource
from hierattn.evaluation.measures.intervals import Estimate
from hierattn.evaluation.pages.sources_page import (
    HEADINGS,
    JSON,
    PAGE,
    markdown_table,
    sources_figure,
    table_rows,
    write_sources,
)

UNKNOWN = Estimate(None, None)


def judged(value: float | None, images: int = 40) -> Judged:
    known = UNKNOWN if value is None else Estimate(value, (value - 0.1, value + 0.1))
    return Judged(
        images, 30, {"MEL": 10, "NV": images - 10}, {**dict.fromkeys(FIGURES, known), "melanoma_auc": UNKNOWN}
    )


NOTES = ("10 images left out.",)
SOURCES = [
    LeftOutSource("clinic <b>", ("clinical",), ("isic",), 50, judged(0.4), judged(0.7), judged(0.65), NOTES),
    LeftOutSource("isic", (), ("clinic <b>",), 40, judged(None), None, None),
]


def test_every_side_has_a_row_with_its_intervals() -> None:
    rows = table_rows(SOURCES)
    assert [row[:4] for row in rows] == [
        ["clinic <b>", "never seen", "40", "30"],
        ["clinic <b>", "by folds, same photographs", "40", "30"],
        ["clinic <b>", "its own sources, unseen fold", "40", "30"],
        ["isic", "never seen", "40", "30"],
    ]
    assert rows[0][4:] == ["0.400 (0.30 to 0.50)"] * 3 + ["–"]
    assert {len(row) for row in rows} == {len(HEADINGS)}
    text = markdown_table("title", SOURCES)
    assert "On clinic <b>, never seen, balanced accuracy is 0.400 (0.300 to 0.500); by folds it would be 0.650" in text
    assert "isic: nothing can be said" in text
    assert "- clinic <b>: 10 images left out." in text


def test_the_folder_is_whole_its_names_are_escaped_and_a_strangers_is_not_touched(tmp_path: Path) -> None:
    out = tmp_path / "sources"
    write_sources(out, "quick <i>", SOURCES, {"Recipe": "quick", "Fold that no run has seen": 0})
    page = (out / PAGE).read_text()
    assert "clinic &lt;b&gt;" in page
    assert "clinic <b>" not in page
    assert "quick &lt;i&gt;" in page
    values = json.loads((out / JSON).read_text())
    assert values["sources"][0]["judged"]["figures"]["macro_auc"] == {
        "value": 0.4,
        "interval": [0.30000000000000004, 0.5],
    }
    assert values["facts"]["Fold that no run has seen"] == 0
    with (out / "left_out_sources.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], row["photographs"]) for row in rows][-1] == ("isic", "judged")
    assert (rows[0]["macro_auc"], rows[0]["macro_auc_high"], rows[0]["melanoma_auc"]) == ("0.4", "0.5", "")
    write_sources(out, "again", SOURCES[:1], {})
    (out / "note.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"note\.txt"):
        write_sources(out, "again", SOURCES[:1], {})


def test_the_legend_is_whole_beside_sources_with_long_names() -> None:
    named = [replace(SOURCES[0], source=f"an_archive_of_dermoscopy_{year}") for year in range(2017, 2020)]
    figure = sources_figure(named)
    figure.draw_without_rendering()
    box = figure.axes[0].get_legend().get_window_extent()
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert box.y0 >= figure.axes[0].get_window_extent().y1
