"""The released bundles: found by name, refused when they are not as released, and as good as their card says.

The last part holds what this tree ships to what is published under results/, and skips where it ships nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from small_bundles import BUNDLE, small_graph, write_model
from tests.conftest import SHARED
from tools.release.publish_release import table
from tools.results.published import OUTER, PublishedRun
from typer.testing import CliRunner

from hierattn.bundle.bundle import read_bundle
from hierattn.cli import demo, predict
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict import released as released_module
from hierattn.deploy.predict.predictor import Predictor, find_bundle
from hierattn.deploy.predict.released import (
    DOMAINS,
    LICENCE,
    MAX_RELEASED_BYTES,
    RELEASE,
    SUMS,
    is_released,
    released_bundle,
    released_folder,
)
from hierattn.errors import BundleError, UsageError
from hierattn.evaluation.measures.calibration import calibrate

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = [domain for domain in DOMAINS if is_released(domain)]


def with_novelty(path: Path, value: float) -> None:
    """A small bundle that finds every photograph ``value`` novel, where 1 is its limit."""
    graph = small_graph(BUNDLE)
    graph.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), "how_novel"))
    graph.graph.node.append(helper.make_node("Mul", ["risk", "zero"], ["none"]))
    graph.graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "zero"))
    graph.graph.node.append(helper.make_node("Add", ["none", "how_novel"], ["novelty"]))
    graph.graph.output.append(helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["N"]))
    write_model(path, graph, replace(BUNDLE, novelty={"threshold": 1.0}).to_metadata())


def list_sums(folder: Path) -> None:
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in folder.glob("*.onnx")]
    (folder / SUMS).write_text("".join(lines))


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A package without bundles."""
    folder = tmp_path / "released"
    folder.mkdir()
    monkeypatch.setattr(released_module, "released_folder", lambda: folder)
    return folder


@pytest.fixture
def folder(empty, monkeypatch):
    """A package with two small bundles: nothing is like what 'dermoscopy' has seen, everything like 'phone's."""
    with_novelty(empty / "dermoscopy.onnx", 3.0)
    with_novelty(empty / "phone.onnx", 0.5)
    list_sums(empty)
    monkeypatch.setattr("hierattn.cli.which_model._second", lambda domain: Predictor.released(domain, threads=1))
    return empty


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(render_lesion("NV", np.random.default_rng(3), 160).image).save(path)
    return path


def call(*words):
    app = typer.Typer()
    app.command()(predict.run)
    result = CliRunner().invoke(app, [str(word) for word in words], env={"HIERATTN_MODEL": "", "COLUMNS": "100"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_each_domain_has_its_bundle(folder):
    assert {domain: released_bundle(domain) for domain in DOMAINS} == {
        "dermoscopy": folder / "dermoscopy.onnx",
        "phone": folder / "phone.onnx",
    }
    assert Predictor.released("phone").bundle.classes == BUNDLE.classes
    assert Predictor.load().bundle.novelty == {"threshold": 1.0}


def test_another_name_is_refused_with_the_names_that_there_are(folder):
    with pytest.raises(UsageError, match="dermoscopy or phone"):
        released_bundle("ultrasound")
    assert not is_released("../released/phone")


@pytest.mark.parametrize("ask", [released_bundle, Predictor.load, Predictor.released, find_bundle])
@pytest.mark.parametrize("domain", DOMAINS)
def test_where_nothing_came_with_the_package_it_says_what_to_do(empty, ask, domain):
    assert not is_released(domain)
    with pytest.raises(UsageError, match="hierattn export"):
        ask(domain)


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


def test_predict_without_a_bundle_says_which_answers_and_that_it_is_not_for_commerce(folder, photo):
    result = call(photo, "--domain", "phone", "--json")
    assert len(json.loads(result.stdout)) == 1
    assert "the released phone model answers" in result.stderr
    assert "non-commercial" in result.stderr
    assert "--domain dermoscopy" in result.stderr


def test_a_bundle_of_ones_own_is_used_without_a_word_about_released_ones(folder, photo, tmp_path):
    with_novelty(tmp_path / "mine.onnx", 0.5)
    assert "released" not in call(photo, "--model", tmp_path / "mine.onnx").stderr


def test_a_photograph_that_only_the_other_model_knows_gets_a_hint_and_the_reverse_gets_none(folder, photo):
    said = call(photo, "--json").stderr
    assert "the phone model has" in said
    assert "--domain phone" in said.splitlines()[-1]
    assert "has seen nothing like" not in call(photo, "--domain", "phone", "--json").stderr


def test_where_both_models_know_nothing_of_it_no_other_is_recommended(folder, photo):
    with_novelty(folder / "phone.onnx", 2.0)
    list_sums(folder)
    assert "has seen nothing like" not in call(photo, "--json").stderr


def test_the_demo_ends_without_a_released_model_where_there_is_none(empty, photo, capsys):
    from rich.console import Console

    demo._ask_released(Console(), photo)
    assert "No model for dermoscopy came with this hierattn" in capsys.readouterr().out


@pytest.mark.parametrize(("value", "said"), [(3.0, "It noticed"), (0.5, "It did not notice")])
def test_the_demo_ends_with_the_released_model_and_what_it_misses(folder, photo, capsys, value, said):
    from rich.console import Console

    with_novelty(folder / "dermoscopy.onnx", value)
    list_sums(folder)
    demo._ask_released(Console(width=2000), photo)
    out = capsys.readouterr().out
    assert said in out
    assert "93.0 % of the dangerous" in out  # BUNDLE's own, of 250 photographs
    assert "On 250 photographs" in out


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
    wanted = {f"{domain}{end}" for domain in SHIPPED for end in (".onnx", ".md")}
    assert kept == (wanted | {RELEASE, LICENCE, SUMS} if SHIPPED else set())


@needs_bundles
def test_both_domains_are_released():
    assert tuple(SHIPPED) == DOMAINS


@needs_bundles
def test_every_file_is_the_one_whose_checksum_is_listed():
    lines = (released_folder() / SUMS).read_text(encoding="ascii").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    assert set(listed) == {f"{domain}{end}" for domain in SHIPPED for end in (".onnx", ".md")} | {RELEASE, LICENCE}
    for name, digest in listed.items():
        assert hashlib.sha256((released_folder() / name).read_bytes()).hexdigest() == digest, name


@needs_bundles
@pytest.mark.parametrize("domain", SHIPPED)
def test_a_released_bundle_is_small_whole_and_says_its_conditions(domain):
    content, bundle = read_bundle(released_bundle(domain))
    model = record()["models"][domain]
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
@pytest.mark.parametrize("domain", SHIPPED)
def test_its_card_has_the_commands_the_checksum_the_licence_and_the_published_figures(domain):
    card = (released_folder() / f"{domain}.md").read_text(encoding="utf-8")
    model = record()["models"][domain]
    report = json.loads((published_run(model) / "report.json").read_text(encoding="utf-8"))
    for stage in model["stages"]:
        assert stage["command"] in card
        assert stage["licence"] in card
    assert model["sha256"] in card
    assert "Non-commercial use only" in card
    assert "Not a medical device" in card
    assert "Not measured: 'hierattn shift" not in card
    for name, figure in model["figures"].items():
        assert figure == report[name], name
    assert model["triage"]["test"] == report["triage"]["test"]
    assert f"{100 * report['balanced_accuracy']['value']:.1f}\N{NARROW NO-BREAK SPACE}%" in card


@needs_bundles
def test_the_page_about_them_shows_what_the_record_says():
    assert table(record()["models"]) in (ROOT / "docs" / "released-models.md").read_text(encoding="utf-8")


@needs_bundles
@pytest.mark.parametrize("domain", SHIPPED)
def test_the_photographs_it_was_judged_on_are_of_the_published_outer_fold(domain):
    model = record()["models"][domain]
    run = published_run(model)
    predictions = PublishedRun(run).tables[OUTER]
    with (run.parent / "splits.csv").open(encoding="utf-8") as file:
        folds = {line.split(",")[0]: int(line.rsplit(",", 1)[1]) for line in list(file)[1:]}
    assert {folds[image] for image in predictions.images} == set(model["judged_on"]["folds"])
    assert {image for image, fold in folds.items() if fold in model["judged_on"]["folds"]} == set(predictions.images)


@needs_bundles
@pytest.mark.parametrize(
    ("domain", "images"),
    [("dermoscopy", "isic2019-ham/ISIC_2019_Training_Input"), ("phone", "pad-ufes-20/images")],
)
def test_on_the_real_photographs_it_answers_as_published(domain, images):
    """From the file of a photograph, through crop, resize and the smaller weights, to the published probability."""
    photographs = SHARED / "data" / images
    if not photographs.is_dir():
        pytest.skip(f"no photographs at {photographs}")
    run = PublishedRun(published_run(record()["models"][domain]))
    predictions, fitted = run.tables[OUTER], run.calibration()
    calibrated = calibrate(predictions.probabilities, fitted.temperature, fitted.class_bias)
    predictor = Predictor.released(domain, threads=1)
    rows = np.random.default_rng(0).choice(len(predictions), 40, replace=False)
    same, apart = 0, 0.0
    for row in rows:
        found = predictor(photographs / f"{predictions.images[row]}.jpg").probabilities
        wanted = dict(zip(predictions.classes, calibrated[row], strict=True))
        apart = max(apart, max(abs(found[code] - wanted[code]) for code in wanted))
        same += max(found, key=found.get) == max(wanted, key=wanted.get)
    assert same >= 38
    assert apart < 0.05
