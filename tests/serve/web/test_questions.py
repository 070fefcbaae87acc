"""The web app's questions: Python's codes and checks in Node, and in Chromium the whole page with a bundle that asks.

No released bundle asks: the bundle is exported here, of a tiny network that was never trained, but whose answers count.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

pytest.importorskip("playwright")
pytest.importorskip("uvicorn")

from services import answer, ready, served, shares, use_bundle
from small_bundles import BUNDLE, write_small_bundle
from small_checkpoints import ASKED, write_asking_bundle

from hierattn.bundle.bundle import Bundle
from hierattn.bundle.prediction_set import SetRule, prediction_sets
from hierattn.bundle.thresholds import TriageSettings
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.advice_texts import LANGUAGES, TEXTS, class_name
from hierattn.deploy.predict.predictor import Diagnosis, Predictor
from hierattn.deploy.predict.triage import LEVELS, advise, not_lowered
from hierattn.errors import BundleError
from hierattn.preprocessing.photo_quality import PhotoQuality
from hierattn.serve.web_app import find_web_app
from hierattn.shares import percent
from hierattn.taxonomy.built_in import EIGHT, PAD
from hierattn.taxonomy.questions import QUESTIONS, answer_codes, read_answers

ASKING = replace(BUNDLE, taxonomy=PAD.asking(QUESTIONS), triage=TriageSettings(group=("MEL",), threshold=0.3))
RULES = (SetRule(0.9, 0.3, 0.88, (0.85, 0.91), 1.9), SetRule(0.95, 0.12))
GROUP = tuple(code for code in PAD.codes if code in PAD.triage_group)
SUBSETS = [
    {question.name: value for question, value in zip(ASKED, told, strict=True) if value}
    for told in itertools.product(("", "54"), ("", "nose"), ("", "yes", "no"))
]
"""Of the answers of the exported bundle."""

built = pytest.mark.skipif(find_web_app() is None, reason="the web app is not built: run 'make web' (needs Node)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asking")


@pytest.fixture(scope="module")
def asking(folder: Path) -> Path:
    """A bundle that asks, with a threshold that answers reach and leave."""
    path = folder / "asking.onnx"
    write_asking_bundle(path, triage=TriageSettings(group=GROUP, threshold=0.8), prediction_sets=RULES)
    return path


@pytest.fixture(scope="module")
def lesions(folder: Path) -> list[Path]:
    paths = [folder / f"lesion{number}.png" for number in range(2)]
    for number, (path, code) in enumerate(zip(paths, ("MEL", "NV"), strict=True)):
        Image.fromarray(render_lesion(code, np.random.default_rng(40 + number), 256).image).save(path)
    return paths


@pytest.fixture(scope="module")
def url(asking: Path, folder: Path) -> Iterator[str]:
    with served(asking, folder / "log") as (_, address):
        yield address


# --- In Node: what a bundle asks, and what an answer is to its network ---


def test_answers_have_pythons_codes(ask):
    given: list[dict[str, str]] = [{}, *({one.name: value} for one in QUESTIONS for value in one.values)]
    given += [{"age": str(value)} for value in (0, 1, 19, 20, 54, 99.5, 119, 120)]
    given += [{"age": "61", "grew": "yes", "site": "nose", "bleed": "no"}, {"age": "54,5", "itch": "unknown"}]
    (theirs,) = ask([{"bundle": ASKING.to_metadata(), "told": given}])
    for told, found in zip(given, theirs, strict=True):
        mine = read_answers(QUESTIONS, told)
        assert found["answers"] == mine
        assert found["codes"] == pytest.approx(answer_codes(QUESTIONS, mine), abs=1e-6)


def test_what_is_no_answer_is_not_known(ask):
    given = [{"age": "old"}, {"age": "121"}, {"age": "-1"}, {"grew": "perhaps"}, {"site": "knee"}, {"water": "yes"}]
    (theirs,) = ask([{"bundle": ASKING.to_metadata(), "told": given}])
    assert [found["answers"] for found in theirs] == [{}] * len(given)


def test_questions_are_read_as_in_python(ask):
    asks, silent = ask([{"bundle": bundle.to_metadata()} for bundle in (ASKING, BUNDLE)])
    assert silent["questions"] == []
    for theirs, mine in zip(asks["questions"], QUESTIONS, strict=True):
        assert {key: theirs[key] for key in mine.to_dict()} == mine.to_dict()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda asked: asked.append(asked[0]),
        lambda asked: asked[1].update(name="water"),
        lambda asked: asked[1].update(values=["female", "female"]),
        lambda asked: asked[1].update(values=["female", "unknown"]),
        lambda asked: asked[1].update(values=["female", ""]),
        lambda asked: asked[1].update(words={"en": ["female"]}),
        lambda asked: asked[1].update(ask={"en": 7}),
        lambda asked: asked[1].update(ask={"en": "?" * 201}),
        lambda asked: asked[1].update(values=[f"value {n}" for n in range(101)], words={}),
        lambda asked: asked[0].update(step=0),
        lambda asked: asked[0].update(step=1e-9),
        lambda asked: asked[0].update(least=120),
        lambda asked: asked[0].update(most="old"),
        lambda asked: asked[0].update(unit=["years"]),
        lambda asked: asked.insert(0, "age"),
    ],
    ids=[
        "twice", "unknown-name", "value-twice", "value-unknown", "value-empty", "words", "ask", "long", "many", "step",
        "points", "range", "number", "unit", "no-record",
    ],
)  # fmt: skip
def test_spoilt_questions_are_refused_as_in_python(ask, spoil):
    metadata = ASKING.to_metadata()
    taxonomy = json.loads(metadata["hierattn.taxonomy"])
    spoil(taxonomy["questions"])
    spoilt = metadata | {"hierattn.taxonomy": json.dumps(taxonomy)}
    assert ask([{"bundle": spoilt}]) == ["bundle"]
    with pytest.raises(BundleError):
        Bundle.from_metadata(spoilt, "spoilt")


def test_the_input_loses_its_default_and_the_graph_stays_as_it_is(ask, asking, tmp_path):
    plain = write_small_bundle(tmp_path / "plain.onnx")
    files = ask([{"optional": str(path), "input": "answers"} for path in (asking, plain)])
    changed, same = map(base64.b64decode, files)
    assert same == plain.read_bytes()
    session = onnxruntime.InferenceSession(changed, providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["image", "answers"]
    before = onnxruntime.InferenceSession(asking, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    for codes in ([0, 0, 0], [3.7, 2, 1]):
        feeds = {"image": images, "answers": np.array([codes], np.float32)}
        for mine, theirs in zip(before.run(None, feeds), session.run(None, feeds), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def risks(alone: float, told: float | None) -> dict[str, Any]:
    """One photograph's answer, by its risks."""

    def numbers(risk: float) -> dict[str, Any]:
        return {"probabilities": [risk, 1 - risk], "risk": risk}

    answered = None if told is None else numbers(alone)
    fit = {"quality": {"ok": True, "problems": []}, "seconds": 1}
    return {**numbers(alone if told is None else told), "alone": answered, **fit}


def test_answers_never_lower_the_advice_as_in_python(ask):
    settings, fit = TriageSettings(group=("MEL",), threshold=0.3), PhotoQuality(True)
    pairs = list(itertools.product((0.1, 0.3, 0.4, 0.5, 0.8), repeat=2))
    theirs = ask([{"answers": [risks(*pair)], "triage": {"group": ["MEL"], "threshold": 0.3}} for pair in pairs])
    for pair, combined in zip(pairs, theirs, strict=True):
        own, told = (advise({"MEL": risk, "NV": 1 - risk}, risk, settings, fit) for risk in pair)
        mine = not_lowered(told, own)
        assert mine is not None
        assert combined["verdict"]["level"] == mine.level
        assert combined["verdict"].get("kept", False) == (TEXTS["en"]["note.answers_kept"] in mine.why)
        assert combined["risk"] == pair[1]
        assert combined["alone"]["risk"] == pair[0]


def test_answers_never_lower_the_advice_of_several_photographs(ask):
    triage = {"group": ["MEL"], "threshold": 0.3}
    drawn = np.random.default_rng(5).random((60, 3, 2)) ** 2
    together = ask([{"answers": [risks(*pair) for pair in photos], "triage": triage} for photos in drawn.tolist()])
    alone = ask([{"answers": [risks(own, None) for own, _ in photos], "triage": triage} for photos in drawn.tolist()])
    kept = 0
    for both, own in zip(together, alone, strict=True):
        assert LEVELS.index(both["verdict"]["level"]) <= LEVELS.index(own["verdict"]["level"])
        kept += both["verdict"].get("kept", False)
        assert both["alone"]["verdict"] == own["verdict"]
    assert 0 < kept < len(drawn)


def test_answers_take_no_class_off_the_prediction_sets_as_in_python(ask):
    drawn = np.random.default_rng(4).dirichlet(np.full(len(EIGHT.codes), 0.4), (80, 2))
    told, alone = drawn[:, :1].tolist(), drawn[:, 1:].tolist()
    metadata = replace(BUNDLE, prediction_sets=RULES).to_metadata()
    (theirs,) = ask([{"bundle": metadata, "lesions": told, "alone": alone}])
    for sets, *pair in zip(theirs, told, alone, strict=True):
        with_answers, own = (dict(zip(EIGHT.codes, photo, strict=True)) for (photo,) in pair)
        assert sets == [list(one.classes) for one in prediction_sets(with_answers, RULES, own)]


# --- In Chromium ---


def tell(page: Any, answers: Mapping[str, str]) -> None:
    """Give these answers, and none to every other question."""
    for question in ASKED:
        value = answers.get(question.name, "")
        if not question.is_choice:
            page.locator(f"#ask-{question.name}").fill(value)
            page.locator(f"#ask-{question.name}").blur()
        elif question.points > 4:
            page.select_option(f"#ask-{question.name}", value)
        else:
            page.locator(f'input[name="ask-{question.name}"][value="{value}"]').check()
    shown = "told => (document.querySelectorAll('.results .result').length > 0) === told"
    page.wait_for_function(shown, arg=bool(answers))


def line_of(heading: str, said: Any, taxonomy: Any) -> str:
    """One of the two results, in English, as the app has it."""
    code = max(said.probabilities, key=said.probabilities.__getitem__)
    words = class_name(next(each for each in taxonomy.classes if each.code == code), "en")
    together = f"{TEXTS['en']['heading.risk']}: {percent(said.risk)}"
    return TEXTS["en"][f"heading.{heading}"].format(answer=f"{words} {percent(said.probabilities[code])}; {together}")


def results(page: Any, place: str) -> list[str]:
    return [line.replace("\u00a0", " ") for line in page.locator(f"{place} .result").all_inner_texts()]


def settled(page: Any, mine: Diagnosis) -> None:
    """The page shows what Python says."""
    page.wait_for_function(
        "risk => Math.abs(parseFloat(document.querySelector('.sum .fill').style.width) / 100 - risk) < 1e-3",
        arg=mine.risk,
    )
    *probabilities, _ = shares(page)
    assert probabilities == pytest.approx(sorted(mine.probabilities.values(), reverse=True), abs=1e-3)
    assert mine.advice is not None
    assert page.locator("#answer").inner_text() == mine.advice.title
    assert (TEXTS["en"]["note.answers_kept"] in page.locator(".why").inner_text()) == (
        TEXTS["en"]["note.answers_kept"] in mine.advice.why
    )
    if mine.photo_alone is None:
        assert results(page, ".answer") == results(page, ".results") == []
        return
    wanted = [line_of("photo_alone", mine.photo_alone, mine.taxonomy), line_of("with_answers", mine, mine.taxonomy)]
    assert results(page, ".answer") == results(page, ".results") == wanted
    assert page.locator(".results .now").inner_text() == mine.advice.title


@built
def test_any_subset_of_answers_gives_pythons_numbers_lines_and_advice_live(open_app, asking, lesions):
    page, predictor = open_app(), Predictor.load(asking)
    kept = raised = 0
    for lesion in lesions:
        answer(page, lesion)
        for given in SUBSETS:
            tell(page, given)
            mine = predictor(lesion, answers=given)
            settled(page, mine)
            assert page.locator("ul.limits li").first.inner_text() == mine.advice.limits[0]
            names = [class_name(each, "en") for each in mine.taxonomy.classes]
            for row, one in zip(page.locator(".sets tbody tr").all(), mine.prediction_sets, strict=True):
                wanted = [names[mine.taxonomy.codes.index(code)] for code in one.classes]
                assert row.locator(".types li").all_inner_texts() == ([] if len(wanted) == len(names) else wanted)
            if given and mine.advice and mine.photo_alone and mine.photo_alone.advice:
                kept += "never lower" in mine.advice.why
                raised += mine.advice.level != mine.photo_alone.advice.level
        page.get_by_role("button", name="Start again").click()
    assert kept
    assert raised


@built
def test_answers_may_come_first_and_another_spot_begins_without_them(open_app, asking, lesions):
    page, predictor, given = open_app(), Predictor.load(asking), {"age": "54", "grew": "yes"}
    page.locator("#ask-age").fill("54")
    page.locator('input[name="ask-grew"][value="yes"]').check()
    answer(page, lesions[0])
    settled(page, predictor(lesions[0], answers=given))
    assert page.locator("#ask-age").input_value() == "54"
    page.get_by_role("button", name="Start again").click()
    assert page.locator("#ask-age").input_value() == ""
    answer(page, lesions[1])
    settled(page, predictor(lesions[1]))


@built
def test_a_photograph_is_removed_also_after_an_answer_and_one_answered_while_it_is_checked_is_kept(
    open_app, asking, lesions
):
    page, predictor, given = open_app(), Predictor.load(asking), {"age": "54"}
    page.evaluate(
        """() => { const post = Worker.prototype.postMessage; window.checked = 0;
        Worker.prototype.postMessage = function (message, ...rest) {
            if (message.ask !== "predict" || window.checked++ > 0) return post.call(this, message, ...rest);
            setTimeout(() => post.call(this, message, ...rest), 400); }; }"""
    )
    page.set_input_files("#choose", str(lesions[0]))
    page.wait_for_function("() => window.checked === 1")
    page.locator("#ask-age").fill("54")
    page.locator("#ask-age").blur()
    page.locator("#answer").wait_for()
    settled(page, predictor(lesions[0], answers=given))
    page.set_input_files("#choose", str(lesions[1]))
    page.get_by_role("button", name="Remove: Photo 2").wait_for()
    tell(page, given | {"grew": "yes"})
    page.get_by_role("button", name="Remove: Photo 1").click()
    page.get_by_role("button", name="Remove: Photo 2").wait_for(state="detached")
    settled(page, predictor(lesions[1], answers=given | {"grew": "yes"}))


@built
def test_another_answer_runs_the_network_alone_and_whoever_answers_keeps_their_place(open_app, lesions):
    page = open_app()
    answer(page, *lesions)
    page.wait_for_timeout(300)
    page.evaluate(
        """() => { const post = Worker.prototype.postMessage; window.asked = [];
        Worker.prototype.postMessage = function (message, ...rest) {
          window.asked.push(message.ask); return post.call(this, message, ...rest); }; }"""
    )
    choice = page.locator('input[name="ask-grew"][value="yes"]')
    choice.scroll_into_view_if_needed()
    before = choice.bounding_box()["y"]
    choice.check()
    page.locator(".results .result").first.wait_for()
    assert page.evaluate("window.asked") == ["predict", "predict"]
    assert choice.bounding_box()["y"] == pytest.approx(before, abs=1)
    assert choice.evaluate("e => e === document.activeElement")


@built
def test_no_number_gets_one_line_and_counts_as_not_known(open_app, asking, lesions):
    page = open_app()
    answer(page, lesions[0])
    age = page.get_by_label("How old are you?")
    for wrong in ("200", "old", "-3"):
        tell(page, {"age": "54"})
        age.fill(wrong)
        age.blur()
        page.get_by_role("alert").filter(has_text="Enter a number from 0 to 120, or leave this empty.").wait_for()
        assert age.get_attribute("aria-invalid") == "true"
        settled(page, Predictor.load(asking)(lesions[0]))
    tell(page, {"age": "54"})
    assert age.get_attribute("aria-invalid") == "false"
    settled(page, Predictor.load(asking)(lesions[0], answers={"age": "54"}))


@built
def test_questions_are_named_and_answered_by_keyboard_with_i_do_not_know_chosen(open_app, lesions):
    page = open_app()
    answer(page, lesions[0])
    section = page.get_by_role("region", name="Questions about this spot")
    grew = section.get_by_role("group", name="Has it grown lately?")
    assert grew.get_by_role("radio", name="I don't know").is_checked()
    assert section.get_by_label("Where is the spot?").input_value() == ""
    assert section.get_by_label("How old are you?").input_value() == ""
    page.get_by_role("button", name="Answer questions").focus()
    for key in ("Enter", "Tab", "5", "4", "Tab"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.id") == "ask-site"
    page.keyboard.type("nose")
    page.keyboard.press("Tab")
    assert grew.get_by_role("radio", name="I don't know").evaluate("e => e === document.activeElement")
    page.keyboard.press("ArrowDown")  # round to the first
    page.locator(".results .result").first.wait_for()
    assert grew.get_by_role("radio", name="Yes").is_checked()
    page.emulate_media(media="print")
    assert "How old are you? 54 years; Where is the spot? nose; Has it grown lately? yes" in (
        page.locator(".answer").inner_text()
    )


@built
def test_a_bundle_without_questions_shows_nothing_of_them(open_app, folder, lesions):
    page = open_app()
    use_bundle(page, write_small_bundle(folder / "silent.onnx"))
    ready(page)
    page.get_by_role("link", name="Photo").click()
    assert page.locator(".questions").count() == 0
    answer(page, lesions[0])
    assert page.locator(".questions, .result").count() == 0
    assert page.get_by_role("button", name="Answer questions").count() == 0


@built
def test_history_keeps_answers_and_both_results_and_refuses_wrong_ones(open_app, asking, lesions, folder):
    page, given = open_app(), {"age": "54", "grew": "yes"}
    answer(page, lesions[0])
    tell(page, given)
    mine = Predictor.load(asking)(lesions[0], answers=given)
    settled(page, mine)
    page.locator("#spot").fill("nose")
    page.get_by_role("button", name="Save to history").click()
    page.get_by_text("Saved on this device.").wait_for()
    page.get_by_role("link", name="History").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export to a file").click()
    exported = folder / "history.json"
    download.value.save_as(exported)
    content = json.loads(exported.read_text(encoding="utf-8"))
    asked = content["visits"][0]["asked"]
    assert asked["answers"] == given
    assert [one["name"] for one in asked["questions"]] == list(given)
    assert mine.photo_alone is not None
    assert asked["alone"]["probabilities"] == pytest.approx(mine.photo_alone.probabilities, abs=1e-3)
    page.set_input_files("#import", str(exported))
    second = content["visits"][0] | {"id": "second"}
    wrong = [
        {"answers": {"age": "200", "grew": "yes"}},
        {"answers": {"age": "54"}},
        {"answers": {"age": "54", "itch": "yes"}},
        {"questions": [{"name": "water"}]},
        {"alone": {**asked["alone"], "level": "harmless"}},
        {"alone": {**asked["alone"], "risk": "low"}},
        {"alone": None},
    ]
    spoilt = [{"asked": asked | change} for change in wrong] + [{"date": 2020}, {"sha256": None}, {"model": 1}]
    for change in spoilt:
        visits = [second, second | {"id": "third"} | change]
        exported.write_text(json.dumps(content | {"visits": visits}), encoding="utf-8")
        page.reload()
        page.locator(".visits li").wait_for()
        page.set_input_files("#import", str(exported))
        page.locator(".status.alarm", has_text="not a history exported by the app").wait_for()
        assert page.locator(".visits li").count() == 1  # nothing of it
    exported.write_text(json.dumps(content | {"visits": [second]}), encoding="utf-8")
    page.set_input_files("#import", str(exported))
    page.locator(".visits li").nth(1).wait_for()
    page.locator(".check input").first.check()
    page.locator(".check input").last.check()
    page.locator(".pair figure").nth(1).wait_for()
    for figure in page.locator(".pair figure").all():
        said = figure.inner_text().replace("\u00a0", " ")
        assert "How old are you? 54 years; Has it grown lately? yes" in said
        assert line_of("photo_alone", mine.photo_alone, mine.taxonomy) in said


@built
@pytest.mark.parametrize(("language", "scheme"), [("en", "light"), ("pt", "dark"), ("zh", "light")])
def test_the_questions_are_accessible_in_every_language_and_need_no_scrolling_sideways(
    open_app, violations, lesions, scheme, language
):
    page = open_app(viewport={"width": 320, "height": 640}, color_scheme=scheme, has_touch=True)
    page.select_option("#language", language)
    for step in range(3):
        if step == 1:
            answer(page, lesions[0])
        if step == 2:
            page.locator("label.option").first.tap()
            page.locator("#ask-age").fill("300")
            page.locator("#ask-age").blur()
            page.locator(".results .result").first.wait_for()
        assert violations(page) == []
        past = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 320.5).length"
        assert page.evaluate(past) == 0
        short = "[...document.querySelectorAll('.questions :is(.option, select, [type=text])')].filter("
        assert page.evaluate(short + "e => e.getBoundingClientRect().height < 44).length") == 0
    text = page.locator(".questions").inner_text()
    for question in ASKED:
        assert question.ask[language] in text
    assert text.count(TEXTS[language]["heading.photo_alone"].split("{")[0].strip()) == 1


@built
def test_the_page_for_a_doctor_has_answers_and_both_results_on_one_sheet(open_app, lesions):
    page = open_app()
    answer(page, lesions[0])
    tell(page, {"age": "54", "site": "nose", "grew": "yes"})
    for language in LANGUAGES:
        page.emulate_media(media="screen")
        page.select_option("#language", language)
        page.emulate_media(media="print")
        answered = page.locator(".answer p.print-only", has_text=ASKED[0].ask[language])
        assert answered.is_visible()
        for question, place in zip(ASKED[1:], ("nose", "yes"), strict=True):
            words = question.words[language][question.values.index(place)]
            assert f"{question.ask[language]} {words}" in answered.inner_text()
        assert page.locator(".answer .result").count() == 2
        assert page.locator(".questions").is_hidden()
        for paper in ("A4", "Letter"):
            assert len(re.findall(rb"/Type /Page\b", page.pdf(format=paper))) == 1
