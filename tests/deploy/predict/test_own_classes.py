"""A network of 23 classes of one's own, exported for real: ONNX, ExecuTorch, service and browser say the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("uvicorn")

from services import served
from small_bundles import CLINIC
from small_checkpoints import make_checkpoint

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.export.onnx import Export, export_onnx
from hierattn.deploy.export.wrapped import wrap
from hierattn.deploy.predict.advice_texts import class_name
from hierattn.deploy.predict.predictor import Diagnosis, Predictor
from hierattn.preprocessing.photograph import read_photograph
from hierattn.serve.web_app import find_web_app


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    return export_onnx(wrap(make_checkpoint(taxonomy=CLINIC)), tmp_path_factory.mktemp("clinic") / "clinic.onnx")


@pytest.fixture(scope="module")
def photo(export: Export) -> Path:
    path = export.path.with_name("photo.png")
    Image.fromarray(render_lesion("MEL", np.random.default_rng(42), 300).image).save(path)
    return path


@pytest.fixture(scope="module")
def said(export: Export, photo: Path) -> Diagnosis:
    return Predictor.load(export.path)(photo)


@pytest.fixture(scope="module")
def url(export: Export) -> Any:
    with served(export.path, export.path.with_name("log")) as (_, address):
        yield address


def test_onnx_gives_pytorchs_numbers_and_keeps_the_classes(export, said):
    assert export.parity.ok
    assert export.parity.difference <= 1e-5
    assert said.taxonomy == CLINIC
    assert tuple(said.probabilities) == CLINIC.codes
    assert (said.risk, said.advice) == (None, None)
    assert said.note


@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_executorch_gives_onnxs_numbers_and_keeps_the_classes(export, photo, said):
    pytest.importorskip("executorch", reason="ExecuTorch is not installed: pip install 'hierattn[mobile]'")
    from hierattn.deploy.export.executorch import export_executorch, load_program

    program = export_executorch(wrap(make_checkpoint(taxonomy=CLINIC)), export.path.with_suffix(".pte"))
    answer, bundle = load_program(program.path)
    assert bundle.taxonomy == CLINIC
    prepared = Predictor.load(export.path).prepare(read_photograph(photo.read_bytes()))
    found = answer(prepared.pixels)["probabilities"][0]
    np.testing.assert_allclose(found, list(said.probabilities.values()), atol=1e-4)


def test_service_answers_by_http_as_python_does(url, export, photo, said):
    answer = httpx.post(f"{url}/v1/predictions", files={"images": photo.read_bytes()}).json()["predictions"][0]
    assert answer["probabilities"] == pytest.approx(said.probabilities, abs=1e-6)
    assert (answer["label"], answer["risk"], answer["advice"]) == (said.label, None, None)
    assert answer["note"] == said.note
    described = httpx.get(f"{url}/v1/model").json()
    assert described["taxonomy"] == CLINIC.to_dict()
    assert '"no_advice"' in httpx.get(f"{url}/metrics").text


@pytest.mark.skipif(find_web_app() is None, reason="the web app is not built: run 'make web' (needs Node)")
def test_browser_answers_as_python_does(browser, url, photo, said):
    page = browser.new_page(locale="en-GB")
    page.goto(url)
    page.locator(".status", has_text="Ready").wait_for(timeout=60_000)
    page.set_input_files("#choose", str(photo))
    page.locator("#answer").wait_for(timeout=60_000)
    rows = page.locator(".shares tbody tr:not(.rest, .sum)")
    styles = rows.evaluate_all("rows => rows.map(row => row.querySelector('.fill').style.width)")
    names = rows.evaluate_all("rows => rows.map(row => row.querySelector('th').firstChild.textContent)")
    shares = {name: float(re.sub("%", "", width)) / 100 for name, width in zip(names, styles, strict=True)}
    words = {code: class_name(each, "en") for code, each in CLINIC.by_code.items()}
    assert shares == pytest.approx({words[code]: share for code, share in said.probabilities.items()}, abs=1e-3)
    page.close()
