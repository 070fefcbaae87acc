"""What is published under results/ follows from the predictions beside it, and shows no photograph."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

RESULTS = Path(__file__).resolve().parents[1] / "results"


@pytest.fixture(scope="module")
def publish():
    spec = importlib.util.spec_from_file_location("publish", RESULTS / "publish.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
