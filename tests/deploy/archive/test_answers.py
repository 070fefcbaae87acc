"""A table of answers beside an archive: checked before any photograph is read, used as a single photograph's are."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_bundles import write_small_bundle
from small_checkpoints import ASKED, write_asking_bundle
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.archive import archive
from hierattn.deploy.archive.answers import read_batch_answers
from hierattn.deploy.archive.archive import ArchiveOptions, predict_archive
from hierattn.deploy.predict.predictor import Predictor
from hierattn.errors import TableError, UsageError

FILES = ["0.png", "b/1.png", "2.png"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asking") / "asking.onnx"
    write_asking_bundle(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    (folder / "b").mkdir(parents=True)
    for number, file in enumerate(FILES):
        Image.fromarray(render_lesion("MEL", np.random.default_rng(number), 200).image).save(folder / file)
    return folder


def table_of(folder: Path, text: str) -> Path:
    path = folder / "answers.csv"
    path.write_text(text, encoding="utf-8")
    return path


def read_rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_unknown_and_empty_cells_are_not_asked(tmp_path):
    answers = table_of(tmp_path, "file,Age,grew,site\n0.png,54.0,unknown,\n2.png,NA,Yes,Face\n")
    assert read_batch_answers(answers, ASKED, FILES) == {
        "0.png": {"age": "54"},
        "2.png": {"grew": "yes", "site": "face"},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,grew\n0.png,yes\n9.png,no\n", "rows that match no photograph in line 3: wanted the path below"),
        ("file,grew\n0.png,yes\n0.png,no\n", "a photograph's second row in line 3: wanted one row a photograph"),
        ("file,grew,itch\n0.png,yes,no\n", r"columns that this model does not ask \(itch\): wanted file, and some of"),
        ("file,grew\n0.png,maybe\n2.png,maybe\n", r"answer grew=maybe: wanted yes, no or unknown \(lines 2, 3\)"),
        ("file,age\n0.png,540\n", r"answer age=540: wanted a number from 0 to 120 years, or unknown \(line 2\)"),
        ("file\n0.png\n", "too few columns: wanted file, and some of age"),
        ("photo,grew\n0.png,yes\n", r"columns that this model does not ask \(photo\): wanted file"),
        ("file,grew,Grew\n0.png,yes,no\n", "a column twice"),
        ("file,grew\n,yes\n", "no file in line 2"),
        ("", "--answers: .*answers.csv"),
        ("file,grew\n9.png,maybe\n9.png,no\n", "second row in line 3.*match no photograph in lines 2, 3.*grew=maybe"),
    ],
)  # fmt: skip
def test_each_mistake_gets_one_line_before_any_photograph_is_read(bundle, photos, tmp_path, monkeypatch, text, said):
    monkeypatch.setattr(archive, "_rows", None)  # whatever reads photographs would fail
    with pytest.raises(UsageError, match=said) as error:
        predict_archive(photos, tmp_path / "t.csv", bundle, ArchiveOptions(answers=table_of(tmp_path, text)))
    assert "\n" not in str(error.value)
    assert ".png" not in str(error.value).replace("b/1.png", "")  # a file's name may be a person's
    assert not list(tmp_path.glob("t.csv*"))


def test_a_model_that_asks_nothing_takes_no_answers(photos, tmp_path):
    silent = write_small_bundle(tmp_path / "silent.onnx")
    answers = table_of(tmp_path, "file,grew\n0.png,yes\n")
    with pytest.raises(UsageError, match="this model asks nothing"):
        predict_archive(photos, tmp_path / "t.csv", silent, ArchiveOptions(answers=answers))
    with pytest.raises(UsageError, match="asks neither age nor sex"):
        predict_archive(photos, tmp_path / "t.csv", silent, ArchiveOptions(answers_from_header=True))


def test_rows_have_the_answers_used_and_both_results_as_one_photograph_has(bundle, photos, tmp_path):
    answers = table_of(photos, "file;grew;age\nb/1.png;yes;54\n2.png;;unknown\n")  # in the archive, and no photograph
    predict_archive(photos, tmp_path / "t.csv", bundle, ArchiveOptions(answers=answers, jobs=2))
    rows = {row["file"]: row for row in read_rows(tmp_path / "t.csv")}
    assert set(rows) == set(FILES)
    predictor = Predictor.load(bundle, threads=1)
    for file, row in rows.items():
        given = {"age": "54", "grew": "yes"} if file == "b/1.png" else {}
        mine = predictor(photos / file, answers=given)
        assert row["answers"] == ("age=54 grew=yes" if given else "")
        assert (row["header_answers"], row["from_header"]) == ("", "no")
        assert (row["advice"], row["label"]) == (mine.advice.level, mine.label)
        assert float(row["risk"]) == pytest.approx(mine.risk, abs=1e-6)
        if given:
            assert (row["photo_advice"], float(row["photo_risk"])) == (
                mine.photo_alone.advice.level, pytest.approx(mine.photo_alone.risk, abs=1e-6),
            )  # fmt: skip
            shares = {code: float(row[f"photo_p_{code}"]) for code in mine.probabilities}
            assert shares == pytest.approx(mine.photo_alone.probabilities, abs=1e-6)
        else:
            assert not any(row[name] for name in row if name.startswith("photo_"))


def test_new_rows_of_answers_resume_and_changed_ones_are_noticed(bundle, photos, tmp_path):
    table, options = tmp_path / "t.csv", ArchiveOptions(answers=table_of(tmp_path, "file,grew\n0.png,yes\n"))
    predict_archive(photos, table, bundle, options)
    before = table.read_bytes()
    Image.open(photos / "0.png").save(photos / "3.png")
    table_of(tmp_path, "file,grew\n0.png,yes\n3.png,no\n")  # of a photograph that has no row yet
    assert predict_archive(photos, table, bundle, options).total() == 1
    assert table.read_bytes().startswith(before)
    assert read_rows(table)[-1]["answers"] == "grew=no"
    before = table.read_bytes()
    for changed in ("file,grew\n0.png,no\n3.png,no\n", "file,grew\n3.png,no\n", "file,grew\n2.png,no\n0.png,yes\n"):
        table_of(tmp_path, changed)
        with pytest.raises(TableError, match=r"row \d was answered with other answers"):
            predict_archive(photos, table, bundle, options)
    with pytest.raises(TableError, match="made with from_header no, this is yes"):
        predict_archive(photos, table, bundle, ArchiveOptions(answers_from_header=True))
    assert table.read_bytes() == before


def test_headers_answer_in_batches_where_allowed_and_after_the_table(bundle, tmp_path):
    pytest.importorskip("pydicom")
    from dicom_files import dicom_bytes

    folder = tmp_path / "archive"
    folder.mkdir()
    image = render_lesion("MEL", np.random.default_rng(0), 200).image
    for name in ("a.dcm", "b.dcm"):
        (folder / name).write_bytes(dicom_bytes(image, PatientAge="054Y"))
    answers = table_of(tmp_path, "file,age\nb.dcm,30\n")

    def told(*options: str) -> list[tuple[str, str]]:
        table = tmp_path / f"{len(options)}.csv"
        words = ["predict", "--batch", str(folder), "--out", str(table), "-m", str(bundle), "--jobs", "1", *options]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        return [(row["answers"], row["header_answers"]) for row in read_rows(table)]

    assert told() == [("", ""), ("", "")]
    assert told("--answers-from-header") == [("", "age=54"), ("", "age=54")]
    assert told("--answers-from-header", "--answers", str(answers)) == [("", "age=54"), ("age=30", "")]
