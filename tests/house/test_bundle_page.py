"""docs/bundle.md, read without our code: its keys are the record's, and its lines answer as the predictor does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.released import DOMAINS, NAMES, is_released, released_bundle
from hierattn.image_spec import ColourConstancy, ImageSpec
from hierattn.preprocessing.colour_constancy import balance_colours

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "bundle.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.M | re.S)


def snippet(words: str) -> str:
    """The one piece of Python on the page that has these words."""
    (found,) = [text for text in SNIPPETS if words in text]
    return found


def keys_of(row: str) -> set[str]:
    """The keys that a row of the page's table of metadata names."""
    line = re.search(rf"^\| `hierattn\.{row}` \| `\{{(.*?)\}}`", PAGE, flags=re.M)
    assert line is not None
    return set(re.findall(r'"(\w+)"', line[1]))


def test_the_page_names_every_key_of_the_image_specification_and_no_other():
    assert keys_of("image_spec") == set(ImageSpec().to_dict())


def test_the_page_names_every_step_that_a_specification_can_ask_for_before_the_graph():
    steps = PAGE.partition("Four steps are **not** in the graph")[2].partition("## What the graph does")[0]
    asked = set(ImageSpec().to_dict()) - {"size", "channels", "mean", "std", "interpolation"}  # these are the graph's
    assert set(re.findall(r"image_spec\.(\w+)", steps)) == asked
    assert re.findall(r"^\d\. \*\*(.*?)\*\*", steps, flags=re.M) == [
        "Upright.",
        "The adaptive crop",
        "Hair removal",
        "Colour constancy",
    ]


def test_the_pages_lines_balance_colours_as_the_package_to_one_grey_level():
    names: dict[str, Any] = {"np": np}
    exec(snippet("def balanced("), names)
    lesion = render_lesion("NV", np.random.default_rng(3), size=120).image
    for lamp in ((1, 1, 1), (1.0, 0.8, 0.5), (0.1, 1, 1), (1, 0, 1), (0, 0, 0)):
        photo = (lesion * np.array(lamp)).astype(np.uint8)
        for method in get_args(ColourConstancy):
            difference = names["balanced"](photo, method).astype(int) - balance_colours(photo, method)
            assert np.abs(difference).max() <= 1, (lamp, method)


@pytest.mark.skipif(not all(map(is_released, NAMES)), reason="no bundle is released in this tree")
@pytest.mark.parametrize("name", NAMES)
def test_the_page_names_every_key_that_a_released_bundle_has(name):
    stored: dict[str, Any] = {}
    exec(snippet("def metadata(data)"), stored)
    found = stored["metadata"](released_bundle(name).read_bytes())
    named = {f"hierattn.{key}" for key in re.findall(r"^\| `hierattn\.(\w+)` \|", PAGE, flags=re.M)}
    assert set(found) <= named
    assert json.loads(found["hierattn.image_spec"]) == Predictor.load(name).bundle.image_spec.to_dict()


@pytest.fixture(scope="module", params=DOMAINS)
def asked(request, tmp_path_factory) -> tuple[Path, str, np.ndarray]:
    """A folder with a released bundle and a photograph of 768 pixels, and what the predictor answers to it."""
    if not is_released(request.param):
        pytest.skip("no bundle is released in this tree")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "model.onnx").write_bytes(released_bundle(request.param).read_bytes())
    image = render_lesion("MEL", np.random.default_rng(1), size=768).image
    Image.fromarray(image).save(folder / "photo.jpg", quality=95)
    answer = Predictor.load(request.param, threads=1)(folder / "photo.jpg").probabilities
    return folder, request.param, np.array(list(answer.values()))


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """The names that pieces of the page leave, run one after the other beside a bundle and a photograph."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {"np": np}
    for each in words:
        exec(snippet(each), names)
    return names


def test_onnx_runtime_answers_to_the_photograph_as_it_is(asked, monkeypatch):
    folder, _, expected = asked
    names = run(folder, monkeypatch, "def balanced(", "onnxruntime.InferenceSession")
    np.testing.assert_allclose(names["probabilities"][0], expected, atol=0.005)


def test_onnxs_reference_evaluator_answers_as_the_predictor_once_the_photograph_is_resized(asked, monkeypatch):
    pytest.importorskip("onnx")
    folder, _, expected = asked
    names = run(
        folder, monkeypatch, "def balanced(", "def metadata(data)", "ImageOps.exif_transpose", "ReferenceEvaluator"
    )
    np.testing.assert_allclose(names["probabilities"][0], expected, atol=1e-4)


def test_openvino_answers_as_the_predictor_once_the_photograph_is_resized_and_otherwise_differs(asked, monkeypatch):
    pytest.importorskip("openvino")
    folder, domain, expected = asked
    names = run(
        folder, monkeypatch, "def balanced(", "def metadata(data)", "ImageOps.exif_transpose", "import openvino"
    )
    np.testing.assert_allclose(names["probabilities"][0], expected, atol=1e-4)
    as_it_is = names["model"](np.asarray(names["photo"])[None])["probabilities"][0]
    # A hundred times what "the same" allows; how far it is hangs on the bundle.
    assert np.abs(as_it_is - expected).max() > 0.01, f"{domain}: OpenVINO's own resize agrees now; say so on the page"
