"""What a set holds, on the screen, before it is prepared."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_sets import folder_set, isic_set, pad_set


def test_a_dry_run_of_folders_shows_layout_classes_and_what_follows(hierattn, tmp_path: Path) -> None:
    photos = folder_set(tmp_path / "photos", {"benign": 6, "malignant": 4})
    done = hierattn("prepare", photos, tmp_path / "out", "--dry-run", "--folds", 3)
    assert done.code == 0, done.err
    for words in ("folder", "benign", "10 images are 10 groups", "malignant needs a doctor", "Nothing was written"):
        assert words in done.out
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_a_dry_run_of_several_sources_shows_how_labels_are_mapped_and_json_holds_it_all(
    hierattn, tmp_path: Path
) -> None:
    isic_set(tmp_path / "isic", ["MEL", "NV"] * 4)
    pad_set(tmp_path / "pad", ["MEL", "NEV"] * 4)
    words = ("prepare", tmp_path / "isic", tmp_path / "pad", tmp_path / "out", "--dry-run", "--folds", 3)
    shown = hierattn(*words)
    assert shown.code == 0, shown.err
    for said in ("isic2019", "pad-ufes-20", "clinical", "NEV"):
        assert said in shown.out
    seen = json.loads(hierattn(*words, "--json").out)
    assert [source["labels"] for source in seen["sources"]] == [
        {"MEL": {"MEL": 4}, "NV": {"NV": 4}},
        {"MEL": {"MEL": 4}, "NEV": {"NV": 4}},
    ]
    assert seen["problems"] == []
    assert "per_fold" not in seen["classes"]["MEL"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["isic", "pad"]


def test_problems_end_a_dry_run_with_exit_code_1(hierattn, tmp_path: Path) -> None:
    photos = folder_set(tmp_path / "photos", {"benign": 6, "malignant": 2})
    done = hierattn("prepare", photos, tmp_path / "out", "--dry-run", "--folds", 3)
    assert done.code == 1
    assert "Problem: " in done.out
    assert "1 to be put right first" in done.out


def test_own_classes_are_those_of_the_folders_whatever_they_are_called(hierattn, tmp_path: Path) -> None:
    photos, out = folder_set(tmp_path / "photos", {"MEL": 4, "NV": 4, "flea_bite": 4}), tmp_path / "out"
    words = ("prepare", photos, out, "--folds", 3, "--size", 32, "--no-near-duplicates", "--taxonomy", "own")
    shown = hierattn(*words, "--dry-run", "--json")
    done = hierattn(*words, "--json")
    assert (shown.code, done.code) == (0, 0), done.err
    codes = [each["code"] for each in json.loads(done.out)["taxonomy"]["classes"]]
    assert codes == [each["code"] for each in json.loads(shown.out)["taxonomy"]["classes"]]
    assert sorted(codes) == ["MEL", "NV", "flea_bite"]
    assert (tmp_path / "out-taxonomy.toml").is_file()
    assert any("nothing is said of which classes need a doctor" in note for note in json.loads(done.out)["notes"])
