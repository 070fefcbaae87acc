"""The released bundles: found by name, refused when they are not as released, and as good as their card says.

The last part holds what this tree ships to what is published under results/, and skips where it ships nothing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from small_bundles import BUNDLE, write_released
from tests.conftest import SHARED
from tools.release.publish_release import table
from tools.results.published import OUTER, PublishedRun

from hierattn.bundle.bundle import read_bundle
from hierattn.deploy.predict import released as released_module
from hierattn.deploy.predict.predictor import Predictor, find_bundle
from hierattn.deploy.predict.released import (
    DEFAULT_DOMAIN,
    DOMAIN_OF,
    DOMAINS,
    LICENCE,
    MAX_RELEASED_BYTES,
    NAMES,
    RELEASE,
    SUMS,
    is_released,
    released_bundle,
    released_folder,
)
from hierattn.errors import BundleError, UsageError
from hierattn.evaluation.measures.calibration import calibrate

ROOT = Path(__file__).resolve().parents[3]
PHOTOGRAPHS = {
    "dermoscopy": [f"isic2019-{part}/ISIC_2019_Training_Input" for part in ("ham-256", "other-sources")],
    "phone": ["pad-ufes-20/images", "pad-ufes-20-more/images"],
}
"""Domain -> the folders of the photographs that its bundles were judged on."""
SHIPPED = [name for name in NAMES if is_released(name)]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A package without bundles."""
    folder = tmp_path / "released"
    folder.mkdir()
    monkeypatch.setattr(released_module, "released_folder", lambda: folder)
    return folder


@pytest.fixture
def folder(empty):
    """A package with small bundles."""
    return write_released(empty)


def test_each_name_has_its_bundle_and_each_domain_one_of_its_own_name(folder):
    assert {name: released_bundle(name) for name in NAMES} == {name: folder / f"{name}.onnx" for name in NAMES}
    assert {name: domain for name, domain in DOMAIN_OF.items() if name in DOMAINS} == {
        domain: domain for domain in DOMAINS
    }
    assert released_bundle() == folder / f"{DEFAULT_DOMAIN}.onnx"
    assert Predictor.released("phone").bundle.classes == BUNDLE.classes
    assert Predictor.load().bundle.novelty == {"threshold": 1.0}


def test_another_name_is_refused_with_the_names_that_there_are(folder):
    with pytest.raises(UsageError, match="dermoscopy, dermoscopy-large, phone"):
        released_bundle("ultrasound")
    assert not is_released("../released/phone")


@pytest.mark.parametrize("ask", [released_bundle, Predictor.load, Predictor.released, find_bundle])
@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_came_with_the_package_it_says_what_to_do(empty, ask, name):
    assert not is_released(name)
    with pytest.raises(UsageError, match="hierattn export"):
        ask(name)


def test_a_changed_byte_is_refused_before_anything_is_loaded(folder):
    content = bytearray((folder / "phone.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "phone.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="not as released"):
        Predictor.load("phone")
    assert released_bundle("dermoscopy").is_file()


@pytest.mark.parametrize("listed", ["", "0123  other.onnx\n", "\xff", None])
def test_a_bundle_without_its_checksum_is_refused(folder, listed):
    (folder / SUMS).unlink()
    if listed is not None:
        (folder / SUMS).write_bytes(listed.encode("latin-1"))
    with pytest.raises(BundleError, match=SUMS):
        released_bundle("phone")


def test_a_file_that_is_too_large_to_be_one_is_not_read(folder):
    with (folder / "phone.onnx").open("r+b") as file:
        file.truncate(1 << 40)  # a hole: reading it would take a terabyte
    with pytest.raises(BundleError, match="at most"):
        released_bundle("phone")


def test_a_folder_of_photographs_called_as_a_domain_does_not_hide_the_model(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phone").mkdir()
    assert find_bundle("phone") == folder / "phone.onnx"


def test_a_file_of_that_name_is_what_was_asked_for(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phone").touch()
    assert find_bundle("phone") == Path("phone")
    assert Predictor.released("phone").bundle.model == BUNDLE.model


# What this tree ships.

needs_bundles = pytest.mark.skipif(
    not SHIPPED, reason="no bundle is released in this tree: python -m tools.release.publish_release makes them"
)


def record() -> dict:
    return json.loads((released_folder() / RELEASE).read_text(encoding="utf-8"))


def published_run(model: dict) -> Path:
    """The folder under results/ of the run behind a released bundle."""
    found = [
        path.parent
        for path in ROOT.glob("results/*/*/report.json")
        if json.loads(path.read_text(encoding="utf-8"))["run"] == model["run"]
    ]
    assert len(found) == 1, f"{model['run']} is published {len(found)} times under results/: wanted once"
    return found[0]


def test_what_lies_in_the_folder_is_released_whole_or_not_at_all():
    kept = {path.name for path in released_folder().iterdir()} - {"__init__.py", "__pycache__"}
    wanted = {f"{name}{end}" for name in SHIPPED for end in (".onnx", ".md")}
    assert kept == (wanted | {RELEASE, LICENCE, SUMS} if SHIPPED else set())


@needs_bundles
def test_all_of_them_are_released():
    assert tuple(SHIPPED) == NAMES


@needs_bundles
def test_every_file_is_the_one_whose_checksum_is_listed():
    lines = (released_folder() / SUMS).read_text(encoding="ascii").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    assert set(listed) == {f"{name}{end}" for name in SHIPPED for end in (".onnx", ".md")} | {RELEASE, LICENCE}
    for name, digest in listed.items():
        assert hashlib.sha256((released_folder() / name).read_bytes()).hexdigest() == digest, name


@needs_bundles
@pytest.mark.parametrize("name", SHIPPED)
def test_a_released_bundle_is_small_whole_and_says_its_conditions(name):
    content, bundle = read_bundle(released_bundle(name))
    model = record()["models"][name]
    assert len(content) == model["bytes"] <= MAX_RELEASED_BYTES
    assert hashlib.sha256(content).hexdigest() == model["sha256"]
    assert bundle.training_data["licence"] == model["licence"] == "CC BY-NC 4.0"
    assert "Non-commercial use only" in bundle.intended_use
    assert bundle.triage.threshold == model["triage"]["threshold"]
    assert bundle.triage.sensitivity is not None
    assert bundle.novelty_threshold is not None
    assert bundle.precision["agreement"] >= 0.99
    assert bundle.provenance["commands"] == [stage["command"] for stage in model["stages"]]
    assert all(stage["commit"] for stage in model["stages"])
    text = json.dumps(bundle.to_metadata())
    assert not [word for word in ("/home/", "/tmp/", "../") if word in text]


@needs_bundles
@pytest.mark.parametrize("name", SHIPPED)
def test_its_card_has_the_commands_the_checksum_the_licence_and_the_published_figures(name):
    card = (released_folder() / f"{name}.md").read_text(encoding="utf-8")
    model = record()["models"][name]
    report = json.loads((published_run(model) / "report.json").read_text(encoding="utf-8"))
    for stage in model["stages"]:
        assert stage["command"] in card
        assert stage["licence"] in card
    assert model["sha256"] in card
    assert "Non-commercial use only" in card
    assert "Not a medical device" in card
    assert "Not measured: 'hierattn shift" not in card
    for key, figure in model["figures"].items():
        assert figure == report[key], key
    assert model["triage"]["test"] == report["triage"]["test"]
    assert f"{100 * report['balanced_accuracy']['value']:.1f}\N{NARROW NO-BREAK SPACE}%" in card


@needs_bundles
def test_the_page_about_them_shows_what_the_record_says():
    assert table(record()["models"]) in (ROOT / "docs" / "released-models.md").read_text(encoding="utf-8")


@needs_bundles
@pytest.mark.parametrize("name", SHIPPED)
def test_the_photographs_it_was_judged_on_are_of_the_published_outer_fold(name):
    model = record()["models"][name]
    run = published_run(model)
    predictions = PublishedRun(run).tables[OUTER]
    published = []
    for path in run.parent.glob("splits*.csv"):
        with path.open(encoding="utf-8") as file:
            folds = {line.split(",")[0]: int(line.rsplit(",", 1)[1]) for line in list(file)[1:]}
        published.append({image for image, fold in folds.items() if fold in model["judged_on"]["folds"]})
    assert set(predictions.images) in published


@needs_bundles
@pytest.mark.parametrize("name", SHIPPED)
def test_on_the_real_photographs_it_answers_as_published(name):
    """From the file of a photograph, through crop, resize and the smaller weights, to the published probability."""
    folders = [SHARED / "data" / folder for folder in PHOTOGRAPHS[DOMAIN_OF[name]]]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip(f"no photographs at {folders[0]}")
    run = PublishedRun(published_run(record()["models"][name]))
    predictions, fitted = run.tables[OUTER], run.calibration()
    calibrated = calibrate(predictions.probabilities, fitted.temperature, fitted.class_bias)
    predictor = Predictor.released(name, threads=1)
    rows = np.random.default_rng(0).choice(len(predictions), 40, replace=False)
    same, apart = 0, 0.0
    for row in rows:
        file = f"{predictions.images[row]}.jpg"
        (photograph,) = (folder / file for folder in folders if (folder / file).is_file())
        found = predictor(photograph).probabilities
        wanted = dict(zip(predictions.classes, calibrated[row], strict=True))
        apart = max(apart, max(abs(found[code] - wanted[code]) for code in wanted))
        same += max(found, key=found.get) == max(wanted, key=wanted.get)
    assert same >= 38
    assert apart < 0.05
