"""The advice at another prevalence, on the app's page about the model: Python's figures in Node and in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from services import ready, served
from small_bundles import BUNDLE, write_small_bundle

from hierattn.evaluation.clinical_use.prevalence import PREVALENCES, carry
from hierattn.evaluation.pages.clinical_use import FIRST_CHOICE
from hierattn.serve.web_app import find_web_app

TEST = {
    "sensitivity": 0.93, "interval": [0.88, 0.97], "specificity": 0.42, "specificity_interval": [0.38, 0.46],
    "images": 1068, "groups": 846, "positives": 215,
}  # fmt: skip
built = pytest.mark.skipif(find_web_app() is None, reason="the web app is not built: run 'make web' (needs Node)")


def as_the_app_has_it(sensitivity: float, interval: Any, specificity: float, spared: Any) -> dict[str, Any]:
    """The advice as tested, under the app's names."""
    return {
        "sensitivity": sensitivity, "sensitivityInterval": interval,
        "specificity": specificity, "specificityInterval": spared, "images": 10,
    }  # fmt: skip


def corners(prevalence: float, interval: Any, spared: Any) -> np.ndarray:
    both = [carry(np.array(one), np.array(other), prevalence) for one in interval for other in spared]
    return np.array([np.nanmin(both, axis=0), np.nanmax(both, axis=0)])


@pytest.mark.parametrize(
    ("sensitivity", "interval", "specificity", "spared"),
    [
        (0.93, (0.88, 0.97), 0.42, (0.38, 0.46)),
        (1.0, (0.97, 1.0), 0.0, (0.0, 0.02)),
        (0.0, (0.0, 0.1), 1.0, (0.9, 1.0)),
    ],
)
def test_figures_are_pythons_at_every_prevalence(ask, sensitivity, interval, specificity, spared):
    question = {"tested": as_the_app_has_it(sensitivity, interval, specificity, spared), "prevalences": PREVALENCES}
    (theirs,) = ask([question])
    for prevalence, figures in zip(PREVALENCES, theirs, strict=True):
        mine = carry(np.array(sensitivity), np.array(specificity), prevalence)
        low, high = corners(prevalence, interval, spared)
        told = np.array([[np.nan if v is None else v for v in figure.values()] for figure in figures], float)
        np.testing.assert_allclose(told, np.stack([mine, low, high], axis=1), rtol=1e-12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prevalence")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    bundle = replace(BUNDLE, calibration={**BUNDLE.calibration, "test": TEST})
    with served(write_small_bundle(folder / "tested.onnx", bundle), folder / "log") as (_, address):
        yield address


def cells(page: Any) -> list[list[str]]:
    rows = page.locator(".prevalence tbody tr").all()
    return [row.locator("td").inner_text().replace("\u00a0", " ").split("\n") for row in rows]


@built
def test_slider_shows_the_advice_at_the_chosen_share_by_the_keyboard(open_app):
    page = open_app()
    page.get_by_role("link", name="About").click()
    slider = page.locator("#prevalence")
    assert int(slider.input_value()) == PREVALENCES.index(FIRST_CHOICE)
    assert "93 % (88 % – 97 %)" in page.locator(".prevalence p").first.inner_text().replace("\u00a0", " ")
    slider.focus()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == "50\u00a0% of people"
    _, _, referred, missed = carry(np.array(0.93), np.array(0.42), 0.5)
    assert [value for value, _ in cells(page)][2:] == [f"{referred:.1f}", f"{missed:.1f}"]
    least, most = corners(0.5, TEST["interval"], TEST["specificity_interval"])
    assert cells(page)[3][1] == f"{least[3]:.1f} – {most[3]:.1f}"
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "0.1\u00a0% of people"


@built
@pytest.mark.parametrize("language", ["en", "pt", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_is_accessible_in_every_language_on_a_narrow_screen(open_app, violations, language, scheme):
    page = open_app(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    page.select_option("#language", language)
    page.locator("nav a").nth(2).click()
    page.locator(".prevalence").wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert "{" not in page.locator(".prevalence").inner_text()


@built
def test_model_whose_advice_was_never_tested_shows_no_slider(open_app, folder):
    page = open_app()
    page.get_by_role("link", name="About").click()
    page.set_input_files("#own-model", str(write_small_bundle(folder / "untested.onnx", BUNDLE)))
    ready(page)
    page.locator(".about").wait_for()
    page.wait_for_timeout(300)
    assert page.locator("#prevalence").count() == 0
