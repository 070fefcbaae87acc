"""The picture of accuracy against size: every model stands in it once, and the paper's points apart from ours."""

import json
import re
import shutil

import pytest
from tools.results.accuracy_size import points, write_pictures
from tools.results.published import COMPARISON, RESULTS

from hierattn.evaluation.comparison.paper_numbers import TABLE_1


def test_the_picture_has_every_model_and_the_papers_points_apart(published_comparison, tmp_path):
    others = shutil.ignore_patterns("comparison-*")  # only the one below is looked at
    shutil.copytree(RESULTS / "isic2019-ham", tmp_path / "isic2019-ham", ignore=others)
    shutil.copytree(published_comparison, tmp_path / "isic2019-ham" / "comparison-two")
    path = tmp_path / "isic2019-ham" / "comparison-two" / COMPARISON
    figures = json.loads(path.read_text())
    alone = points(tmp_path, "isic2019-ham")
    assert not [mark for mark in alone if mark.kind == "compared"]  # two variants of one model are an ablation
    figures["comparisons"][0]["rows"][1]["model"] = "mobilenet_v2"
    path.write_text(json.dumps(figures))
    marks = points(tmp_path, "isic2019-ham")
    rows = figures["comparisons"][0]["rows"]
    assert [(mark.name, mark.value) for mark in marks if mark.kind == "compared"] == [
        (row["name"], row["balanced_accuracy"]["value"]) for row in rows
    ]
    paper = [mark for mark in marks if mark.kind == "paper"]
    assert [mark.value for mark in paper] == [pytest.approx(row.isic / 100) for row in TABLE_1.values()]
    assert all(mark.interval is None for mark in paper)


def test_runs_published_alone_that_are_compared_as_well_stand_in_the_picture_once():
    folder = RESULTS / "isic2019-ham" / "comparison-released_160px"
    rows = json.loads((folder / COMPARISON).read_text())["comparisons"][0]["rows"]
    marks = points(RESULTS, "isic2019-ham")
    for row in rows:
        assert [mark.kind for mark in marks if mark.value == row["balanced_accuracy"]["value"]] == ["alone"]


def test_the_pictures_in_results_are_those_that_the_results_give(tmp_path):
    write_pictures(RESULTS, tmp_path)
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.svg")}
    assert set(drawn) == {path.name for path in (RESULTS / "figures").iterdir()}
    for name, text in drawn.items():
        published = (RESULTS / "figures" / name).read_text(encoding="utf-8")
        words = [re.findall(r">([^<>]+)</text>", picture) for picture in (published, text)]
        assert words[0] == words[1], name
        assert "does not compare" in text
