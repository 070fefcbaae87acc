"""A run folder in, a judgement out: honest about which images, whole or not at all."""

import hashlib
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hierattn.data.prepared_set.manifest import Record, manifest_sha256, write_manifest
from hierattn.data.prepared_set.packed import PackedSet, PackedWriter
from hierattn.errors import CheckpointError, DataError, LeakError, TableError, UsageError
from hierattn.evaluation.cases import read_cases
from hierattn.evaluation.evaluate import evaluate
from hierattn.evaluation.measures.calibration import calibrate, read_calibration, softmax
from hierattn.evaluation.pages.gallery import least_certain, surest_mistakes
from hierattn.evaluation.predictions import read_predictions
from hierattn.evaluation.report import report_from_predictions
from hierattn.image_spec import ImageSpec
from hierattn.models.inference import predict_logits
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn, digests_of
from hierattn.taxonomy import CODES

TINY = {
    "early_channels": [4, 4, 8],
    "stage_channels": [8, 8, 8],
    "transformer_dims": [8, 8, 8],
    "transformer_layers": [1, 1, 1],
    "heads": 2,
}
SPEC = ImageSpec(size=32)


def make_set(folder, source="synthetic", seed=0, labels=CODES, lesion="L"):
    """72 small images of noise in three folds, two of each lesion, and an augmented copy that must never be judged."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    records = []
    with PackedWriter(folder / "images.npy", SPEC.size, 80) as writer:
        for index in range(72):
            pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            writer.append(pixels)
            number = index // 2
            records.append(
                Record(
                    image=f"images/{seed}_{index:03d}.png",
                    label=labels[number % len(labels)],
                    lesion=f"{lesion}{number}",
                    group=f"lesion:{lesion}{number}",
                    fold=(number // len(labels)) % 3,
                    source=source,
                    licence="CC0",
                    sha256=hashlib.sha256(pixels).hexdigest(),
                )
            )
        writer.append(pixels)
        records.append(
            replace(records[0], image="images/copy.png", role="augmented", parent=records[0].image, sha256="0")
        )
    write_manifest(folder / "manifest.csv", records)
    info = {
        "format": 1,
        "manifest_sha256": manifest_sha256(folder / "manifest.csv"),
        "images_sha256": writer.sha256,
        "image_spec": SPEC.to_dict(),
        "source": source,
        "licence": "CC0",
        "citation": "",
    }
    (folder / "prepared.json").write_text(json.dumps(info))
    return folder


def make_run(folder, prepared, classes=CODES):
    folder.mkdir()
    torch.manual_seed(0)
    model = create_model("hierattn_xs", num_classes=len(classes), **TINY)
    save_checkpoint(
        folder / "best.safetensors",
        Checkpoint(
            model="hierattn_xs",
            options=TINY,
            classes=classes,
            image_spec=SPEC,
            state_dict=model.state_dict(),
            recipe={"name": "tiny", "seed": 5, "data": {"prepared": str(prepared), "fold": 1}},
            provenance={"hierattn": "0.1.0", "commit": "abc", "epoch": 0, "training_images": 24},
        ),
    )
    (folder / "manifest.sha256").write_text(manifest_sha256(prepared / "manifest.csv") + "\n")
    (folder / "log.csv").write_text("epoch,train_loss,validation_loss,validation_top1\n0,2.1,2.2,0.1\n")
    return folder


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    base = tmp_path_factory.mktemp("evaluate")
    prepared = make_set(base / "prepared")
    run = make_run(base / "run", prepared)
    return run, prepared, evaluate(run, device="cpu", bootstrap=100)


def test_the_run_folder_gets_everything_that_was_promised(judged):
    run, _, result = judged
    folder = run / "evaluation"
    assert result.folder == folder
    assert {path.name for path in folder.iterdir()} == {
        "predictions.csv", "predictions_validation.csv", "cases.csv", "calibration.json", "report.json", "report.html",
        "figures",
    }  # fmt: skip
    names = {"roc", "confusion_matrix", "reliability", "risk", "risk_coverage", "learning_curves"}
    assert {path.stem for path in (folder / "figures").glob("*.png")} == names
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_only_originals_of_the_right_fold_are_judged(judged):
    run, prepared, _ = judged
    records = PackedSet.open(prepared).records
    for name, fold in (("predictions.csv", 1), ("predictions_validation.csv", 2)):
        table = read_predictions(run / "evaluation" / name)
        expected = [record.image for record in records if record.fold == fold and record.role == "original"]
        assert list(table.images) == expected
        assert set(table.folds.tolist()) == {fold}


def test_probabilities_are_the_networks_own(judged):
    _, prepared, result = judged
    packed = PackedSet.open(prepared)
    rows = [index for index, record in enumerate(packed.records) if record.fold == 1 and record.role == "original"]
    torch.manual_seed(0)
    logits = predict_logits(create_model("hierattn_xs", num_classes=8, **TINY), packed.images, rows, SPEC)
    np.testing.assert_allclose(result.predictions.probabilities, softmax(logits), atol=1e-6)


def test_the_report_follows_from_the_tables_alone(judged):
    run, _, result = judged
    folder = run / "evaluation"
    written = json.loads((folder / "report.json").read_text())
    calibration = read_calibration(folder / "calibration.json")
    again = report_from_predictions(
        read_predictions(folder / "predictions.csv"),
        calibration,
        validation=read_predictions(folder / "predictions_validation.csv"),
        cases=read_cases(folder / "cases.csv"),
        resamples=100,
    )
    assert {"subgroups", "conformal", "abstention", "operating_points"} <= set(again)
    assert written == result.report
    assert {key: written[key] for key in again} == again
    validation = read_predictions(folder / "predictions_validation.csv")
    assert calibration.temperature == result.calibration.temperature
    assert calibrate(validation.probabilities, calibration.temperature).shape == (len(validation.images), 8)


def test_the_report_says_what_made_it_and_no_path_of_this_machine(judged):
    run, prepared, result = judged
    provenance = result.report["provenance"]
    assert provenance["recipe"]["data"]["prepared"] == "prepared"
    assert provenance["judged_on"]["licence"] == "CC0"
    assert result.report["protocol"]["name"] == "honest"
    for name in ("report.json", "report.html", "calibration.json"):
        assert str(prepared.parent) not in (run / "evaluation" / name).read_text()


def test_a_second_evaluation_gives_the_same_bytes(judged):
    run, _, _ = judged
    before = {path.name: path.read_bytes() for path in (run / "evaluation").iterdir() if path.is_file()}
    evaluate(run, device="cpu", bootstrap=100)
    after = {path.name: path.read_bytes() for path in (run / "evaluation").iterdir() if path.is_file()}
    assert before == after


def test_another_manifest_is_refused_and_nothing_is_written(judged, tmp_path):
    _, prepared, _ = judged
    other = make_set(tmp_path / "other", seed=9)
    run = make_run(tmp_path / "run", prepared)
    (run / "manifest.sha256").write_text("0" * 64)
    with pytest.raises(DataError, match="not the set this run learnt from"):
        evaluate(run, device="cpu", bootstrap=0)
    assert not (run / "evaluation").exists()
    with pytest.raises(TableError, match="no calibration"):  # a foreign set needs the run's own calibration
        evaluate(run, prepared=other, device="cpu", bootstrap=0)


def test_a_failure_halfway_leaves_the_former_evaluation(judged, monkeypatch):
    run, _, _ = judged
    before = (run / "evaluation" / "report.json").read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hierattn.evaluation.evaluate.write_html_report", fail)
    with pytest.raises(OSError, match="space"):
        evaluate(run, device="cpu", bootstrap=0)
    assert (run / "evaluation" / "report.json").read_bytes() == before
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_the_same_set_elsewhere_is_the_same_evaluation(judged, tmp_path):
    run, prepared, result = judged
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in prepared.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    again = evaluate(run, prepared=moved, device="cpu", bootstrap=100)
    assert again.folder == result.folder
    assert again.report["balanced_accuracy"] == result.report["balanced_accuracy"]


def test_a_foreign_set_is_judged_whole_but_for_what_was_learnt(judged, tmp_path):
    run, _, result = judged
    foreign = make_set(tmp_path / "clinic", source="folder", seed=4, lesion="X")
    judgement = evaluate(run, prepared=foreign, device="cpu", bootstrap=0)
    assert judgement.folder == run / "evaluation-clinic"
    assert judgement.report["images"] == 72
    assert judgement.report["protocol"] == {**judgement.report["protocol"], "name": "foreign", "fold": None}
    assert judgement.calibration.temperature == result.calibration.temperature
    assert judgement.validation is None
    assert judgement.report["notes"] == []
    # The same images under another manifest: only the untouched fold is left.
    overlapping = make_set(tmp_path / "again", source="synthetic", seed=0, lesion="other name ")
    leaked = evaluate(run, prepared=overlapping, device="cpu", bootstrap=0)
    assert leaked.report["images"] == result.report["images"] == 24
    assert "learnt from them" in leaked.report["notes"][0]


def remembering(run, out, seen):
    """The same run, its weights' record naming the photographs ``seen`` as learnt from in an earlier run."""
    shutil.copytree(run, out, ignore=shutil.ignore_patterns("evaluation*"))
    checkpoint = load_checkpoint(run / "best.safetensors")
    record = TrainedOn(trained=digests_of(one.sha256 for one in seen))
    save_checkpoint(out / "best.safetensors", replace(checkpoint, trained_on=record))
    return out


def test_a_fold_that_the_weights_have_seen_before_is_refused(judged, tmp_path):
    run, prepared, _ = judged
    records = [record for record in PackedSet.open(prepared).records if record.role == "original"]
    inner = [record for record in records if record.fold == 2]
    evaluate(remembering(run, tmp_path / "clean", inner), device="cpu", bootstrap=0)
    untouched = [record for record in records if record.fold == 1]
    leaking = remembering(run, tmp_path / "leaking", [*inner, *untouched[:6]])
    with pytest.raises(LeakError, match=r"^6 photographs of the untouched fold"):
        evaluate(leaking, device="cpu", bootstrap=0)
    assert not (leaking / "evaluation").exists()


def test_what_earlier_runs_saw_of_a_foreign_set_is_left_out(judged, tmp_path):
    run, _, _ = judged
    foreign = make_set(tmp_path / "clinic", source="folder", seed=4, lesion="X")
    seen = PackedSet.open(foreign).records[:10]
    knowing = remembering(run, tmp_path / "run", seen)
    shutil.copytree(run / "evaluation", knowing / "evaluation")
    report = evaluate(knowing, prepared=foreign, device="cpu", bootstrap=0).report
    assert report["images"] == 62
    assert "10 images left out" in report["notes"][0]


def test_classes_that_the_model_does_not_know_are_left_out_and_named(tmp_path):
    known = ("BKL", "MEL", "NV")
    prepared = make_set(tmp_path / "prepared", labels=known)
    run = make_run(tmp_path / "run", prepared, classes=known)
    evaluate(run, device="cpu", bootstrap=0)
    foreign = make_set(tmp_path / "eight", source="folder", seed=4, lesion="X")
    report = evaluate(run, prepared=foreign, device="cpu", bootstrap=0).report
    assert report["images"] < 72
    assert "ACK, BCC, DF, SCC, VASC left out" in report["notes"][0]


def test_rendered_lesions_are_shown_and_photographs_only_when_asked(judged, tmp_path):
    run, _, _ = judged
    evaluate(run, device="cpu", bootstrap=0)
    assert "data:image/jpeg" in (run / "evaluation" / "report.html").read_text()
    photographs = make_set(tmp_path / "photographs", source="ham10000", seed=6)
    own = make_run(tmp_path / "run", photographs)
    evaluate(own, device="cpu", bootstrap=0)
    assert "data:image" not in (own / "evaluation" / "report.html").read_text()
    evaluate(own, device="cpu", bootstrap=0, gallery=True)
    assert "data:image/jpeg" in (own / "evaluation" / "report.html").read_text()


def test_the_gallery_chooses_the_surest_mistakes_and_the_least_certain(judged):
    predictions = judged[2].predictions
    worst = surest_mistakes(predictions, 3)
    assert (predictions.predicted[worst] != predictions.labels[worst]).all()
    confidence = predictions.probabilities.max(axis=1)
    wrong = predictions.predicted != predictions.labels
    assert confidence[worst[0]] == confidence[wrong].max()
    margins = np.diff(np.sort(predictions.probabilities, axis=1)[:, -2:], axis=1)[:, 0]
    assert margins[least_certain(predictions, 1)[0]] == margins.min()


def test_what_is_missing_is_named(judged, tmp_path):
    run, prepared, _ = judged
    with pytest.raises(UsageError, match="no run folder"):
        evaluate(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        evaluate(tmp_path / "empty")
    with pytest.raises(UsageError, match="device 'tpu'"):
        evaluate(run, device="tpu")
    with pytest.raises(UsageError, match="batch size 0"):
        evaluate(run, batch_size=0)
    moved = make_run(tmp_path / "run", prepared)
    (moved / "manifest.sha256").unlink()
    with pytest.raises(CheckpointError, match=r"manifest\.sha256 is missing"):
        evaluate(moved)
    gone = make_run(tmp_path / "gone", make_set(tmp_path / "soon"))
    (tmp_path / "soon" / "images.npy").unlink()
    with pytest.raises(DataError, match="--data FOLDER"):
        evaluate(gone)


def test_the_command_shows_intervals_and_json_is_the_report_alone(judged):
    import typer

    from hierattn.cli.evaluate import run as command

    run, _, _ = judged
    app = typer.Typer()
    app.command()(command)
    shown = CliRunner().invoke(app, [str(run), "--device", "cpu", "--bootstrap", "100"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    for said in ("balanced accuracy", "95 % interval", "melanoma", "report.html", "Not a medical device"):
        assert said in shown.output
    assert re.search(r"0\.\d{3} to 0\.\d{3}", shown.output)
    plain = CliRunner().invoke(app, [str(run), "--device", "cpu", "--bootstrap", "100", "--json"])
    assert json.loads(plain.stdout) == json.loads((run / "evaluation" / "report.json").read_text())
