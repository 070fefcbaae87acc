"""The predictor: one answer for every way to hand over a photograph, equal to what can be computed on paper."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image
from small_bundles import BUNDLE, UNCALIBRATED, expected_probabilities, small_graph, write_model, write_small_bundle

from hierattn.bundle.thresholds import TriageSettings
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.predictor import Predictor
from hierattn.errors import BundleError, ImageError, UsageError
from hierattn.preprocessing.adaptive_crop import crop, find_surround
from hierattn.taxonomy.built_in import EIGHT
from hierattn.taxonomy.records import LesionClass, Taxonomy

CODES = EIGHT.codes


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.load(write_small_bundle(tmp_path_factory.mktemp("bundle") / "small.onnx"), threads=1)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return render_lesion("MEL", np.random.default_rng(6), 150).image  # without a surround


def values(diagnosis) -> np.ndarray:
    return np.array(list(diagnosis.probabilities.values()))


def test_probabilities_are_those_computed_on_paper(predictor, photo):
    diagnosis = predictor(photo)
    expected = expected_probabilities(BUNDLE.image_spec.resize(photo))
    assert list(diagnosis.probabilities) == list(CODES)
    np.testing.assert_allclose(values(diagnosis), expected, atol=1e-6)
    assert diagnosis.risk == pytest.approx(sum(expected[CODES.index(code)] for code in BUNDLE.triage.group), abs=1e-6)
    assert diagnosis.label == CODES[expected.argmax()]


def test_graph_resizes_as_pillow_does(predictor, photo):
    for size in ((40, 50), (64, 64), (300, 200)):
        odd = np.asarray(Image.fromarray(photo).resize(size))
        inside = predictor._session.run(["probabilities"], {"image": odd[None]})[0][0]
        np.testing.assert_allclose(inside, expected_probabilities(BUNDLE.image_spec.resize(odd)), atol=5e-3)


def test_every_way_to_hand_over_a_photo_gives_the_same_bits(predictor, photo, tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    ways = [photo, path, str(path), path.read_bytes(), Image.fromarray(photo), Image.open(path)]
    for diagnosis in predictor(ways):
        assert diagnosis.probabilities == predictor(photo).probabilities


@pytest.mark.parametrize("other", [None, 3, io.BytesIO(b"GIF89a\n\n")], ids=["None", "number", "open file"])
def test_what_is_no_photograph_and_no_list_is_one_line(predictor, other):
    with pytest.raises(ImageError, match="is no photograph, and no list of them: wanted a path, a file's bytes"):
        predictor(other)


def test_a_list_gives_a_list_and_one_gives_one(predictor, photo):
    assert predictor([]) == []
    assert [type(one) for one in predictor([photo, photo])] == [type(predictor(photo))] * 2


def test_surround_is_cropped_as_training_cropped(predictor, photo):
    framed = np.zeros((150, 150, 3), np.uint8)
    rows, columns = np.mgrid[:150, :150]
    inside = (rows - 75) ** 2 + (columns - 75) ** 2 < 60**2
    framed[inside] = photo[inside]
    box = find_surround(framed)
    assert box is not None
    part = crop(framed, box)
    np.testing.assert_allclose(
        values(predictor(framed)), expected_probabilities(BUNDLE.image_spec.resize(part)), atol=1e-6
    )
    assert predictor(framed).quality.values["cropped"] == 1


def test_heatmap_comes_only_when_asked_for(predictor, photo):
    assert predictor(photo).heatmap is None
    asked = predictor(photo, heatmap=True)
    assert asked.heatmap.shape == (8, 2, 2)
    np.testing.assert_array_equal(asked.heatmap_of("MEL"), asked.heatmap[CODES.index("MEL")])
    with pytest.raises(UsageError, match="ask for it"):
        predictor(photo).heatmap_of("MEL")


def test_heatmap_of_a_bundle_without_one_is_refused(tmp_path, photo):
    model = small_graph()
    del model.graph.output[2]
    with pytest.raises(UsageError, match="no heat map"):
        Predictor.load(write_model(tmp_path / "n.onnx", model, BUNDLE.to_metadata()))(photo, heatmap=True)


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_an_unfit_photograph_has_no_figure_in_json(predictor, shade):
    diagnosis = predictor(np.full((150, 150, 3), shade, np.uint8), heatmap=True)
    plain = diagnosis.to_dict()
    assert (diagnosis.unfit, plain["advice"]["level"]) == (True, "retake")
    assert [plain[key] for key in ("label", "probabilities", "risk", "heatmap")] == [None] * 4
    assert plain["prediction_sets"] == []
    assert plain.keys() == predictor(render_lesion("MEL", np.random.default_rng(6), 150).image).to_dict().keys()


def test_diagnosis_is_plain_json_and_cannot_be_changed(predictor, photo):
    diagnosis = predictor(photo, heatmap=True)
    plain = json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))
    assert plain["probabilities"] == diagnosis.probabilities
    assert plain["advice"]["level"] == diagnosis.advice.level
    assert plain["quality"]["ok"] is True
    with pytest.raises(FrozenInstanceError):
        diagnosis.risk = 0.0


def test_advice_follows_the_bundles_threshold(tmp_path, photo):
    calibrated = Predictor.load(write_small_bundle(tmp_path / "c.onnx"))
    bare = Predictor.load(write_small_bundle(tmp_path / "u.onnx", UNCALIBRATED))
    assert calibrated(photo).advice.calibrated
    assert not bare(photo).advice.calibrated
    assert "not calibrated" in bare(photo).model


def test_a_photo_unlike_the_training_images_is_to_be_retaken(tmp_path, photo):
    model = small_graph()
    model.graph.node.append(helper.make_node("Identity", ["risk"], ["novelty"]))  # any number will do
    model.graph.output.append(helper.make_tensor_value_info("novelty", onnx.TensorProto.FLOAT, ["N"]))
    value = Predictor.load(write_small_bundle(tmp_path / "s.onnx"))(photo).risk
    for threshold, level in ((value * 1.01, "other"), (value * 0.99, "retake")):
        bundle = replace(BUNDLE, novelty={"threshold": threshold})
        found = Predictor.load(write_model(tmp_path / "n.onnx", model, bundle.to_metadata()))(photo)
        assert (found.advice.level == "retake") == (level == "retake")
        assert ("unlike" in found.quality.problems) == (level == "retake")
        assert found.quality.values["novelty"] == pytest.approx(value)


def test_unfit_photo_is_to_be_retaken(predictor):
    assert predictor(np.full((100, 120, 3), (220, 170, 150), np.uint8)).advice.level == "retake"


def test_rule_and_language_reach_the_advice(predictor, photo):
    advice = predictor(photo, rule="paper", language="pt").advice
    assert (advice.rule, advice.language) == ("paper", "pt")
    with pytest.raises(UsageError, match="rule"):
        predictor(photo, rule="coin")


def test_threads_at_once_give_the_same_answers(predictor):
    photos = [render_lesion(code, np.random.default_rng(2), 64).image for code in CODES]
    alone = [predictor(one).probabilities for one in photos]
    with ThreadPoolExecutor(8) as pool:
        assert [one.probabilities for one in pool.map(predictor, photos * 4)] == alone * 4


def test_negative_threads_are_refused(tmp_path):
    with pytest.raises(UsageError, match="threads"):
        Predictor.load(tmp_path / "b.onnx", threads=-1)


def test_graph_that_onnxruntime_refuses_gets_one_line(tmp_path):
    model = small_graph()
    model.graph.node.append(helper.make_node("NoSuchOperator", ["risk"], ["nothing"]))
    path = write_model(tmp_path / "r.onnx", model, BUNDLE.to_metadata())
    with pytest.raises(BundleError, match="refuses") as caught:
        Predictor.load(path)
    assert "\n" not in str(caught.value)


def replace_softmax(model: onnx.ModelProto) -> None:
    next(node for node in model.graph.node if node.op_type == "Softmax").CopyFrom(
        helper.make_node("Identity", ["calibrated"], ["probabilities"])
    )


def forget_a_class(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Softmax")
    node.CopyFrom(helper.make_node("ReduceSum", ["calibrated"], ["probabilities"], keepdims=1))


@pytest.mark.parametrize("spoil", [replace_softmax, forget_a_class])
def test_answers_that_are_no_probabilities_are_refused(tmp_path, photo, spoil):
    model = small_graph()
    spoil(model)
    del model.graph.output[:]
    for name in ("probabilities", "risk", "heatmap"):
        model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    path = write_model(tmp_path / "s.onnx", model, BUNDLE.to_metadata())
    with pytest.raises(BundleError):
        Predictor.load(path)(photo)


def test_where_nothing_is_said_of_referral_there_is_no_risk_and_no_advice_but_a_sentence(tmp_path):
    own = Taxonomy("own", tuple(LesionClass(f"C{number}", f"class {number}") for number in range(8)))
    bundle = replace(BUNDLE, taxonomy=own, triage=TriageSettings())
    predictor = Predictor.load(write_small_bundle(tmp_path / "own.onnx", bundle), threads=1)
    photo = render_lesion("MEL", np.random.default_rng(0), 256).image
    for language, word in (("en", "doctor"), ("pt", "médico"), ("zh", "医生")):
        answer = predictor(photo, language=language)
        assert answer.risk is None
        assert answer.advice is None
        assert not answer.unfit
        assert word in answer.note
    plain = predictor(photo).to_dict()
    assert (plain["risk"], plain["advice"]) == (None, None)
    assert plain["probabilities"].keys() == set(own.codes)
    assert predictor(np.zeros((256, 256, 3), np.uint8)).advice.level == "retake"
