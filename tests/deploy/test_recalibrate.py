"""A recalibrated bundle: its graph computes what was fitted, its words are the new ones, and nothing is overwritten."""

import csv
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_bundles import BUNDLE, expected_probabilities, write_small_bundle
from small_checkpoints import write_asking_bundle
from tests.evaluation.clinical_use.test_recalibration import NOWHERE

from hierattn import Predictor
from hierattn.bundle.bundle import read_bundle
from hierattn.bundle.thresholds import TriageSettings
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.recalibrate import at_home, check_new, write_recalibrated
from hierattn.errors import DataError, UsageError
from hierattn.evaluation.measures.calibration import Calibration, calibrate
from hierattn.evaluation.records import to_plain
from hierattn.image_spec import ImageSpec

FITTED = Calibration(BUNDLE.temperature, 0.3, 0.95, NOWHERE, NOWHERE, "the inner fold", confidence=0.8)
MINE = replace(BUNDLE, image_spec=ImageSpec(size=32), calibration=to_plain(FITTED))
CODES = BUNDLE.classes


def a_clinic(folder, photographs=160, seed=0):
    """A bundle, photographs of one colour each, and a table of its answers: half of them named wrongly as a rule."""
    bundle = write_small_bundle(folder / "parent.onnx", MINE)
    rng = np.random.default_rng(seed)
    photos = rng.integers(20, 250, (photographs, 1, 1, 3), np.uint8) * np.ones((1, 32, 32, 1), np.uint8)
    shares = np.array([expected_probabilities(photo) for photo in photos])
    twisted = calibrate(shares, 4.0, rng.normal(0, 1, len(CODES)))
    truth = [CODES[rng.choice(len(CODES), p=row)] for row in twisted]
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        rows = ([number, *map(repr, map(float, row)), truth[number]] for number, row in enumerate(shares))
        csv.writer(file).writerows([["image", *CODES, "truth"], *rows])
    return bundle, photos


def test_the_new_graph_gives_what_was_fitted_and_its_risk_follows(tmp_path):
    parent, photos = a_clinic(tmp_path)
    before = parent.read_bytes()
    fitted, _ = write_recalibrated(at_home(parent, tmp_path / "cases.csv"), tmp_path / "ours.onnx")
    assert fitted.changed
    assert parent.read_bytes() == before
    predictor = Predictor.load(tmp_path / "ours.onnx", threads=1)
    for photo in photos[:20]:
        answer = predictor(np.kron(photo, np.ones((5, 5, 1), np.uint8)))
        wanted = fitted.apply(expected_probabilities(photo)[None])[0]
        np.testing.assert_allclose(list(answer.probabilities.values()), wanted, atol=2e-5)
        assert answer.risk == pytest.approx(sum(answer.probabilities[code] for code in BUNDLE.triage.group), abs=1e-5)


def test_it_names_its_parent_and_the_cases_and_keeps_no_figure_of_the_old_threshold(tmp_path):
    parent, _ = a_clinic(tmp_path)
    home = at_home(parent, tmp_path / "cases.csv")
    fitted, described = write_recalibrated(home, tmp_path / "ours.onnx")
    _, bundle = read_bundle(tmp_path / "ours.onnx")
    assert bundle == described
    told = bundle.provenance["recalibrated"]
    assert told["parent_sha256"] == hashlib.sha256(parent.read_bytes()).hexdigest()
    assert told["cases"]["sha256"] == hashlib.sha256((tmp_path / "cases.csv").read_bytes()).hexdigest()
    assert told["cases"]["photographs"] == 160
    assert bundle.temperature == pytest.approx(BUNDLE.temperature * fitted.temperature)
    assert bundle.triage == replace(
        BUNDLE.triage, threshold=fitted.threshold, sensitivity=None, interval=None, images=0
    )
    assert not bundle.metrics
    assert bundle.calibration["test"] is None
    assert {rule.coverage for rule in bundle.prediction_sets} == {None}


def test_a_bundle_can_be_recalibrated_again_and_its_description_says_what_its_graph_does(tmp_path):
    parent, photos = a_clinic(tmp_path)
    first, _ = write_recalibrated(at_home(parent, tmp_path / "cases.csv"), tmp_path / "ours.onnx")
    later = tmp_path / "later"
    later.mkdir()
    _, others = a_clinic(later, seed=1)
    second_path = tmp_path / "again.onnx"
    predictor = Predictor.load(tmp_path / "ours.onnx", threads=1)
    with (later / "cases.csv").open(newline="", encoding="utf-8") as file:
        truth = [row["truth"] for row in csv.DictReader(file)]
    with (later / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        answers = [predictor(np.kron(photo, np.ones((5, 5, 1), np.uint8))).probabilities.values() for photo in others]
        rows = ([number, *row, truth[number]] for number, row in enumerate(answers))
        csv.writer(file).writerows([["image", *CODES, "truth"], *rows])
    second, bundle = write_recalibrated(at_home(tmp_path / "ours.onnx", later / "cases.csv"), second_path)
    assert (
        bundle.provenance["recalibrated"]["before"]["parent_sha256"] == hashlib.sha256(parent.read_bytes()).hexdigest()
    )
    described = bundle.calibration["class_bias"]
    whole = calibrate(expected_probabilities(photos[0], 1.0)[None], bundle.temperature, described)[0]
    stepwise = second.apply(first.apply(expected_probabilities(photos[0])[None]))[0]
    np.testing.assert_allclose(whole, stepwise, atol=1e-9)
    answer = Predictor.load(second_path, threads=1)(np.kron(photos[0], np.ones((5, 5, 1), np.uint8)))
    np.testing.assert_allclose(list(answer.probabilities.values()), whole, atol=2e-5)


def test_nothing_is_overwritten_and_too_few_cases_write_nothing(tmp_path):
    parent, _ = a_clinic(tmp_path, photographs=29)
    with pytest.raises(UsageError, match="replaces nothing"):
        check_new(parent)
    with pytest.raises(DataError, match="wanted 30"):
        at_home(parent, tmp_path / "cases.csv")
    with pytest.raises(UsageError, match=r"ends in \.onnx"):
        check_new(tmp_path / "ours.bin")


ASKING = {
    "calibration": to_plain(replace(FITTED, temperature=1.0, answers_temperature=1.0)),
    "triage": TriageSettings(("ACK", "BCC", "MEL", "SCC"), 0.3),
}


@pytest.fixture(scope="module")
def asking(tmp_path_factory):
    """A bundle that asks, 120 photographs with an answer each, and what it says of them: alone, and both."""
    folder = tmp_path_factory.mktemp("asking")
    write_asking_bundle(folder / "asking.onnx", **ASKING)
    predictor, rng = Predictor.load(folder / "asking.onnx", threads=1), np.random.default_rng(0)
    photos = [render_lesion(code, rng, 128).image for code in ("MEL", "NV", "BCC") * 40]
    told = [{"grew": str(rng.choice(["yes", "no"])), "age": str(rng.integers(20, 90))} for _ in photos]
    both = [predictor(photo, answers=answers) for photo, answers in zip(photos, told, strict=True)]
    return folder / "asking.onnx", photos, told, both


def cases_of(asking, path, answered=120, temperature=3.0):
    """A table as ``predict --batch`` writes it, with a truth that both results know less of than they say."""
    bundle, _, _, both = asking
    codes, rng = list(both[0].probabilities), np.random.default_rng(1)
    digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        names = [*(f"p_{code}" for code in codes), *(f"photo_p_{code}" for code in codes)]
        out.writerow(["file", "status", "bundle", *names, "truth"])
        for number, answer in enumerate(both):
            alone = [repr(answer.photo_alone.probabilities[code]) for code in codes]
            said = np.array(list(answer.probabilities.values()))
            truth = codes[rng.choice(len(codes), p=calibrate(said[None], temperature, ())[0])]
            shown = [repr(float(value)) for value in said] + alone if number < answered else alone + [""] * len(codes)
            out.writerow([f"{number}.png", "answered", digest, *shown, truth])
    return codes


def test_a_bundle_that_asks_is_recalibrated_behind_both_results(asking, tmp_path):
    bundle, photos, told, both = asking
    cases_of(asking, tmp_path / "cases.csv")
    home = at_home(bundle, tmp_path / "cases.csv")
    assert len(home.table.answers) == len(home.table.told) == 120
    fitted, described = write_recalibrated(home, tmp_path / "ours.onnx")
    assert fitted.changed_with_answers
    assert fitted.answers_temperature > 1.5  # the truth was drawn at 3
    predictor = Predictor.load(tmp_path / "ours.onnx", threads=1)
    assert predictor.bundle == described
    assert described.calibration["answers_temperature"] == pytest.approx(fitted.answers_temperature)
    for photo, answers, before in list(zip(photos, told, both, strict=True))[:8]:
        now, alone = predictor(photo, answers=answers), predictor(photo)
        shares = np.array(list(before.probabilities.values()))[None]
        wanted = calibrate(shares, fitted.answers_temperature, fitted.class_bias)[0]
        np.testing.assert_allclose(list(now.probabilities.values()), wanted, atol=2e-5)
        own = fitted.apply(np.array(list(before.photo_alone.probabilities.values()))[None])[0]
        np.testing.assert_allclose(list(alone.probabilities.values()), own, atol=2e-5)
        assert alone.probabilities == now.photo_alone.probabilities  # bit for bit
        assert now.risk == pytest.approx(sum(now.probabilities[code] for code in described.triage.group), abs=1e-5)
    again, second = write_recalibrated(home_again(tmp_path), tmp_path / "twice.onnx")
    first = described.calibration["answers_temperature"]
    assert second.calibration["answers_temperature"] == pytest.approx(first * again.answers_temperature)


def home_again(folder):
    """The photographs' answers of the recalibrated bundle alone: nothing is answered."""
    rows = list(csv.DictReader((folder / "cases.csv").read_text(encoding="utf-8").splitlines()))
    codes = [name[2:] for name in rows[0] if name.startswith("p_")]
    with (folder / "later.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["image", *codes, "truth"])
        out.writerows([row["file"], *(row[f"photo_p_{code}"] for code in codes), row["truth"]] for row in rows)
    return at_home(folder / "ours.onnx", folder / "later.csv")


def test_too_few_answers_take_the_photographs_own_temperature(asking, tmp_path):
    cases_of(asking, tmp_path / "cases.csv", answered=20)
    home = at_home(asking[0], tmp_path / "cases.csv")
    assert len(home.table.told) == 20
    fitted, _ = write_recalibrated(home, tmp_path / "ours.onnx")
    assert fitted.answers_temperature == fitted.temperature


def test_a_table_of_photographs_and_answers_is_answered_with_them(asking, tmp_path):
    bundle, photos, told, both = asking
    with (tmp_path / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["file", "truth", "age", "grew"])
        for number in range(40):
            Image.fromarray(photos[number]).save(tmp_path / f"{number:03}.png")
            answers = told[number] if number % 2 else {"age": "", "grew": ""}
            out.writerow([f"{number:03}.png", ("MEL", "NV", "BCC")[number % 3], answers["age"], answers["grew"]])
    table = at_home(bundle, tmp_path / "cases.csv").table
    fit = [number for number in range(40) if not both[number].unfit]
    assert (len(table.answers), len(table.told)) == (len(fit), sum(number % 2 for number in fit))
    alone = [list(both[number].photo_alone.probabilities.values()) for number in fit]
    np.testing.assert_allclose(table.answers.probabilities, alone, atol=1e-6)
    said = [list(both[number].probabilities.values()) for number in fit if number % 2]
    np.testing.assert_allclose(table.told.probabilities, said, atol=1e-6)
