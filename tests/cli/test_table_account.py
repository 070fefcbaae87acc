"""``prepare --table``: what is understood is shown before it is used, and a dry run writes nothing."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from tiny_sets import folder_set, write_image, write_table

from hierattn.data.prepared_set.packed import PackedSet

QUICK = ("--size", 32, "--crop", "none", "--no-near-duplicates", "--jobs", 1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clinic") / "photos"
    for number in range(24):
        write_image(folder / f"IMG_{number:03}.png", number)
    return folder


def table(
    path: Path, fold=lambda number: (number // 3) % 4, label=lambda number: ["Melanoma", "naevus"][number % 2]
) -> Path:
    rows = [(f"img_{k:03}", label(k), f"P{k // 3}", "mf"[k % 2], fold(k)) for k in range(24)]
    return write_table(path, ("file", "diagnosis", "patient", "gender", "part"), rows, encoding="utf-16")


def manifest(out: Path) -> list[dict[str, str]]:
    with (out / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_dry_run_shows_columns_classes_and_counts_and_writes_nothing(hierattn, photos, tmp_path):
    labels = table(tmp_path / "labels.csv")
    done = hierattn(
        "prepare", photos, tmp_path / "out", "--table", labels, "--label-column", "Diagnosis", "--dry-run", "--folds", 3
    )
    assert done.code == 0, done.err
    for words in ("as asked", "by its name", "melanoma", "'naevus' 12", "24 by path, name or id", "8 patients"):
        assert words in done.out
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_own_classes_are_prepared_with_a_template_that_can_say_more(hierattn, photos, tmp_path):
    labels, out = (
        table(tmp_path / "labels.csv", label=lambda number: ["Lupus", "Tinea", "scabies"][number % 3]),
        tmp_path / "out",
    )
    words = ("prepare", photos, out, "--table", labels, "--folds", 3, *QUICK)
    shown = hierattn(*words, "--dry-run")
    assert "OUT-taxonomy.toml" in shown.out
    assert not out.exists()
    done = hierattn(*words)
    assert done.code == 0, done.err
    assert PackedSet.open(out).taxonomy.codes == ("Lupus", "scabies", "Tinea")
    template = tmp_path / "out-taxonomy.toml"
    said = re.sub(r"# refer = .*", "refer = true", template.read_text())
    (tmp_path / "own.toml").write_text(said.replace('code = "Tinea"', 'code = "TIN"\naliases = ["Tinea"]', 1))
    done = hierattn(*words, "--overwrite", "--taxonomy", tmp_path / "own.toml")
    assert done.code == 0, done.err
    assert PackedSet.open(out).taxonomy.triage_group == {"Lupus", "scabies", "TIN"}
    assert {row["label"] for row in manifest(out)} == {"Lupus", "scabies", "TIN"}


def test_a_dry_run_in_json_is_the_account_and_nothing_else(hierattn, photos, tmp_path):
    labels = table(tmp_path / "labels.csv", label=lambda number: number % 3)
    done = hierattn("prepare", photos, tmp_path / "out", "--table", labels, "--dry-run", "--json")
    account = json.loads(done.out)
    assert done.code == 1
    assert account["rows"] == 24
    assert "numbers for labels" in account["problems"][0]


def test_a_class_with_too_few_lesions_for_the_folds_is_a_problem_of_the_dry_run(hierattn, photos, tmp_path):
    labels = table(tmp_path / "labels.csv", label=lambda number: "MEL" if number < 6 else "NV")
    words = ("prepare", photos, tmp_path / "out", "--table", labels, "--dry-run", "--folds")
    assert hierattn(*words, 3).code == 1
    assert "Problem: " in hierattn(*words, 3).out


def test_the_table_is_prepared_as_it_was_understood(hierattn, photos, tmp_path):
    labels, out = table(tmp_path / "labels.csv"), tmp_path / "out"
    words = ("prepare", photos, out, "--table", labels, "--folds", 3, *QUICK)
    done = hierattn(*words)
    assert done.code == 0, done.err
    first = done.out.splitlines()[0]
    assert "image = file (by its name), label = diagnosis (by its name), patient = patient (by its name)" in first
    rows = manifest(out)
    assert {(row["image"][-11:], row["label"], row["patient"], row["sex"]) for row in rows} == {
        (f"IMG_{k:03}.png", ["MEL", "NV"][k % 2], f"P{k // 3}", ["male", "female"][k % 2]) for k in range(24)
    }
    places = {row["patient"]: set() for row in rows}
    for row in rows:
        places[row["patient"]].add(row["fold"])
    assert {len(folds) for folds in places.values()} == {1}
    assert "nothing was done" in hierattn(*words).out
    assert PackedSet.open(out).info["notes"][0] == first
    again = hierattn(*words[:5], "--patient-column", "none", *words[5:])
    assert again.code == 2
    assert "another" in again.err


def test_a_fold_column_gives_the_folds_as_they_stand(hierattn, photos, tmp_path):
    labels, out = table(tmp_path / "labels.csv"), tmp_path / "out"
    done = hierattn("prepare", photos, out, "--table", labels, "--fold-column", "part", *QUICK)
    assert done.code == 0, done.err
    assert {(row["image"][-7:-4], row["fold"]) for row in manifest(out)} == {
        (f"{k:03}", str((k // 3) % 4)) for k in range(24)
    }


def test_a_fold_column_that_parts_a_patient_is_refused(refused, photos, tmp_path):
    labels = table(tmp_path / "labels.csv", fold=lambda number: number % 3)
    line = refused(1, "prepare", photos, tmp_path / "out", "--table", labels, "--fold-column", "part", *QUICK, "--json")
    assert "patient P0 is in the folds '0'" in line
    assert not (tmp_path / "out").exists()


def test_one_of_several_sources_may_have_a_table(hierattn, photos, tmp_path):
    other = folder_set(tmp_path / "other", {"MEL": 4, "NV": 4})
    labels, out = table(tmp_path / "labels.csv"), tmp_path / "out"
    done = hierattn("prepare", photos, other, out, "--table", f"photos={labels}", "--folds", 3, *QUICK)
    assert done.code == 0, done.err
    rows = manifest(out)
    assert {(row["source"], row["own_label"]) for row in rows} >= {("photos", "Melanoma"), ("photos", "naevus")}
    assert sum(row["source"] == "other" for row in rows) == 8


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--sheet", "x"), "a column or a sheet without --table"),
        (("--label-column", "x"), "a column or a sheet without --table"),
        (("--table", "TABLE", "--column", "colour=x"), "wanted ROLE=NAME with one of image"),
        (("--table", "TABLE", "--column", "age"), "wanted ROLE=NAME"),
        (("--table", "TABLE", "--fold-column", "part", "--column", "fold=part"), "wanted one column for fold"),
        (("--table", "TABLE", "--layout", "folder"), "wanted one of them"),
        (("--table", "TABLE", "--image-column", "fil"), "no column 'fil'"),
        (("--table", "TABLE", "--sheet", "x"), "no workbook"),
    ],
)
def test_options_that_do_not_fit_are_one_line(refused, photos, tmp_path, words, says):
    labels = table(tmp_path / "labels.csv")
    given = [labels if word == "TABLE" else word for word in words]
    assert says in refused(2, "prepare", photos, tmp_path / "out", *given)


def test_two_sources_of_folds_are_refused(refused, photos, tmp_path):
    labels = table(tmp_path / "labels.csv")
    splits = write_table(tmp_path / "splits.csv", ("image", "fold"), [(f"IMG_{k:03}", k % 3) for k in range(24)])
    words = ("--table", labels, "--fold-column", "part", "--splits", splits, "--json")
    assert "wanted one of them" in refused(2, "prepare", photos, tmp_path / "out", *words)
