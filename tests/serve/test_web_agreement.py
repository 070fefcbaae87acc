"""The web app's TypeScript against Python on the same pixels: crop, quality, resize, triage and metadata.

The modules run in Node, bundled by Vite; tests/serve/test_web_app.py runs the whole app in a browser.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image
from small_bundles import BUNDLE, CALIBRATED, NOVEL, OWN, UNCALIBRATED, write_small_bundle

from hierattn.bundle.bundle import FORMAT_VERSION, Bundle, read_bundle
from hierattn.bundle.prediction_set import SetRule, prediction_sets
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.advice_texts import LANGUAGES, class_name
from hierattn.deploy.predict.released import NAMES, released_bundle
from hierattn.deploy.predict.triage import TriageSettings, decide
from hierattn.errors import BundleError
from hierattn.image_spec import ColourConstancy, ImageSpec
from hierattn.preprocessing.adaptive_crop import crop, find_crop
from hierattn.preprocessing.colour_constancy import balance_colours
from hierattn.preprocessing.photo_quality import PhotoQuality, judge_photo
from hierattn.shares import fraction, of_hundred, percent, told_apart
from hierattn.taxonomy.built_in import BUILT_IN, EIGHT


def surrounded(image: np.ndarray, radius: float, shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """A round field of view in a dark frame, as a dermatoscope leaves it."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    inside = (x - width / 2 - shift[0]) ** 2 + (y - height / 2 - shift[1]) ** 2 < (radius * min(width, height)) ** 2
    return np.where(inside[:, :, None], image, image // 24).astype(np.uint8)


def pictures() -> list[np.ndarray]:
    """Rendered lesions, sharp and spoilt, of many shapes; with and without a dark surround; and plain noise."""
    generator = np.random.default_rng(5)
    rendered = [render_lesion(code, np.random.default_rng(n), 200).image for n, code in enumerate(EIGHT.codes)]
    shapes = [(200, 200), (333, 251), (640, 480), (97, 130), (64, 64), (1001, 703), (257, 256), (30, 400)]
    resized = [
        np.asarray(Image.fromarray(one).resize(shape, Image.Resampling.BICUBIC))
        for one, shape in zip(rendered, shapes, strict=True)
    ]
    round_fields = [
        surrounded(one, radius, shift)
        for one, radius, shift in zip(
            rendered * 2,
            np.linspace(0.2, 0.62, 16),
            [(0, 0), (10, -6), (-20, 5), (3, 30)] * 4,
            strict=True,
        )
    ]
    large = [surrounded(np.asarray(Image.fromarray(one).resize((900, 700))), 0.48) for one in rendered[:4]]
    spoilt = [
        (rendered[0] * 0.1).astype(np.uint8),
        np.minimum(255, rendered[1].astype(int) + 160).astype(np.uint8),
        np.ascontiguousarray(rendered[2][:, :, ::-1]),
        np.full((150, 150, 3), (200, 150, 130), np.uint8),
        generator.integers(0, 256, (211, 190, 3)).astype(np.uint8),
    ]
    return [*rendered, *resized, *round_fields, *large, *spoilt]


@pytest.fixture(scope="module")
def agreed(ask: Any, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[np.ndarray, dict[str, Any], str]]:
    """Each picture with what TypeScript made of it, under each crop rule."""
    folder = tmp_path_factory.mktemp("raw")
    cases = [(image, rule) for rule in ("surround", "paper", "none") for image in pictures()]
    questions = []
    for number, (image, rule) in enumerate(cases):
        raw = folder / str(number)
        raw.write_bytes(image.tobytes())
        height, width = image.shape[:2]
        questions.append({"raw": str(raw), "width": width, "height": height, "size": 64, "rule": rule})
    return [(image, theirs, rule) for (image, rule), theirs in zip(cases, ask(questions), strict=True)]


def test_crop_is_pythons_to_the_pixel(agreed):
    cropped = 0
    for image, theirs, rule in agreed:
        box = find_crop(image, rule)
        expected = None if box is None else {name: getattr(box, name) for name in ("left", "top", "right", "bottom")}
        assert theirs["box"] == expected, (image.shape, rule)
        cropped += box is not None and rule == "surround"
    assert cropped >= 8


def test_resize_is_pillows_to_the_bit_where_the_order_of_its_passes_is_known(agreed):
    """Newer Pillows take the columns of some tall pictures first; then one grey level is the bound."""
    spec = ImageSpec(size=64)
    for image, theirs, rule in agreed:
        part = np.ascontiguousarray(crop(image, find_crop(image, rule)))
        averaged = np.asarray(Image.fromarray(part).resize((64, 64), Image.Resampling.BOX))
        for name, mine in (("resized", spec.resize(part)), ("averaged", averaged)):
            pixels = np.frombuffer(base64.b64decode(theirs[name]), np.uint8).reshape(64, 64, 3)
            difference = np.abs(pixels.astype(int) - mine).max()
            assert difference <= (part.shape[0] > part.shape[1]), (image.shape, rule, name)


def test_balanced_colours_are_pythons_to_the_bit(ask, tmp_path):
    """Under lamps of many colours, with an empty channel, with gains at their limit, and where all is black."""
    small = [image for image in pictures() if image.size < 3 * 300**2]
    lamps = [(1.0, 0.8, 0.55), (0.6, 0.9, 1.0), (1.0, 0.0, 0.4), (1.0, 0.3, 0.02), (0.0, 0.0, 0.0)]
    images = small + [(image * lamp).astype(np.uint8) for image, lamp in zip(small, lamps, strict=False)]
    methods = get_args(ColourConstancy)
    questions = []
    for number, image in enumerate(images):
        (raw := tmp_path / str(number)).write_bytes(image.tobytes())
        named = {"raw": str(raw), "width": image.shape[1], "height": image.shape[0]}
        questions += [named | {"colours": method} for method in methods]
    cases = [(image, method) for image in images for method in methods]
    changed = 0
    for (image, method), theirs in zip(cases, ask(questions), strict=True):
        mine = balance_colours(image, method)
        assert base64.b64decode(theirs) == mine.tobytes(), (image.shape, method)
        changed += bool((mine != image).any())
    assert changed > len(images)


def test_quality_is_pythons(agreed):
    seen = set()
    for image, theirs, rule in agreed:
        box = find_crop(image, rule)
        part = crop(image, box)
        mine = judge_photo(part, cropped=box is not None)
        assert theirs["quality"]["problems"] == list(mine.problems)
        tolerance = 0.02 if part.shape[0] > part.shape[1] else 1e-5  # see the test above
        assert theirs["quality"]["values"] == pytest.approx(mine.values, rel=tolerance, abs=10 * tolerance)
        seen |= set(mine.problems)
    assert seen >= {"small", "flat", "dark", "bright", "colour"}


@pytest.mark.parametrize("settings", [CALIBRATED, UNCALIBRATED.triage], ids=["calibrated", "uncalibrated"])
@pytest.mark.parametrize("ok", [True, False])
def test_advice_has_pythons_level_and_reason(ask, settings: TriageSettings, ok):
    risks = [0.0, 0.1, 0.2999, 0.3, 0.31, 0.4999, 0.5, 0.7, 1.0]
    triage = {"group": settings.group, "threshold": settings.threshold}
    (theirs,) = ask([{"risks": risks, "triage": triage, "ok": ok}])
    for risk, verdict in zip(risks, theirs, strict=True):
        mine = decide({}, risk, settings, PhotoQuality(ok))
        assert (verdict["level"], verdict["reason"]) == (mine.level, mine.reason)
        assert verdict["numbers"] == mine.numbers


def test_percentages_read_as_in_python(ask):
    shares = [
        0,
        1e-9,
        0.004,
        0.0099,
        0.01,
        0.014,
        0.015,
        0.125,
        0.384,
        0.5,
        0.505,
        0.1225,
        0.1275,
        0.1235,
        0.985,
        0.99,
        0.9901,
        0.99999,
        1,
    ]
    shares += np.random.default_rng(3).random(200).tolist()
    for digits in range(3):
        theirs = ask([{"percent": shares, "digits": digits}, {"fraction": shares, "digits": digits + 1}])
        assert theirs[0] == [percent(share, digits) for share in shares]
        assert theirs[1] == [fraction(share, digits + 1) for share in shares]


def test_a_share_of_a_hundred_rounds_towards_the_bad_news_as_in_python(ask):
    shares = [0, 1e-9, 0.004, 0.8766, 0.9045, 0.994, 0.996, 0.9999999, 1, *(n / 240 for n in range(241))]
    assert ask([{"of_hundred": shares}]) == [[of_hundred(share) for share in shares]]


def test_a_risk_and_its_limit_are_told_apart_as_in_python(ask):
    pairs = [[0.0438, 0.0442], [0.04, 0.62], [0.3, 0.3], [0.99991, 0.99999], [0.001, 0.002], [0.5, 0.500001]]
    assert ask([{"told_apart": pairs}]) == [[list(told_apart(*pair)) for pair in pairs]]


def test_another_photograph_never_talks_an_alarm_down(ask):
    def answer(risk: float, ok: bool = True) -> dict[str, Any]:
        return {"probabilities": [risk, 1 - risk], "risk": risk, "quality": {"ok": ok, "problems": []}, "seconds": 1}

    triage = {"group": ["MEL"], "threshold": 0.3}
    several = [answer(0.9), answer(0.0), answer(0.0), answer(0.0), answer(1.0, ok=False)]
    alarmed, alone = ask([{"answers": several, "triage": triage}, {"answers": [answer(1.0, False)], "triage": triage}])
    assert alarmed["risk"] == pytest.approx(0.225)  # the mean of those that are fit, under the threshold
    assert alarmed["verdict"]["level"] == "see_soon"
    assert (alarmed["fit"], alarmed["photos"]) == (4, 5)
    assert alone["verdict"]["level"] == "retake"


def calibrated_answers() -> np.ndarray:
    """(lesions, 3 photographs, classes) in float64, as a float32 graph gives them: sure, unsure, and full of ties."""
    generator = np.random.default_rng(3)
    drawn = [generator.dirichlet(np.full(len(EIGHT.codes), sure), (100, 3)) for sure in (0.1, 0.5, 5.0)]
    tied = np.round(drawn[1] * 8) / 8  # values that stand beside one another, and on the thresholds below
    even = np.full((1, 3, len(EIGHT.codes)), 1 / len(EIGHT.codes))
    answers: np.ndarray = np.concatenate([*drawn, tied, even]).astype(np.float32).astype(np.float64)
    return answers


SET_RULES = (
    SetRule(0.9, 0.1285577539143908, 0.8766, (0.8475, 0.9041), 1.87),
    *(SetRule(0.95, threshold) for threshold in (0.0, 0.125, 0.25, 0.5, float(np.float32(0.1)), 0.1, 1.0)),
)


def metadata_of(rules: Sequence[SetRule]) -> dict[str, str]:
    """Of a bundle with these rules."""
    return replace(BUNDLE, prediction_sets=tuple(rules)).to_metadata()


@pytest.mark.parametrize("rules", [SET_RULES, SET_RULES[:1], ()], ids=["many", "one", "none"])
def test_prediction_sets_of_one_photograph_are_pythons(ask, rules):
    answers = calibrated_answers()[:, 0]
    (theirs,) = ask([{"bundle": metadata_of(rules), "lesions": answers[:, None].tolist()}])
    sizes = set()
    for answer, sets in zip(answers, theirs, strict=True):
        mine = prediction_sets(dict(zip(EIGHT.codes, answer.tolist(), strict=True)), rules)
        assert sets == [list(one.classes) for one in mine]
        sizes |= {len(one) for one in sets}
    assert sizes == set(range(len(EIGHT.codes) + 1)) or len(rules) < 2


def test_prediction_set_of_several_photographs_is_the_union_of_pythons_sets(ask):
    lesions = calibrated_answers()
    (theirs,) = ask([{"bundle": metadata_of(SET_RULES), "lesions": lesions.tolist()}])
    larger = 0
    for photos, sets in zip(lesions, theirs, strict=True):
        of_each = [prediction_sets(dict(zip(EIGHT.codes, photo.tolist(), strict=True)), SET_RULES) for photo in photos]
        mean = dict(zip(EIGHT.codes, (sum(photos) / len(photos)).tolist(), strict=True))
        for number, of_mean in enumerate(prediction_sets(mean, SET_RULES)):
            union = {code for one in of_each for code in one[number].classes}
            assert sets[number] == sorted(union, key=lambda code: (-mean[code], EIGHT.codes.index(code)))
            assert set(of_mean.classes) <= union  # the mean never has a class that no photograph has
            larger += len(union) > len(of_mean.classes)
    assert larger > 100


@pytest.mark.parametrize(("field", "value"), [(0, None), (1, 1.5), (2, -0.1), (3, [0.8, 2])])
def test_impossible_set_rules_are_refused_as_in_python(ask, field, value):
    rule = asdict(SET_RULES[0])
    spoilt = rule | {list(rule)[field]: value}
    metadata = BUNDLE.to_metadata() | {"hierattn.prediction_sets": json.dumps([spoilt])}
    sound, refused = ask([{"bundle": metadata_of(SET_RULES[:1])}, {"bundle": metadata}])
    assert len(sound["setRules"]) == 1
    assert refused == "bundle"
    with pytest.raises(BundleError):
        Bundle.from_metadata(metadata, "spoilt")


def assert_described(theirs: dict[str, Any], mine: Bundle) -> None:
    """The app's description of a bundle is Python's."""
    assert theirs["model"] == {"name": mine.model, "parameters": mine.parameters}
    assert theirs["classes"] == list(mine.classes)
    colours = [(each.code, each.name, each.colour, each.colour_dark) for each in mine.taxonomy.classes]
    assert [
        tuple(each[key] for key in ("code", "name", "colour", "colourDark")) for each in theirs["taxonomy"]
    ] == colours
    spec = mine.image_spec
    assert theirs["imageSpec"] == {"size": spec.size, "crop": spec.crop, "colourConstancy": spec.colour_constancy}
    for name in ("threshold", "sensitivity", "images"):
        assert theirs["triage"][name] == getattr(mine.triage, name)
    assert theirs["triage"]["group"] == list(mine.triage.group)
    assert theirs["triage"]["interval"] == (list(mine.triage.interval) if mine.triage.interval else None)
    assert theirs["noveltyThreshold"] == mine.novelty_threshold
    assert theirs["trainingData"]["licence"] == mine.training_data["licence"]
    assert theirs["commit"] == mine.provenance.get("commit", "?")
    assert theirs["intendedUse"] == mine.intended_use
    rules = [list(asdict(rule).values()) for rule in mine.prediction_sets]
    assert [list(rule.values()) for rule in theirs["setRules"]] == json.loads(json.dumps(rules))


def test_bundles_are_described_as_in_python(ask):
    """The small ones of the tests, and the released ones as they are."""
    small = [BUNDLE, UNCALIBRATED, NOVEL, replace(BUNDLE, prediction_sets=SET_RULES), *OWN.values()]
    released = [read_bundle(released_bundle(name))[1] for name in NAMES]
    files = ask([{"onnx": str(released_bundle(name))} for name in NAMES])
    questions = [*(bundle.to_metadata() for bundle in small), *files]
    for theirs, mine in zip(ask([{"bundle": one} for one in questions]), [*small, *released], strict=True):
        assert_described(theirs, mine)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("bundle", [BUNDLE, *OWN.values()], ids=["eight", *OWN])
def test_classes_are_called_as_in_python(ask, bundle, language):
    (theirs,) = ask([{"words": bundle.to_metadata(), "language": language}])
    assert theirs == [class_name(each, language) for each in bundle.taxonomy.classes]


def test_every_built_in_class_is_called_as_in_python_in_every_language(ask):
    bundles = [replace(BUNDLE, taxonomy=taxonomy, triage=TriageSettings()) for taxonomy in BUILT_IN.values()]
    for language in LANGUAGES:
        told = ask([{"words": bundle.to_metadata(), "language": language} for bundle in bundles])
        for theirs, bundle in zip(told, bundles, strict=True):
            assert theirs == [class_name(each, language) for each in bundle.taxonomy.classes]


@pytest.mark.parametrize("ok", [True, False])
def test_without_referral_there_is_no_advice_but_to_retake_as_in_python(ask, ok):
    (theirs,) = ask([{"risks": [None], "triage": {"group": [], "threshold": None}, "ok": ok}])
    mine = decide({}, None, TriageSettings(), PhotoQuality(ok))
    assert theirs == [None if mine is None else {"level": mine.level, "reason": mine.reason, "numbers": {}}]

    def answer(fit: bool) -> dict[str, Any]:
        quality = {"ok": fit, "problems": [] if fit else ["dark"]}
        return {"probabilities": [0.5, 0.5], "risk": None, "quality": quality, "seconds": 1}

    (several,) = ask([{"answers": [answer(ok), answer(False)], "triage": {"group": [], "threshold": None}}])
    assert several["risk"] is None
    assert (several["verdict"] or {}).get("level") == (None if ok else "retake")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda classes: classes.pop(),
        lambda classes: classes.reverse(),
        lambda classes: classes[0].update(colour="url(https://example.org)"),
        lambda classes: classes[0].update(name=7),
        lambda classes: classes[1].update(classes[0]),
        lambda classes: classes[2].update(plain={"en": ["scaly"]}),
    ],
    ids=["one-lost", "reversed", "colour", "name", "twice", "words"],
)
def test_spoilt_classes_are_refused_as_in_python(ask, spoil):
    metadata = OWN["clinic"].to_metadata()
    taxonomy = json.loads(metadata["hierattn.taxonomy"])
    spoil(taxonomy["classes"])
    spoilt = metadata | {"hierattn.taxonomy": json.dumps(taxonomy)}
    assert ask([{"bundle": spoilt}]) == ["bundle"]
    with pytest.raises(BundleError):
        Bundle.from_metadata(spoilt, "spoilt")


def test_first_format_is_still_read_and_a_newer_one_is_not(ask):
    rule = {"wished": 0.9, "threshold": 0.2, "coverage": 0.88, "interval": [0.85, 0.9], "mean_size": 1.9}
    first = BUNDLE.to_metadata() | {
        "hierattn.format_version": "1",
        "hierattn.prediction_sets": json.dumps([rule]),
    }
    newer = BUNDLE.to_metadata() | {"hierattn.format_version": str(FORMAT_VERSION + 1)}
    older = BUNDLE.to_metadata() | {"hierattn.format_version": "0"}
    theirs, *refused = ask([{"bundle": one} for one in (first, newer, older, {})])
    assert list(theirs["setRules"][0].values()) == list(rule.values())
    assert refused == ["newer", "bundle", "bundle"]


def test_metadata_are_read_without_a_library(ask, tmp_path):
    path = write_small_bundle(tmp_path / "small.onnx")
    (metadata,) = ask([{"onnx": str(path)}])
    assert metadata == BUNDLE.to_metadata()
