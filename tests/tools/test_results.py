"""What is published under results/ follows from the predictions beside it, and shows no photograph."""

import importlib
import json
import re
import shutil
from pathlib import Path

import pytest
from tests.evaluation.comparison.test_comparison import judged_run

from hierattn.data.prepared_set.manifest import read_manifest
from hierattn.evaluation.comparison.comparison import compare
from hierattn.evaluation.comparison.entrant import read_contestant, run_folders
from hierattn.evaluation.comparison.page import write_comparison
from hierattn.evaluation.comparison.paper_numbers import TABLE_1
from hierattn.taxonomy import BY_CODE

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
FIGURE = re.compile(r"\b0\.\d{3} \(0\.\d{3} to [01]\.\d{3}\)")
"""A figure with its interval, as our tables print them."""


@pytest.fixture(scope="module")
def publish():
    return importlib.import_module("tools.results.publish")


@pytest.fixture(scope="module")
def headline():
    return importlib.import_module("tools.results.headline")


def test_every_published_figure_is_computed_again_from_its_predictions(publish):
    found = list(publish.published())
    assert found
    for folder, report in found:
        assert publish.differences(folder, report) == [], folder.name


def test_a_figure_that_was_changed_by_hand_is_found(publish):
    folder, report = next(publish.published())
    report = json.loads(json.dumps(report))
    report["balanced_accuracy"]["value"] += 0.01
    assert publish.differences(folder, report) == ["balanced_accuracy"]


def test_the_table_in_the_readme_is_the_one_that_the_script_makes(publish):
    assert publish.table() in (RESULTS / "README.md").read_text(encoding="utf-8")


def test_nothing_published_is_a_photograph_or_names_a_folder_of_a_machine():
    for path in RESULTS.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert path.suffix in {".csv", ".json", ".md", ".py", ".svg", ".toml"}, path
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".svg":
                assert "<image" not in text
            if path.suffix in {".csv", ".json"}:
                assert "/home/" not in text
                assert "../" not in text


def test_a_name_that_is_taken_is_refused_and_two_files_of_one_name_too(publish, tmp_path):
    with pytest.raises(SystemExit, match="exists"):
        publish.add(tmp_path, tmp_path)
    source = next(publish.published())[0] / "predictions.csv"
    doubled = tmp_path / "predictions.csv"
    shutil.copy(source, doubled)
    lines = doubled.read_text().splitlines()
    doubled.write_text("\n".join([*lines, "elsewhere/" + lines[1]]) + "\n")
    with pytest.raises(SystemExit, match="share a file name"):
        publish._copy_by_stem(doubled, tmp_path / "out.csv")


def test_a_published_run_names_no_folder_of_the_machine_that_made_it(publish, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(next(publish.published())[0], run / "evaluation")
    for name in ("recipe.toml", "environment.json", "log.csv"):
        shutil.move(run / "evaluation" / name, run / name)
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('checkpoint = ""', 'checkpoint = "/home/me/weights/net.npz"'))
    environment = run / "environment.json"
    command = "hierattn train x transfer.checkpoint=/home/me/weights/net.npz"
    environment.write_text(json.dumps({**json.loads(environment.read_text()), "command": command}))
    publish.add(run, tmp_path / "published")
    for name in ("recipe.toml", "environment.json"):
        text = (tmp_path / "published" / name).read_text()
        assert "/home/me" not in text
        assert "weights/net.npz" in text


# Comparisons.


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """(the folder of a comparison of two models in two folds, the runs that it was made of)."""
    base = tmp_path_factory.mktemp("compared")
    for name, skill, seed in (("good", 0.8, 1), ("poor", 0.4, 2)):
        for fold in range(2):
            judged_run(base / "runs" / name / f"fold-{fold}", fold, skill, seed, prefix=f"../{name}/images")
    contestants = [read_contestant(name, run_folders(base / "runs" / name)) for name in ("good", "poor")]
    found = compare(contestants, title="Two models", resamples=100, seed=5)
    write_comparison(base / "out", [found], [contestants])
    return base / "out", {name: [base / "runs" / name] for name in ("good", "poor")}


@pytest.fixture(scope="module")
def published_comparison(publish, compared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "comparison-two"
    publish.publish_comparison(compared[0], folder, compared[1])
    return folder


def test_a_published_comparison_says_what_the_comparison_said(published_comparison, compared):
    (found,) = json.loads((published_comparison / "comparison.json").read_text())["comparisons"]
    (wanted,) = json.loads((compared[0] / "comparison.json").read_text())["comparisons"]
    assert found["title"] == "Two models"
    assert found["bootstrap"] == wanted["bootstrap"]
    for row, other in zip(found["rows"], wanted["rows"], strict=True):
        for name in ("balanced_accuracy", "top1", "macro_auc", "malignant_auc"):
            assert row[name]["value"] == pytest.approx(other[name]["value"], abs=1e-6), name
            assert row[name]["interval"] == pytest.approx(other[name]["interval"], abs=1e-6), name
        assert (row["parameters"], row["paper"], row["of_folds"]) == (
            other["parameters"],
            other["paper"],
            pytest.approx(other["of_folds"]),
        )
    assert found["pairs"][0]["balanced_accuracy"]["p"] == wanted["pairs"][0]["balanced_accuracy"]["p"]


def test_a_published_comparison_is_computed_again_from_its_predictions(publish, published_comparison, tmp_path):
    assert publish.comparison_differences(published_comparison) == []
    copy = tmp_path / "copy"
    shutil.copytree(published_comparison, copy)
    table = copy / "comparison.md"
    table.write_text(table.read_text().replace("good", "best"))
    assert publish.comparison_differences(copy) == ["comparison.md"]
    predictions = copy / "predictions" / "poor-honest.csv"
    lines = predictions.read_text().splitlines()
    shutil.copy(copy / "predictions" / "good-honest.csv", predictions)
    assert predictions.read_text().splitlines() != lines
    assert "comparison.json" in publish.comparison_differences(copy)


def test_a_published_comparison_has_ids_drawings_and_no_photograph_or_path(published_comparison):
    files = [path for path in published_comparison.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".csv", ".json", ".md", ".svg"}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert "<image" not in text
        assert "../" not in text
        assert "/tmp/" not in text
    first = (published_comparison / "predictions" / "good-honest.csv").read_text().splitlines()[1]
    assert first.startswith("0_000,")


def test_other_runs_than_the_comparisons_own_are_refused(publish, compared, tmp_path):
    source, runs = compared
    exchanged = {"good": runs["poor"], "poor": runs["good"]}
    with pytest.raises(SystemExit, match="compare them again"):
        publish.publish_comparison(source, tmp_path / "comparison-x", exchanged)
    with pytest.raises(SystemExit, match="poor=RUN"):
        publish.publish_comparison(source, tmp_path / "comparison-x", {"good": runs["good"]})
    assert not (tmp_path / "comparison-x").exists()


def test_a_folder_that_is_taken_is_not_replaced(publish, compared, published_comparison):
    with pytest.raises(SystemExit, match="exists"):
        publish.publish_comparison(compared[0], published_comparison, compared[1])


def test_runs_are_named_one_by_one_or_by_their_folder(publish, tmp_path):
    for name in ("xs", "xs-paper", "v2"):
        (tmp_path / name).mkdir()
    assert publish.runs_by_name(["--runs", str(tmp_path)]) == {
        "v2": [tmp_path / "v2"],
        "xs": [tmp_path / "xs", tmp_path / "xs-paper"],
    }
    assert publish.runs_by_name(["a=x/y", "a=z"]) == {"a": [Path("x/y"), Path("z")]}
    with pytest.raises(SystemExit):
        publish.runs_by_name(["x/y"])


def test_a_published_comparison_is_drawn_and_written_again_from_its_predictions(
    publish, published_comparison, tmp_path
):
    copy = tmp_path / "copy"
    shutil.copytree(published_comparison, copy)
    wanted = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    shutil.rmtree(copy / "figures")
    (copy / "comparison.md").write_text("older words\n")
    publish.redraw(copy)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == wanted


def test_a_published_runs_figures_are_drawn_again_and_nothing_else_changes(publish, tmp_path):
    folder, report = next(publish.published())
    shutil.copytree(folder, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    shutil.rmtree(tmp_path / "run" / "figures")
    publish.redraw_run(tmp_path / "run", report)
    assert {path.name for path in (tmp_path / "run" / "figures").iterdir()} == {
        path.name for path in (folder / "figures").iterdir()
    }
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()} == before


def test_every_published_comparison_is_computed_again(publish):
    for folder in publish.published_comparisons(RESULTS):
        assert publish.comparison_differences(folder) == [], folder.name


# README's headline, and the picture.


def test_every_figure_with_an_interval_in_the_readmes_is_computed_and_none_is_typed_in(publish, headline):
    table, shown = publish.table(), headline.headline(RESULTS)
    for name, known in (("README.md", shown), ("results/README.md", table)):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(FIGURE.findall(text)) <= set(FIGURE.findall(known)), name


def test_the_headline_of_the_readme_is_the_one_that_the_script_makes(headline):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    if headline.BEGIN not in text:
        pytest.skip("README.md has no marks for the headline yet")
    assert f"{headline.BEGIN}\n\n{headline.headline(RESULTS)}\n{headline.END}" in text


def test_the_headline_shows_every_run_and_calls_only_the_released_ones_so(headline, tmp_path):
    report = json.loads(next(iter(headline.runs_of(RESULTS))).read_text(encoding="utf-8"))
    (tmp_path / "release.json").write_text(json.dumps({"models": {"dermoscopy": {"run": report["run"]}}}))
    shown = headline.headline(RESULTS, tmp_path)
    rows = [line for line in shown.splitlines() if line.startswith("| ") and "](" in line]
    assert len(rows) == len(list(headline.runs_of(RESULTS)))
    assert [f"{report['balanced_accuracy']['value']:.3f}" in row for row in rows if "released" in row] == [True]
    (tmp_path / "release.json").unlink()
    assert "released" not in headline.headline(RESULTS, tmp_path)


def test_the_headline_goes_between_its_marks_and_nothing_else_changes(headline, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{headline.BEGIN}\nformer words\n{headline.END}\nafter\n")
    assert headline.write_headline(RESULTS, readme)
    text = readme.read_text()
    assert text.startswith(f"before\n{headline.BEGIN}\n")
    assert text.endswith(f"{headline.END}\nafter\n")
    assert "former words" not in text
    readme.write_text("no marks\n")
    assert not headline.write_headline(RESULTS, readme)
    assert readme.read_text() == "no marks\n"


def test_the_picture_has_every_model_and_tells_the_papers_points_apart(headline, published_comparison, tmp_path):
    others = shutil.ignore_patterns("comparison-*")  # only the one below is looked at
    shutil.copytree(RESULTS / "isic2019-ham", tmp_path / "isic2019-ham", ignore=others)
    shutil.copytree(published_comparison, tmp_path / "isic2019-ham" / "comparison-two")
    kept = tmp_path / "isic2019-ham" / "comparison-two" / "comparison.json"
    found = json.loads(kept.read_text())
    alone = headline.points(tmp_path, "isic2019-ham")
    assert not [mark for mark in alone if mark.kind == "compared"]  # two variants of one model are an ablation
    found["comparisons"][0]["rows"][1]["model"] = "mobilenet_v2"
    kept.write_text(json.dumps(found))
    marks = headline.points(tmp_path, "isic2019-ham")
    rows = found["comparisons"][0]["rows"]
    assert [(mark.name, mark.value) for mark in marks if mark.kind == "compared"] == [
        (row["name"], row["balanced_accuracy"]["value"]) for row in rows
    ]
    paper = [mark for mark in marks if mark.kind == "paper"]
    assert [mark.value for mark in paper] == [pytest.approx(row.isic / 100) for row in TABLE_1.values()]
    assert all(mark.interval is None for mark in paper)


def test_runs_published_alone_that_are_compared_as_well_stand_in_the_picture_once(headline):
    folder = RESULTS / "isic2019-ham" / "comparison-released_160px"
    rows = json.loads((folder / "comparison.json").read_text())["comparisons"][0]["rows"]
    marks = headline.points(RESULTS, "isic2019-ham")
    for row in rows:
        assert [mark.kind for mark in marks if mark.value == row["balanced_accuracy"]["value"]] == ["alone"]


def test_the_pictures_that_are_kept_are_those_that_the_results_give(headline, tmp_path, monkeypatch):
    monkeypatch.setattr(headline, "FIGURES", str(tmp_path))
    headline.write_pictures(RESULTS)
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.svg")}
    assert drawn
    for name, text in drawn.items():
        kept = (RESULTS / "figures" / name).read_text(encoding="utf-8")
        words = [re.findall(r">([^<>]+)</text>", one) for one in (kept, text)]
        assert words[0] == words[1], name
        assert "does not compare" in text


# Splits and datasheets.


def test_published_folds_are_ids_and_folds_alone_and_are_not_replaced(publish, prepared, tmp_path):
    publish.add_splits(prepared, tmp_path / "splits.csv")
    lines = (tmp_path / "splits.csv").read_text().splitlines()
    assert lines[0] == "image,group,fold"
    assert len(lines) == 1 + len(read_manifest(prepared / "manifest.csv"))
    with pytest.raises(SystemExit, match="stay as they are"):
        publish.add_splits(prepared, tmp_path / "splits.csv")


@pytest.mark.parametrize("name", ["isic2019-ham", "pad-ufes-20"])
def test_published_folds_part_no_group(name):
    folds = {}
    for line in (RESULTS / name / "splits.csv").read_text().splitlines()[1:]:
        image, group, fold = line.split(",")
        assert "/" not in image
        assert folds.setdefault(group, fold) == fold


def test_a_datasheet_counts_what_the_prepared_set_holds(prepared, scripts):
    datasheet = importlib.import_module("tools.results.datasheet")
    records = read_manifest(prepared / "manifest.csv")
    text = datasheet.counts(records)
    assert f"{len(records):,} images, {len({record.group for record in records}):,} groups" in text
    for code in {record.label for record in records}:
        chosen = [record for record in records if record.label == code]
        groups = len({record.group for record in chosen})
        assert f"| {code} {BY_CODE[code].name} | {len(chosen)} | {groups} |" in text
    assert not [record.lesion for record in records if record.lesion and record.lesion in text]


def test_a_datasheet_tells_no_count_that_points_at_a_person(prepared, scripts):
    datasheet = importlib.import_module("tools.results.datasheet")
    record = read_manifest(prepared / "manifest.csv")[0]
    rows = datasheet._rows(datasheet.Counter({"back": 20, "lip": 2, datasheet.UNKNOWN: 3}))
    assert rows == ["| back | 20 |", "| 1 others together | under 5 |", f"| {datasheet.UNKNOWN} | 3 |"]
    assert record.image not in datasheet.counts([record])
