"""Golden images: Pillow, ONNX Runtime and PyTorch give what the files say; other runtimes read them too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from golden_set import GOLDEN, SIZE, draw, hierattn_probabilities, read_golden, read_picture

from hierattn.deploy.predict.predictor import Predictor
from hierattn.image_spec import ImageSpec

ROWS = read_golden()["images"]
TOLERANCE, PHOTO_TOLERANCE = read_golden()["tolerance"], read_golden()["photo_tolerance"]

every_image = pytest.mark.parametrize("row", ROWS, ids=[row["image"] for row in ROWS])


@every_image
def test_pillow_resizes_to_the_stored_pixels(row):
    photo = read_picture(row["image"])
    assert photo.shape == (row["height"], row["width"], 3)
    np.testing.assert_array_equal(ImageSpec(size=SIZE).resize(photo), read_picture(row["resized"]))


@every_image
def test_resize_in_the_graph_is_the_stored_pixels_to_one_grey_level(row):
    model = onnx.load(GOLDEN / "small.onnx")
    inside = model.graph.node[0].output[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(inside, onnx.TensorProto.UINT8, ["N", SIZE, SIZE, 3]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    photo, wanted = read_picture(row["image"]), read_picture(row["resized"])
    found, probabilities = session.run([inside, "probabilities"], {"image": photo[None]})
    assert np.abs(found[0].astype(int) - wanted).max() <= 1
    np.testing.assert_allclose(probabilities[0], row["small"]["probabilities"], atol=PHOTO_TOLERANCE)


@every_image
def test_small_bundle_answers_what_is_stored(row):
    answer = Predictor.load(GOLDEN / "small.onnx", threads=1)(read_picture(row["image"]))
    np.testing.assert_allclose(list(answer.probabilities.values()), row["small"]["probabilities"], atol=1e-6)
    assert answer.risk == pytest.approx(row["small"]["risk"], abs=1e-6)


@every_image
def test_hierattn_of_the_formula_answers_what_is_stored(row):
    found = hierattn_probabilities(read_picture(row["resized"]))
    np.testing.assert_allclose(found, row["hierattn"]["probabilities"], atol=TOLERANCE)


def test_the_answers_tell_the_images_apart():
    for name in ("small", "hierattn"):
        answers = np.array([row[name]["probabilities"] for row in ROWS])
        assert np.ptp(answers, axis=0).max() > 10 * PHOTO_TOLERANCE


def test_every_picture_is_rendered_and_small():
    for name, photo in draw().items():
        differences = np.abs(read_picture(f"{name}.png").astype(int) - photo)
        assert differences.max() <= 1, name  # NumPy's kernels round a few values otherwise on another processor
        assert np.count_nonzero(differences) < differences.size / 1000, name
    assert sum(path.stat().st_size for path in Path(GOLDEN).iterdir()) < 200_000
