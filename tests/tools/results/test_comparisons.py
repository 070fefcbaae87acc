"""A published comparison says what the comparison said, follows from its predictions, and shows no photograph."""

import json
import shutil

import pytest
from tools.results.comparisons import draw_published, publish_comparison, recomputed
from tools.results.prediction_tables import PREDICTIONS, read_tables, write_tables
from tools.results.publish import comparison_differences
from tools.results.published import COMPARISON, ENTRANTS, published_comparisons


def test_a_published_comparison_says_what_the_comparison_said(published_comparison, compared):
    (comparison,) = json.loads((published_comparison / COMPARISON).read_text())["comparisons"]
    (wanted,) = json.loads((compared[0] / COMPARISON).read_text())["comparisons"]
    assert comparison["title"] == "Two models"
    assert comparison["bootstrap"] == wanted["bootstrap"]
    for row, other in zip(comparison["rows"], wanted["rows"], strict=True):
        for name in ("balanced_accuracy", "top1", "macro_auc", "malignant_auc"):
            assert row[name]["value"] == pytest.approx(other[name]["value"], abs=1e-6), name
            assert row[name]["interval"] == pytest.approx(other[name]["interval"], abs=1e-6), name
        assert (row["parameters"], row["paper"], row["of_folds"]) == (
            other["parameters"],
            other["paper"],
            pytest.approx(other["of_folds"]),
        )
    assert comparison["pairs"][0]["balanced_accuracy"]["p"] == wanted["pairs"][0]["balanced_accuracy"]["p"]


def test_a_published_comparison_is_computed_again_from_its_predictions(published_comparison, tmp_path):
    assert comparison_differences(published_comparison) == []
    copy = tmp_path / published_comparison.name
    shutil.copytree(published_comparison, copy)
    figures = json.loads((copy / COMPARISON).read_text())
    figures["comparisons"][0]["rows"][0]["top1"]["value"] += 0.01
    (copy / COMPARISON).write_text(json.dumps(figures))
    assert comparison_differences(copy) == [COMPARISON]
    shutil.copy(published_comparison / COMPARISON, copy / COMPARISON)
    assert comparison_differences(copy) == []
    tables = read_tables(copy / PREDICTIONS)
    write_tables(copy / PREDICTIONS, {**tables, "poor-honest": tables["good-honest"]})
    assert comparison_differences(copy) == [COMPARISON]


def test_predictions_that_are_published_already_are_named_and_not_written_again(compared, published_comparison):
    folder = published_comparison.with_name("comparison-twice")
    publish_comparison(compared[0], folder, compared[1])
    try:
        assert not (folder / PREDICTIONS).exists()
        (side,) = json.loads((folder / ENTRANTS).read_text())["sides"]
        assert [entrant["predictions"] for entrant in side["entrants"]] == [
            "comparison-two/good-honest",
            "comparison-two/poor-honest",
        ]
        assert recomputed(folder) == recomputed(published_comparison)
    finally:
        shutil.rmtree(folder)


def test_a_published_comparison_has_ids_drawings_and_no_photograph_or_path(published_comparison, tmp_path):
    draw_published(published_comparison, tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".csv", ".md", ".svg"}
    for path in [*files, published_comparison / COMPARISON, published_comparison / ENTRANTS]:
        text = path.read_text(encoding="utf-8")
        assert "<image" not in text
        assert "../" not in text
        assert "/tmp/" not in text
    assert read_tables(published_comparison / PREDICTIONS)["good-honest"].images[0] == "0_000"


def test_other_runs_than_the_comparisons_own_are_refused(compared, tmp_path):
    source, runs = compared
    exchanged = {"good": runs["poor"], "poor": runs["good"]}
    with pytest.raises(SystemExit, match="compare them again"):
        publish_comparison(source, tmp_path / "comparison-x", exchanged)
    with pytest.raises(SystemExit, match="poor=RUN"):
        publish_comparison(source, tmp_path / "comparison-x", {"good": runs["good"]})
    assert not (tmp_path / "comparison-x").exists()


def test_a_folder_that_is_taken_is_not_replaced(compared, published_comparison):
    with pytest.raises(SystemExit, match="exists"):
        publish_comparison(compared[0], published_comparison, compared[1])


def test_a_published_comparison_is_drawn_and_written_as_the_command_does(compared, published_comparison, tmp_path):
    wanted = {path.name: path.read_bytes() for path in published_comparison.iterdir()}
    draw_published(published_comparison, tmp_path)
    drawn = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert drawn == {
        "comparison.csv", "pairs.csv", "comparison.md", "figures/accuracy_parameters.svg", "figures/roc.svg"
    }  # fmt: skip
    for name in ("comparison.csv", "pairs.csv", "comparison.md"):
        assert (tmp_path / name).read_text() == (compared[0] / name).read_text(), name
    assert {path.name: path.read_bytes() for path in published_comparison.iterdir()} == wanted


def test_every_published_comparison_is_computed_again():
    folders = list(published_comparisons())
    assert folders
    for folder in folders:
        assert comparison_differences(folder) == [], folder.name
