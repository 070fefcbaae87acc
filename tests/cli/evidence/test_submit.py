"""The command submit: a checked file for a folder of test photographs, its score, and one line for what is wrong."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from small_bundles import write_small_bundle
from typer.testing import CliRunner

from hierattn import Predictor
from hierattn.cli.main import app
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.errors import UsageError


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    base = tmp_path_factory.mktemp("submit")
    folder, rng = base / "test", np.random.default_rng(0)
    folder.mkdir()
    for number in range(4):
        Image.fromarray(render_lesion("NV", rng, size=160).image).save(folder / f"ISIC_{number:07}.png")
    Image.fromarray(np.zeros((160, 160, 3), np.uint8)).save(folder / "ISIC_0000004.png")  # unfit, and wanted as well
    return write_small_bundle(base / "model.onnx"), folder


def ask(*words):
    return CliRunner().invoke(app, ["submit", *map(str, words)])


def test_every_photograph_has_a_row_with_the_predictors_answer_and_what_is_missing_is_said(judged, tmp_path):
    bundle, folder = judged
    out = tmp_path / "sub.csv"
    done = ask(folder, "--challenge", "isic2019", "--model", bundle, "--out", out)
    assert done.exit_code == 0, done.output
    assert "5 rows in the form of isic2019" in done.stdout
    assert "wants 8,238 rows" in done.stdout
    predictor = Predictor.load(bundle, threads=1)
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [f"ISIC_{number:07}" for number in range(5)]
    for row in rows:
        answer = predictor(folder / f"{row['image']}.png").probabilities
        assert float(row["MEL"]) == pytest.approx(answer["MEL"], abs=1e-9)
        assert float(row["AK"]) == pytest.approx(answer["ACK"], abs=1e-9)
    assert ask(folder, "-c", "isic2019", "--model", bundle, "--out", out).exit_code != 0


def test_the_score_on_published_truth_is_in_the_json(judged, tmp_path):
    bundle, folder = judged
    truth = tmp_path / "truth.csv"
    predictor = Predictor.load(bundle, threads=1)
    answered = [predictor(folder / f"ISIC_{number:07}.png").label for number in range(5)]
    right = [{"ACK": "AKIEC", "SCC": "AKIEC"}.get(code, code) for code in answered]
    columns = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    rows = [[f"ISIC_{n:07}", *(float(code == column) for column in columns)] for n, code in enumerate(right)]
    with truth.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", *columns), *rows])
    done = ask(folder, "-c", "isic2018", "-m", bundle, "-o", tmp_path / "s.csv", "--truth", truth, "--json")
    told = json.loads(done.stdout)
    assert (told["rows"], told["wanted"], told["scored"]) == (5, 1512, 5)
    assert told["balanced_accuracy"] == 1


def test_what_is_wrong_is_one_line_before_anything_is_answered(judged, tmp_path):
    bundle, folder = judged
    for words, said in (
        ((folder, "-c", "isic2017"), "wanted one of isic2018"),
        ((tmp_path / "none", "-c", "isic2020", "-o", tmp_path / "a.csv"), "no folder"),
        ((tmp_path, "-c", "isic2020", "-o", tmp_path / "a.csv"), "no photograph"),
        ((folder, "-c", "milk10k", "-o", tmp_path / "a.csv", "--truth", bundle), "not public"),
        ((folder, "-c", "milk10k", "-o", tmp_path / "a.csv"), "folder of its lesion"),
    ):
        refused = ask(*words, "-m", bundle)
        assert isinstance(refused.exception, UsageError), words
        assert said in str(refused.exception)
