"""Cases with truth: answers by column, photographs by the bundle, and nothing of another bundle or seen before."""

import csv
import hashlib

import numpy as np
import pytest
from PIL import Image
from small_bundles import BUNDLE, write_small_bundle

from hierattn import Predictor
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.archive.archive import ArchiveOptions, predict_archive
from hierattn.deploy.home_cases import SEEN, UNFIT, read_cases
from hierattn.deploy.predict.photo_file import digest_of
from hierattn.errors import TableError
from hierattn.models.weights.trained_on import TrainedOn, digests_of

CODES = BUNDLE.classes


@pytest.fixture
def bundle(tmp_path):
    return write_small_bundle(tmp_path / "model.onnx")


@pytest.fixture
def photos(tmp_path):
    """Twelve photographs of skin and one that is black, in a folder."""
    rng, folder = np.random.default_rng(0), tmp_path / "photos"
    folder.mkdir()
    for number in range(12):
        Image.fromarray(render_lesion("NV", rng, size=200).image).save(folder / f"p{number:02}.png")
    Image.fromarray(np.zeros((200, 200, 3), np.uint8)).save(folder / "p12.png")
    return folder


def write(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(table, bundle, seen=None, **more):
    predictor = Predictor.load(bundle, threads=1)
    return read_cases(table, predictor.bundle, digest_of(bundle.read_bytes()), predictor, seen, **more)


def test_photographs_get_the_predictors_answers_and_unfit_ones_have_no_part(bundle, photos):
    rows = [(f"p{number:02}.png", ("nevus", "MEL")[number % 2], number // 2) for number in range(13)]
    table = write(photos / "cases.csv", ("image", "truth", "patient_id"), rows)
    told = []
    home = read(table, bundle, progress=lambda step, done, total: told.append((done, total)))
    predictor = Predictor.load(bundle, threads=1)
    fit = [row for row in rows if not predictor(photos / row[0]).unfit]
    assert home.left_out == {UNFIT: 13 - len(fit)}
    assert len(fit) >= 10
    for row, answer in zip(fit, home.answers.probabilities, strict=True):
        np.testing.assert_array_equal(answer, list(predictor(photos / row[0]).probabilities.values()))
    assert [CODES[label] for label in home.answers.labels] == [{"nevus": "NV"}.get(row[1], row[1]) for row in fit]
    assert len(np.unique(home.answers.group_numbers)) == len({row[2] for row in fit})
    assert home.sha256 == hashlib.sha256(table.read_bytes()).hexdigest()
    assert told[-1] == (13, 13)


def test_a_batchs_table_with_a_column_of_truth_gives_the_same_cases(bundle, photos, tmp_path):
    out = tmp_path / "answers.csv"
    predict_archive(photos, out, str(bundle), ArchiveOptions(jobs=1))
    with out.open(newline="", encoding="utf-8") as file:
        rows = [{**row, "truth": ("NV", "MEL", "")[number % 3]} for number, row in enumerate(csv.DictReader(file))]
    rows[0]["label"] = "DF"  # what was answered is no truth
    write(out, rows[0].keys(), [row.values() for row in rows])
    home = read(out, bundle)
    predictor = Predictor.load(bundle, threads=1)
    kept = [row for row in rows if row["truth"] and row["advice"] != "retake"]
    assert home.left_out["without truth"] == 4
    assert [CODES[label] for label in home.answers.labels] == [row["truth"] for row in kept]
    for row, answer in zip(kept, home.answers.probabilities, strict=True):
        own = list(predictor(photos / row["file"]).probabilities.values())
        np.testing.assert_allclose(answer, own, atol=2e-6)  # six digits
    rows[1]["bundle"] = "f" * 64
    write(out, rows[0].keys(), [row.values() for row in rows])
    with pytest.raises(TableError, match="has the answers of ffff"):
        read(out, bundle)


def test_photographs_that_the_weights_have_seen_are_left_out(bundle, photos):
    table = write(photos / "cases.csv", ("image", "truth"), [(f"p{n:02}.png", ("NV", "MEL")[n % 2]) for n in range(12)])
    seen = [hashlib.sha256((photos / f"p{number:02}.png").read_bytes()).hexdigest() for number in (3, 5)]
    home = read(table, bundle, TrainedOn(digests_of(seen[:1]), digests_of(seen[1:])))
    assert home.left_out[SEEN] == 2


def answers(rows=2, **changed):
    share = 1 / len(CODES)
    return [
        {"image": f"{row}", **dict.fromkeys(CODES, share), "truth": ("NV", "MEL")[row % 2], **changed}
        for row in range(rows)
    ]


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (answers(MEL=1.5), "cases.csv:2: '1.5' as MEL: wanted a probability, 0 to 1"),
        (answers(MEL=0.9), "cases.csv:2: the answers sum to 1.77"),
        (answers(truth="wart"), "wart"),
        (answers(image="same"), "same stands twice"),
        ([{key: value for key, value in row.items() if key != "SCC"} for row in answers()], "no SCC: wanted a column"),
        ([{key: value for key, value in row.items() if key != "truth"} for row in answers()], "no column of the truth"),
    ],
)
def test_a_bad_table_has_one_line_that_says_where(bundle, tmp_path, rows, line):
    table = write(tmp_path / "cases.csv", rows[0].keys(), [row.values() for row in rows])
    with pytest.raises(TableError, match=line):
        read(table, bundle)
