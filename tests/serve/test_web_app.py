"""The web app in a real browser: Python's probabilities, heat map, history, offline, errors, accessibility.

Needs Chromium, Node's packages for axe (``make web``) and the built app; each test says what is missing where it skips.
The pictures of the pages are made by ``apps/web/screenshots.py``.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from services import answer, ready, served, shares, use_bundle
from small_bundles import BUNDLE, CLINIC, NOVEL, OWN, UNCALIBRATED, write_small_bundle

from hierattn.bundle.prediction_set import SetRule
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.advice_texts import TEXTS, class_name
from hierattn.deploy.predict.predictor import Predictor
from hierattn.serve.web_app import find_web_app

UNSURE = replace(BUNDLE, temperature=5.0)
"""Its answers change with every photograph; the small bundle's own are nearly sure."""

SOOTHING = {"en": "harmless|healthy|not cancer|benign", "pt": "inofensiv|saud[áa]v", "zh": "无害|健康|正常"}
"""Words that a patient must not read; tests/deploy/predict/test_advice_texts.py has more."""

WEB = Path(__file__).resolve().parents[2] / "apps" / "web"

pytestmark = [
    pytest.mark.skipif(find_web_app() is None, reason="the web app is not built: run 'make web' (needs Node)"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    return write_small_bundle(folder / "small.onnx")


def write(path: Path, image: np.ndarray, **options: Any) -> Path:
    Image.fromarray(image).save(path, **options)
    return path


@pytest.fixture(scope="module")
def golden(folder: Path) -> list[Path]:
    """Rendered lesions: square, wide, tall, with a dark surround, grey with transparency, rotated by EXIF, as JPEG."""
    images = [
        render_lesion(code, np.random.default_rng(40 + n), 256).image for n, code in enumerate(("MEL", "NV", "BCC"))
    ]
    files = [write(folder / f"golden{n}.png", image) for n, image in enumerate(images)]
    files.append(write(folder / "wide.png", np.asarray(Image.fromarray(images[0]).resize((1001, 703)))))
    files.append(write(folder / "tall.png", np.asarray(Image.fromarray(images[1]).resize((600, 800)))))
    y, x = np.mgrid[:256, :256]
    inside = ((x - 128) ** 2 + (y - 128) ** 2 < 115**2)[:, :, None]
    files.append(write(folder / "round.png", np.where(inside, images[2], images[2] // 24).astype(np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = 6
    files.append(write(folder / "turned.jpg", images[0][:200], exif=exif, quality=95))
    return files


@pytest.fixture(scope="module")
def url(bundle: Path, folder: Path) -> Iterator[str]:
    with served(bundle, folder / "log") as (_, address):
        yield address


def test_browser_gives_pythons_probabilities_on_golden_images(open_app, folder, golden):
    page, unsure = open_app(), write_small_bundle(folder / "unsure.onnx", UNSURE)
    use_bundle(page, unsure)
    ready(page)
    page.get_by_role("link", name="Photo").click()
    predictor, seen = Predictor.load(unsure), []
    for file in golden:
        mine = predictor(file)
        answer(page, file)
        assert page.locator("#answer").inner_text() == mine.advice.title
        steps = page.locator(".steps li").all_inner_texts()
        assert steps == list(mine.advice.next_steps)
        if mine.advice.level != "retake":
            *probabilities, risk = shares(page)
            bound = 2e-2 if file.suffix == ".jpg" else 1e-3  # two decoders of JPEG may differ by a few grey levels
            assert probabilities == pytest.approx(sorted(mine.probabilities.values(), reverse=True), abs=bound)
            assert risk == pytest.approx(mine.risk, abs=bound)
            seen.append(mine.risk)
        page.get_by_role("button", name="Start again").click()
    assert np.ptp(seen) > 0.05


def test_heat_map_is_drawn_and_taken_away(open_app, golden):
    page = open_app()
    answer(page, golden[0])
    canvas = page.locator(".overlay canvas")
    assert canvas.is_hidden()
    button = page.get_by_role("button", name="Show the heat map")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert "2 × 2 cells: too small to tell" in page.locator(".legend").inner_text()
    painted = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert canvas.evaluate(painted) > 3
    button.click()
    assert canvas.is_hidden()


def test_several_photos_are_one_answer_and_can_be_cropped(open_app, bundle, golden):
    page, predictor = open_app(), Predictor.load(bundle)
    answer(page, golden[0], golden[1])
    mean = np.mean([list(predictor(file).probabilities.values()) for file in golden[:2]], axis=0)
    assert shares(page)[:-1] == pytest.approx(sorted(mean, reverse=True), abs=1e-3)
    before = shares(page)
    page.get_by_role("button", name="Crop: Photo 1").click()
    page.locator("#crop-size").fill("0.4")
    page.locator(".frame").press("ArrowRight")
    page.get_by_role("button", name="Use this part").click()
    ready(page)
    assert shares(page) != before


def test_camera_shows_a_guide_and_takes_a_photo(open_app):
    page = open_app()
    page.get_by_role("button", name="Take a photo").click()
    page.locator(".guide").wait_for()
    page.get_by_role("button", name="Take photo").click()
    page.locator("#answer").wait_for(timeout=60_000)


def save_two_visits(page, golden):
    """Two photographs of one spot, saved and laid side by side in the history."""
    for file in golden[:2]:
        answer(page, file)
        page.locator("#spot").fill("left shoulder")
        page.get_by_role("button", name="Save to history").click()
        page.get_by_text("Saved on this device.").wait_for()
        page.get_by_role("button", name="Start again").click()
    page.get_by_role("link", name="History").click()
    page.locator(".check input").first.check()
    page.locator(".check input").last.check()
    page.locator(".pair figure").nth(1).wait_for()


def test_history_keeps_compares_exports_and_deletes(open_app, golden, folder):
    page = open_app()
    save_two_visits(page, golden)
    assert page.locator(".pair figure").count() == 2
    with page.expect_download() as download:
        page.get_by_role("button", name="Export to a file").click()
    exported = folder / "history.json"
    download.value.save_as(exported)
    visits = json.loads(exported.read_text())["visits"]
    assert [visit["spot"] for visit in visits] == ["left shoulder"] * 2
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete everything").click()
    page.get_by_text("Nothing saved yet.").wait_for()
    page.set_input_files("#import", str(exported))
    page.locator(".visits li").nth(1).wait_for()


def test_app_works_without_a_network_after_the_first_visit(open_app, golden):
    page = open_app()
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_timeout(1500)
    page.reload()
    ready(page)
    page.context.set_offline(True)
    page.reload()
    ready(page)
    answer(page, golden[0])
    assert len(shares(page)) == 9


def test_app_can_be_installed(url):
    manifest = httpx.get(f"{url}/manifest.webmanifest").json()
    assert manifest["display"] == "standalone"
    sizes = {icon["sizes"] for icon in manifest["icons"]}
    assert {"192x192", "512x512"} <= sizes
    for icon in manifest["icons"]:
        content = httpx.get(f"{url}/{icon['src']}").content
        if icon["type"] == "image/png":
            assert "{}x{}".format(*Image.open(io.BytesIO(content)).size) == icon["sizes"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("text.jpg", b"no picture", "cannot read this file as a photo"),
        ("iphone.heic", b"\0\0\0\x18ftypheic" + bytes(40), "cannot read HEIC"),
        ("tiny.png", "4x4", "only a few pixels"),
        ("strip.png", "2000x20", "too long and narrow"),
    ],
)
def test_bad_photos_get_one_clear_line(open_app, folder, name, content, said):
    path = folder / name
    if isinstance(content, str):
        width, height = map(int, content.split("x"))
        write(path, np.full((height, width, 3), 150, np.uint8))
    else:
        path.write_bytes(content)
    page = open_app()
    page.set_input_files("#choose", str(path))
    page.locator(".status.alarm", has_text=said).wait_for()
    assert page.locator("#answer").count() == 0


def test_unfit_photo_is_rejected_without_percentages(open_app, folder):
    page = open_app()
    answer(page, write(folder / "grey.png", np.full((300, 300, 3), 128, np.uint8)))
    assert "cannot be judged" in page.locator("#answer").inner_text()
    assert shares(page) == []


def test_foreign_model_is_refused_and_another_bundle_is_used(open_app, folder, golden):
    page = open_app()
    page.get_by_role("link", name="About").click()
    (folder / "foreign.onnx").write_bytes(b"\x08\x09foreign")
    page.set_input_files("#own-model", str(folder / "foreign.onnx"))
    page.locator(".status.alarm", has_text="cannot read this file as a model").wait_for()
    page.set_input_files("#own-model", str(write_small_bundle(folder / "other.onnx", UNCALIBRATED)))
    ready(page)
    page.get_by_role("link", name="Photo").click()
    answer(page, golden[0])
    assert "never calibrated" in page.locator(".why").inner_text()


ALL_KEPT = """async () => {
  const kept = async () => (await (await caches.open('hierattn-model')).keys()).length;
  while (await kept() < 3) await new Promise((done) => setTimeout(done, 50));
}"""
"""The list of models and both of them are in the service worker's store."""


def test_bundle_that_wants_hair_removed_is_refused_and_the_one_before_stays(open_app, folder, golden):
    page = open_app()
    wanting = replace(BUNDLE, image_spec=replace(BUNDLE.image_spec, hair_removal=True))
    use_bundle(page, write_small_bundle(folder / "cleaning.onnx", wanting))
    page.locator(".status.alarm", has_text="needs hair removed").wait_for()
    page.get_by_role("link", name="Photo").click()
    answer(page, golden[0])
    assert len(shares(page)) == 9


def test_colours_are_balanced_before_the_network_as_in_python(open_app, folder):
    yellow = render_lesion("MEL", np.random.default_rng(40), 256).image * np.array([1.0, 0.7, 0.4])
    photo = write(folder / "yellow.png", yellow.astype(np.uint8))
    plain = write_small_bundle(folder / "as_they_come.onnx", UNSURE)
    spec = replace(UNSURE.image_spec, colour_constancy="shades_of_grey")
    balancing = write_small_bundle(folder / "balancing.onnx", replace(UNSURE, image_spec=spec))
    mine, otherwise = (Predictor.load(path)(photo).probabilities for path in (balancing, plain))
    assert max(abs(mine[code] - otherwise[code]) for code in mine) > 0.02
    page = open_app()
    use_bundle(page, balancing)
    ready(page)
    page.get_by_role("link", name="Photo").click()
    answer(page, photo)
    assert shares(page)[:-1] == pytest.approx(sorted(mine.values(), reverse=True), abs=1e-3)


def test_photo_unlike_all_that_the_model_trained_on_is_rejected_as_in_python(open_app, folder, golden):
    path = write_small_bundle(folder / "novel.onnx", NOVEL)
    noise = np.random.default_rng(0).integers(-60, 60, (300, 300, 1))
    orange = np.clip(np.array([235, 90, 20]) + noise, 0, 255).astype(np.uint8)
    unlike, usual = write(folder / "orange.png", orange), golden[0]
    predictor = Predictor.load(path)
    assert predictor(unlike).quality.problems == ("unlike",)
    assert predictor(usual).quality.ok
    page = open_app()
    use_bundle(page, path)
    ready(page)
    page.get_by_role("link", name="Photo").click()
    answer(page, unlike)
    assert page.locator(".verdict").inner_text() == predictor(unlike).advice.title
    assert page.locator(".steps li").all_inner_texts() == list(predictor(unlike).advice.next_steps)
    assert TEXTS["en"]["problem.unlike"] in page.locator(".steps").inner_text()
    assert shares(page) == []
    page.get_by_role("button", name="Start again").click()
    answer(page, usual)
    *probabilities, _ = shares(page)
    assert probabilities == pytest.approx(sorted(predictor(usual).probabilities.values(), reverse=True), abs=1e-3)


def test_of_several_bundles_the_phones_is_used_until_another_is_chosen(browser, violations, bundle, folder, golden):
    phone = write_small_bundle(folder / "phone.onnx", replace(BUNDLE, temperature=9.0))
    with served(bundle, folder / "log2", "--also", f"phone={phone}") as (_, address):
        context = browser.new_context(locale="en-GB", viewport={"width": 390, "height": 844})
        page = context.new_page()
        page.goto(address)
        ready(page)
        answer(page, golden[0])

        def predicted_by(path: Path) -> bool:
            expected = sorted(Predictor.load(path)(golden[0]).probabilities.values(), reverse=True)
            return bool(shares(page)[:-1] == pytest.approx(expected, abs=1e-3))

        assert predicted_by(phone)
        assert "With a phone or camera" in page.locator(".model-used").inner_text()
        assert violations(page) == []
        page.locator('input[name="model"][value="model"]').check()
        ready(page)
        assert predicted_by(bundle)
        assert page.locator('input[name="model"][value="model"]').is_checked()
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.evaluate(ALL_KEPT)
        page.reload()
        ready(page)
        context.set_offline(True)
        page.reload()
        ready(page)
        answer(page, golden[0])
        assert predicted_by(bundle)
        page.locator('input[name="model"][value="phone"]').check()
        ready(page)
        assert predicted_by(phone)
        context.close()


SETS = replace(
    BUNDLE,
    prediction_sets=(SetRule(0.9, 0.2, 0.8766, (0.8475, 0.9041), 1.87), SetRule(0.95, 0.08, 0.9971, (0.99, 1.0), 3.2)),
)
ODD_SETS = replace(BUNDLE, prediction_sets=(SetRule(0.9, 1.0), SetRule(0.95, 0.0, 0.95)))
"""One that is empty and was never measured, and one that holds every type."""


@pytest.fixture(scope="module")
def with_sets(folder: Path) -> Path:
    return write_small_bundle(folder / "sets.onnx", SETS)


def listed_types(page: Any) -> list[list[str]]:
    """The names in each list of types to consider."""
    rows = page.locator(".sets tbody tr").all()
    return [row.locator(".types li").all_inner_texts() for row in rows]


def names_of(codes: Any, language: str = "en") -> list[str]:
    return [TEXTS[language][f"class.{code}"] for code in codes]


def test_types_to_consider_are_pythons_and_say_what_was_measured(open_app, with_sets, golden):
    page, predictor = open_app(), Predictor.load(with_sets)
    use_bundle(page, with_sets)
    ready(page)
    page.get_by_role("link", name="Photo").click()
    answered = 0
    for file in golden:
        mine = predictor(file)
        answer(page, file)
        if mine.advice.level == "retake":
            assert page.locator(".sets").count() == 0
        elif file.suffix == ".png":
            assert listed_types(page) == [names_of(one.classes) for one in mine.prediction_sets]
            answered += 1
        page.get_by_role("button", name="Start again").click()
    assert answered >= 3
    answer(page, golden[0], golden[1])
    several = [predictor(file) for file in golden[:2]]
    for number, shown in enumerate(listed_types(page)):
        union = {name for one in several for name in names_of(one.prediction_sets[number].classes)}
        assert set(shown) == union
    said = page.locator(".sets").inner_text()
    assert "87 of 100 test photos" in said  # 0.8766, rounded down
    assert "84\u00a0to\u00a090" in said
    assert "99 of 100 test photos" in said  # 0.9971 is no certainty
    assert "no reason to wait" in said


def test_empty_and_full_lists_of_types_say_so(open_app, folder, golden):
    page = open_app()
    use_bundle(page, write_small_bundle(folder / "odd.onnx", ODD_SETS))
    ready(page)
    page.get_by_role("link", name="Photo").click()
    answer(page, golden[0])
    empty, full = page.locator(".sets tbody tr").all_inner_texts()
    assert "No type" in empty
    assert "not measured" in empty
    assert "Every type" in full
    assert "95 of 100" in full
    assert listed_types(page) == [[], []]


def test_bundle_without_prediction_sets_shows_no_list(open_app, golden):
    page = open_app()
    answer(page, golden[0])
    assert len(shares(page)) == 9
    assert page.locator(".sets").count() == 0


@pytest.mark.parametrize("language", ["en", "pt", "zh"])
def test_summary_for_a_doctor_is_one_page_with_the_sets_thresholds(open_app, with_sets, golden, language):
    page = open_app()
    use_bundle(page, with_sets)
    ready(page)
    page.locator("nav a").first.click()
    page.select_option("#language", language)
    answer(page, golden[0])
    expected = [names_of(one.classes, language) for one in Predictor.load(with_sets)(golden[0]).prediction_sets]
    assert listed_types(page) == expected
    assert page.locator(".sets p.print-only").first.is_hidden()
    page.emulate_media(media="print")
    for line, threshold, coverage in zip(
        page.locator(".sets p.print-only").all(), ("20.0", "8.0"), ("87.7", "99.7"), strict=True
    ):
        assert line.is_visible()
        text = line.inner_text().replace(",", ".")
        assert threshold in text
        assert coverage in text
    assert not page.locator(".capture, .keep, nav, .shots").filter(visible=True).count()
    for paper in ("A4", "Letter"):
        assert len(re.findall(rb"/Type /Page\b", page.pdf(format=paper))) == 1


def test_history_keeps_the_lists_of_types(open_app, with_sets, folder, golden):
    page, predictor = open_app(), Predictor.load(with_sets)
    use_bundle(page, with_sets)
    ready(page)
    page.get_by_role("link", name="Photo").click()
    save_two_visits(page, golden)
    shown = [one.locator(".types li").all_inner_texts() for one in page.locator(".pair figure").all()]
    assert shown == [names_of(predictor(file).prediction_sets[1].classes) for file in golden[:2]]
    with page.expect_download() as download:
        page.get_by_role("button", name="Export to a file").click()
    exported = folder / "history-sets.json"
    download.value.save_as(exported)
    content = json.loads(exported.read_text(encoding="utf-8"))
    assert [visit["sets"] for visit in content["visits"]] == [
        [one.to_dict() for one in predictor(file).prediction_sets] for file in golden[:2]
    ]
    content["visits"][0]["sets"] = [{"classes": "MEL"}]
    exported.write_text(json.dumps(content), encoding="utf-8")
    page.set_input_files("#import", str(exported))
    page.locator(".status.alarm", has_text="not a history exported by the app").wait_for()


def test_provenance_is_shown(open_app, bundle):
    import hashlib

    page = open_app()
    page.get_by_role("link", name="About").click()
    page.get_by_text(hashlib.sha256(bundle.read_bytes()).hexdigest()).wait_for(timeout=10_000)
    text = page.locator("main").inner_text()
    assert "CC0-1.0" in text
    assert "Not a medical device" in text


@pytest.mark.parametrize(("language", "notice"), [("pt", "Não é um dispositivo médico"), ("zh", "这不是医疗器械")])
def test_other_languages_reach_the_advice(open_app, bundle, golden, language, notice):
    page = open_app()
    page.select_option("#language", language)
    answer(page, golden[0])
    assert notice in page.locator("body").inner_text()
    assert page.locator("#answer").inner_text() == Predictor.load(bundle)(golden[0], language=language).advice.title
    assert page.evaluate("document.documentElement.lang").startswith(language)


@pytest.fixture(scope="module")
def own(folder: Path) -> dict[str, Path]:
    """Bundles of two, 23 and a hundred classes, by name."""
    return {name: write_small_bundle(folder / f"{name}.onnx", bundle) for name, bundle in OWN.items()}


@pytest.mark.parametrize("language", ["en", "pt", "zh"])
@pytest.mark.parametrize("name", OWN)
def test_any_classes_are_shown_by_their_words_colours_and_probabilities(open_app, own, golden, name, language):
    page = open_app(color_scheme="dark")
    use_bundle(page, own[name])
    ready(page)
    page.select_option("#language", language)
    page.locator("nav a").first.click()
    answer(page, golden[0])
    said = Predictor.load(own[name])(golden[0], language=language)
    ranked = sorted(said.taxonomy.classes, key=lambda each: -said.probabilities[each.code])
    rows = page.locator(".shares tbody tr:not(.rest, .sum)")
    told = rows.evaluate_all(
        """rows => rows.map(row => [row.querySelector("th").firstChild.textContent,
        parseFloat(row.querySelector(".fill").style.width) / 100,
        getComputedStyle(row.querySelector(".fill")).backgroundColor])"""
    )
    assert [words for words, _, _ in told] == [class_name(each, language) for each in ranked]
    assert [share for _, share, _ in told] == pytest.approx([said.probabilities[one.code] for one in ranked], abs=1e-3)
    dark = [f"rgb({', '.join(str(int(one.colour_dark[at : at + 2], 16)) for at in (1, 3, 5))})" for one in ranked]
    assert [colour for _, _, colour in told] == dark
    few = len(ranked) <= 9
    assert page.locator(".shares > table .rest").count() == (0 if few else 1)
    assert rows.filter(visible=True).count() == (len(ranked) if few else 8)
    if not few:
        rest = page.locator(".shares .rest th").inner_text()
        assert rest == TEXTS[language]["heading.rest"].format(count=len(ranked) - 8)
        page.locator(".shares summary").click()
        assert rows.filter(visible=True).count() == len(ranked)
    assert page.locator(".sum").count() == (0 if said.advice is None else 1)
    title = said.advice.title if said.advice else page.locator(".shares caption").text_content()
    assert page.locator("#answer").inner_text() == title


@pytest.mark.parametrize("language", ["en", "pt", "zh"])
def test_without_referral_one_sentence_stands_where_the_advice_would_and_nothing_soothes(
    open_app, own, golden, folder, language
):
    page = open_app()
    use_bundle(page, own["clinic"])
    ready(page)
    page.select_option("#language", language)
    page.locator("nav a").first.click()
    answer(page, golden[0], golden[1])
    assert page.locator(".why").inner_text() == Predictor.load(own["clinic"])(golden[0], language=language).note
    assert page.locator(".steps").count() == 0
    text = page.locator(".answer").inner_text()
    assert TEXTS[language]["heading.risk"] not in text
    levels = [TEXTS[language][f"level.{level}.title"] for level in ("see_soon", "have_checked", "watch")]
    assert not [title for title in levels if title in text]
    assert not re.search(SOOTHING[language], text, re.IGNORECASE)
    page.locator("#spot").fill("left shoulder")
    page.locator(".save button").click()
    page.locator(".save [role=status]", has_text=re.compile(".")).wait_for()
    page.locator("nav a").nth(1).click()
    page.locator(".visits li").wait_for()
    with page.expect_download() as download:
        page.locator(".history .buttons .button").first.click()
    exported = folder / f"own-{language}.json"
    download.value.save_as(exported)
    (visit,) = json.loads(exported.read_text(encoding="utf-8"))["visits"]
    assert (visit["level"], visit["risk"]) == (None, None)
    assert [each["name"] for each in visit["classes"]] == [each.name for each in CLINIC.classes]
    page.set_input_files("#import", str(exported))
    page.locator(".visits li").wait_for()
    visit["sets"] = [{"classes": ["NOWHERE"], "wished": 0.9, "coverage": None}]
    exported.write_text(json.dumps({"hierattn_history": 1, "visits": [visit]}), encoding="utf-8")
    page.set_input_files("#import", str(exported))
    page.locator(".status.alarm").wait_for()


def test_unfit_photo_of_a_model_without_referral_is_rejected_too(open_app, own, folder):
    page = open_app()
    use_bundle(page, own["clinic"])
    ready(page)
    page.get_by_role("link", name="Photo").click()
    answer(page, write(folder / "black.png", np.zeros((300, 300, 3), np.uint8)))
    assert page.locator("#answer").inner_text() == TEXTS["en"]["level.retake.title"]
    assert shares(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", OWN)
def test_pages_of_any_classes_are_accessible_and_need_no_scrolling_sideways(
    open_app, violations, own, golden, name, scheme
):
    page = open_app(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    use_bundle(page, own[name])
    ready(page)
    page.get_by_role("link", name="Photo").click()
    answer(page, golden[0])
    for summary in page.locator("summary").all():
        summary.click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)], ids=["phone", "desktop"])
def test_pages_have_no_accessibility_violations(open_app, violations, golden, with_sets, scheme, width, height):
    page = open_app(viewport={"width": width, "height": height}, color_scheme=scheme)

    def check() -> None:
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    check()
    use_bundle(page, with_sets)
    ready(page)
    page.get_by_role("link", name="Photo").click()
    answer(page, golden[0])
    assert page.locator(".sets").is_visible()
    page.get_by_role("button", name="Show the heat map").click()
    check()
    for link in ("History", "About"):
        page.get_by_role("link", name=link).click()
        page.wait_for_timeout(200)
        check()


def test_lighthouse_finds_nothing_in_accessibility_and_best_practices(chromium, url):
    program = WEB / "node_modules" / "lighthouse" / "cli" / "index.js"
    if not program.is_file():
        pytest.skip("Lighthouse is missing: run 'make web'")
    options = ["--quiet", "--no-enable-error-reporting", "--output=json", "--chrome-flags=--headless=new --no-sandbox"]
    result = subprocess.run(
        ["node", program, url, *options, "--only-categories=accessibility,best-practices"],
        env={**os.environ, "CHROME_PATH": chromium}, capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    found = json.loads(result.stdout)
    failed = {name: audit["title"] for name, audit in found["audits"].items() if audit["score"] not in (None, 1)}
    assert {name: part["score"] for name, part in found["categories"].items()} == {
        "accessibility": 1,
        "best-practices": 1,
    }, failed


@pytest.mark.parametrize("language", ["en", "pt", "zh"])
def test_narrow_screens_need_no_scrolling_sideways(open_app, with_sets, golden, language):
    page = open_app(viewport={"width": 320, "height": 640})
    use_bundle(page, with_sets)
    ready(page)
    page.select_option("#language", language)
    page.locator("nav a").first.click()
    answer(page, golden[0])
    for link in page.locator("nav a").all():
        link.click()
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        past = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 320.5).length"
        assert page.evaluate(past) == 0


def test_page_weighs_under_20_megabytes(url, bundle):
    folder = find_web_app()
    assert folder is not None
    plain = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".gz"]
    total = sum(file.stat().st_size for file in plain) + bundle.stat().st_size
    assert total < 20e6
    wasm = next(file for file in plain if file.suffix == ".wasm")
    packed = httpx.get(f"{url}/assets/{wasm.name}", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-type"] == "application/wasm"
    assert packed.content == wasm.read_bytes()


def test_a_complaint_made_while_the_model_loads_is_not_replaced_when_it_has_loaded(open_app, tmp_path):
    page, held = open_app(service_workers="block"), []
    page.route("**/*.onnx*", lambda route: held.append(route))  # playwright counts its parameters
    page.goto(page.url.partition("#")[0] + "#history")
    page.reload()
    (tmp_path / "wrong.json").write_text("{}", encoding="utf-8")
    page.set_input_files("#import", str(tmp_path / "wrong.json"))
    alarm = page.locator(".status.alarm", has_text="not a history exported by the app")
    alarm.wait_for()
    with page.expect_response("**/*.onnx*"):
        held[0].continue_()
    page.wait_for_timeout(3000)  # by then it has loaded, and said so before
    assert alarm.is_visible()
