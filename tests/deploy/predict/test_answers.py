"""Answers beside a photograph, from a bundle: any subset, both results shown, and the advice never lowered by them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from small_bundles import write_small_bundle
from small_checkpoints import ASKED, write_asking_bundle
from typer.testing import CliRunner

from hierattn.bundle.bundle import read_bundle
from hierattn.bundle.thresholds import TriageSettings
from hierattn.deploy.predict.advice_texts import TEXTS
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.session import open_session
from hierattn.deploy.predict.triage import LEVELS, advise, not_lowered
from hierattn.errors import UsageError
from hierattn.preprocessing.photo_quality import judge_photo


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    path = tmp_path_factory.mktemp("asking") / "asking.onnx"
    return path, write_asking_bundle(path)


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_the_file_says_what_may_be_asked_and_is_refused_by_readers_that_cannot_ask(exported) -> None:
    _, bundle = read_bundle(exported[0])
    assert bundle.questions == ASKED
    assert bundle.to_values()["format_version"] == 4


def test_openvino_takes_the_answers_too(exported, photo) -> None:
    pytest.importorskip("openvino")
    one, other = (Predictor.load(exported[0], runtime=name) for name in ("openvino", "onnxruntime"))
    for told in ({}, {"age": "54"}, {"age": "54", "grew": "yes"}):
        found, wanted = one(photo, answers=told), other(photo, answers=told)
        assert found.probabilities == pytest.approx(wanted.probabilities, abs=1e-5)
        if told:
            assert found.photo_alone.probabilities == pytest.approx(wanted.photo_alone.probabilities, abs=1e-5)
            assert found.probabilities != pytest.approx(found.photo_alone.probabilities, abs=1e-4)


def test_without_the_second_input_the_graph_answers_from_the_photograph(exported, photo) -> None:
    content, _ = read_bundle(exported[0])
    session = open_session(content, exported[0])
    assert [value.name for value in session.get_inputs()] == ["image"]
    names = [value.name for value in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"image": photo[None]}), strict=True))
    np.testing.assert_array_equal(found["probabilities"], found["photo_probabilities"])
    np.testing.assert_array_equal(found["risk"], found["photo_risk"])


@pytest.mark.parametrize("told", list(itertools.product(("", "54"), ("", "nose"), ("", "yes"))))
def test_any_subset_of_answers_gives_pytorchs_numbers(exported, photo, told) -> None:
    path, model = exported
    given = {question.name: value for question, value in zip(ASKED, told, strict=True) if value}
    diagnosis = Predictor.load(path)(photo, answers=given)
    codes = torch.tensor([[question.code(value) for question, value in zip(ASKED, told, strict=True)]])
    with torch.inference_mode():
        pixels = torch.from_numpy(photo[None]).permute(0, 3, 1, 2) / 255
        wanted, alone = model(pixels, codes).softmax(1)[0], model(pixels).softmax(1)[0]
    np.testing.assert_allclose(list(diagnosis.probabilities.values()), wanted, atol=1e-5)
    assert diagnosis.answers == given
    if given:
        np.testing.assert_allclose(list(diagnosis.photo_alone.probabilities.values()), alone, atol=1e-5)
        assert LEVELS.index(diagnosis.advice.level) <= LEVELS.index(diagnosis.photo_alone.advice.level)
    else:
        assert diagnosis.photo_alone is None


def test_a_wrong_answer_or_one_that_is_not_asked_gets_one_line(exported, photo) -> None:
    predictor = Predictor.load(exported[0])
    with pytest.raises(UsageError, match=r"answer grew=maybe: wanted yes, no or unknown"):
        predictor(photo, answers={"grew": "maybe"})
    with pytest.raises(UsageError, match=r"no question 'itch': wanted one of age, site, grew"):
        predictor(photo, answers={"itch": "yes"})


SETTINGS = TriageSettings(group=("MEL",), threshold=0.3)


@pytest.mark.parametrize(("photo_risk", "risk"), list(itertools.product((0.1, 0.4, 0.8), repeat=2)))
def test_answers_never_lower_the_advice_and_may_raise_it(photo_risk: float, risk: float) -> None:
    fit = judge_photo(np.random.default_rng(0).integers(60, 200, (300, 300, 3), dtype=np.uint8))
    own, told = (advise({"MEL": value, "NV": 1 - value}, value, SETTINGS, fit) for value in (photo_risk, risk))
    given = not_lowered(told, own)
    assert LEVELS.index(given.level) == min(LEVELS.index(own.level), LEVELS.index(told.level))
    assert ("never lower" in given.why) == (LEVELS.index(told.level) > LEVELS.index(own.level))


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_the_limits_claim_no_more_than_the_answers_told(exported, photo, language: str) -> None:
    predictor = Predictor.load(exported[0])
    texts = TEXTS[language]
    for told, wanted in (({}, "limits.general"), ({"age": "54"}, "limits.answered")):
        said = predictor(photo, answers=told, language=language).advice.limits
        assert [texts[key] in said for key in ("limits.general", "limits.answered")] == [
            key == wanted for key in ("limits.general", "limits.answered")
        ]


def test_json_of_a_diagnosis_has_both_results(exported, photo) -> None:
    values = Predictor.load(exported[0])(photo, answers={"grew": "yes"}).to_dict()
    assert values["answers"] == {"grew": "yes"}
    if values["probabilities"] is not None:
        assert set(values["photo_alone"]) == {"probabilities", "risk", "advice"}
    json.dumps(values)


def test_age_and_sex_come_from_a_dicom_header_where_the_caller_allows_it(exported, photo, tmp_path) -> None:
    pytest.importorskip("pydicom")
    from dicom_files import dicom_bytes

    from hierattn.cli.predict import run

    app = typer.Typer()
    app.command()(run)
    path, plain = tmp_path / "a.dcm", tmp_path / "b.png"
    path.write_bytes(dicom_bytes(photo, PatientAge="054Y"))
    Image.fromarray(photo).save(plain)

    def answers(*options: str) -> list[dict[str, str]]:
        words = [str(path), str(plain), "--model", str(exported[0]), "--json", *options]
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, result.output
        return [row.get("answers", {}) for row in json.loads(result.stdout)]

    assert answers() == [{}, {}]
    assert answers("--answers-from-header") == [{"age": "54"}, {}]
    assert answers("--answers-from-header", "--answer", "age=30") == [{"age": "30"}, {"age": "30"}]
    silent = write_small_bundle(tmp_path / "silent.onnx")
    with pytest.raises(UsageError, match="this model asks neither age nor sex"):
        CliRunner().invoke(app, [str(path), "--model", str(silent), "--answers-from-header"], catch_exceptions=False)
