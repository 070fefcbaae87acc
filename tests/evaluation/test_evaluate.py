"""A run folder in, a judgement out: honest about which images, whole or not at all."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from noise_runs import SPEC, TINY, make_run, make_set

from hierattn.data.prepared_set.looks import freeze
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.deploy.export.export import export
from hierattn.errors import CheckpointError, DataError, LeakError, TableError, UsageError
from hierattn.evaluation.cases import read_cases
from hierattn.evaluation.comparison.entrant import read_entrant
from hierattn.evaluation.evaluate import EvaluateOptions, evaluate
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.calibration import calibrate, read_calibration, softmax
from hierattn.evaluation.pages.model_card import model_card
from hierattn.evaluation.predictions import read_predictions
from hierattn.evaluation.report import Report, measure_predictions, report_of
from hierattn.evaluation.trained_run import TrainedRun
from hierattn.files import CONTENTS
from hierattn.models.inference import predict_logits
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn, digests_of
from hierattn.taxonomy.built_in import EIGHT


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    base = tmp_path_factory.mktemp("evaluate")
    prepared = make_set(base / "prepared")
    run = make_run(base / "run", prepared)
    return run, prepared, evaluate(run, EvaluateOptions(device="cpu", bootstrap=100))


def test_the_run_folder_gets_everything_that_was_promised(judged):
    run, _, result = judged
    folder = run / "evaluation"
    assert result.folder == folder
    assert {path.name for path in folder.iterdir()} == {
        "predictions.csv", "predictions_validation.csv", "cases.csv", "calibration.json", "report.json", "report.html",
        "figures", CONTENTS,
    }  # fmt: skip
    names = {"roc", "confusion_matrix", "reliability", "risk", "risk_coverage", "learning_curves"}
    names |= {"net_benefit_clinic", "net_benefit_cancer"}
    assert {path.stem for path in (folder / "figures").glob("*.png")} == names
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_only_originals_of_the_right_fold_are_judged(judged):
    run, prepared, _ = judged
    records = PackedSet.open(prepared).records
    for name, fold in (("predictions.csv", 1), ("predictions_validation.csv", 2)):
        table = read_predictions(run / "evaluation" / name, EIGHT)
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
    written = Report.load(folder / "report.json")
    calibration = read_calibration(folder / "calibration.json")
    again = measure_predictions(
        read_predictions(folder / "predictions.csv", EIGHT),
        calibration,
        validation=read_predictions(folder / "predictions_validation.csv", EIGHT),
        cases=read_cases(folder / "cases.csv"),
        resamples=100,
    )
    assert all((again.subgroups, again.conformal, again.abstention, again.operating_points))
    assert written == result.report
    assert {name: getattr(written, name) for name in vars(again)} == vars(again)
    validation = read_predictions(folder / "predictions_validation.csv", EIGHT)
    assert calibration.temperature == result.calibration.temperature
    assert calibrate(validation.probabilities, calibration.temperature).shape == (len(validation.images), 8)


def test_the_report_says_what_made_it_and_no_path_of_this_machine(judged):
    run, prepared, result = judged
    provenance = result.report.provenance
    assert provenance.recipe["data"]["prepared"] == "prepared"
    assert provenance.evaluated_on.licence == "CC0"
    assert result.report.protocol.name == "honest"
    for name in ("report.json", "report.html", "calibration.json"):
        assert str(prepared.parent) not in (run / "evaluation" / name).read_text()


def test_a_second_evaluation_gives_the_same_bytes_and_is_another_look_of_one_model(judged):
    run, _, first = judged
    before = {path.name: path.read_bytes() for path in (run / "evaluation").iterdir() if path.is_file()}
    again = evaluate(run, EvaluateOptions(device="cpu", bootstrap=100))
    after = {path.name: path.read_bytes() for path in (run / "evaluation").iterdir() if path.is_file()}
    said = ("report.json", "report.html", CONTENTS)  # how many looks there were
    assert {name: before[name] for name in before if name not in said} == {
        name: after[name] for name in after if name not in said
    }
    assert replace(again.report, looks=first.report.looks) == first.report
    assert (again.report.looks.times, again.report.looks.models) == (first.report.looks.times + 1, 1)


def test_another_manifest_is_refused_and_nothing_is_written(judged, tmp_path):
    _, prepared, _ = judged
    other = make_set(tmp_path / "other", seed=9)
    run = make_run(tmp_path / "run", prepared)
    (run / "manifest.sha256").write_text("0" * 64)
    with pytest.raises(DataError, match="not the set this run was trained on"):
        evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    assert not (run / "evaluation").exists()
    with pytest.raises(TableError, match="no calibration"):  # an external set needs the run's own calibration
        evaluate(run, EvaluateOptions(device="cpu", bootstrap=0), prepared=other)


def test_a_failure_halfway_leaves_the_former_evaluation(judged, monkeypatch):
    run, _, _ = judged
    before = (run / "evaluation" / "report.json").read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hierattn.evaluation.evaluate.write_html_report", fail)
    with pytest.raises(DataError, match="space"):
        evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    assert (run / "evaluation" / "report.json").read_bytes() == before
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


def test_an_evaluation_to_which_somebody_added_a_note_is_not_replaced(judged, tmp_path, monkeypatch):
    run = shutil.copytree(judged[0], tmp_path / "run")
    note = run / "evaluation" / "note.txt"
    note.write_text("keep")
    monkeypatch.setattr("hierattn.evaluation.evaluate.predict_rows", None)  # refused before any work
    with pytest.raises(UsageError, match=r"note\.txt, which is not part of an evaluation"):
        evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    assert note.read_text() == "keep"
    assert (run / "evaluation" / "report.json").is_file()


def test_an_evaluation_of_an_older_version_is_replaced(judged, tmp_path):
    run = shutil.copytree(judged[0], tmp_path / "run")
    (run / "evaluation" / CONTENTS).unlink()
    evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    assert (run / "evaluation" / CONTENTS).is_file()


def test_the_same_set_elsewhere_is_the_same_evaluation(judged, tmp_path):
    run, prepared, result = judged
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in prepared.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    again = evaluate(run, EvaluateOptions(device="cpu", bootstrap=100), prepared=moved)
    assert again.folder == result.folder
    assert again.report.balanced_accuracy == result.report.balanced_accuracy


def test_an_external_set_is_evaluated_whole_but_for_what_was_trained_on(judged, tmp_path):
    run, _, result = judged
    external = make_set(tmp_path / "clinic", source="folder", seed=4, lesion="X")
    judgement = evaluate(run, EvaluateOptions(device="cpu", bootstrap=0), prepared=external)
    assert judgement.folder == run / "evaluation-clinic"
    assert judgement.report.images == 72
    assert (judgement.report.protocol.name, judgement.report.protocol.fold) == ("external", None)
    assert judgement.calibration.temperature == result.calibration.temperature
    assert judgement.validation is None
    assert judgement.report.notes == ()
    # The same images under another manifest: only the outer fold is left.
    overlapping = make_set(tmp_path / "again", source="synthetic", seed=0, lesion="other name ")
    leaked = evaluate(run, EvaluateOptions(device="cpu", bootstrap=0), prepared=overlapping)
    assert leaked.report.images == result.report.images == 24
    assert "trained on them" in leaked.report.notes[0]


def test_another_set_of_the_same_name_replaces_nothing_and_both_logs_of_looks_stay_whole(judged, tmp_path):
    run, _, _ = judged
    sets = []
    for number, place in enumerate((tmp_path / "a", tmp_path / "b")):
        place.mkdir()
        sets.append(make_set(place / "same", source="folder", seed=5 + number, lesion="X"))
    options = EvaluateOptions(device="cpu", bootstrap=0)
    first, second, again, other = (evaluate(run, options, prepared=each) for each in (*sets, *sets))
    assert first.folder == again.folder == run / "evaluation-same"
    assert second.folder == other.folder
    assert second.folder.name == f"evaluation-same-{PackedSet.open(sets[1]).manifest_sha256[:8]}"
    for each in (first, second, again, other):
        assert each.report.looks is not None
        assert not each.report.looks.warnings()
    assert [each.report.looks.times for each in (again, other)] == [2, 2]


def test_an_evaluation_of_other_weights_is_used_by_nothing(tmp_path):
    prepared = make_set(tmp_path / "prepared")
    run = make_run(tmp_path / "run", prepared)
    evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    evaluation, best = EvaluationFolder(run / "evaluation"), run / "best.safetensors"
    assert report_of(evaluation).provenance.weights_sha256 == hashlib.sha256(best.read_bytes()).hexdigest()
    checkpoint = load_checkpoint(best)
    name, values = next(iter(checkpoint.state_dict.items()))
    save_checkpoint(best, replace(checkpoint, state_dict={**checkpoint.state_dict, name: values + 1e-3}))
    for use in (
        lambda: report_of(evaluation),
        lambda: read_entrant("ours", [run]),
        lambda: export(run, tmp_path / "m.onnx"),
        lambda: TrainedRun.open(run).calibration(),
        lambda: evaluate(run, prepared=make_set(tmp_path / "other", source="folder", seed=4, lesion="X")),
    ):
        with pytest.raises(UsageError, match=f"figures of other weights than .*run 'hierattn evaluate {run}' again"):
            use()
    assert not (tmp_path / "m.onnx").exists()
    evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    assert report_of(evaluation).provenance.weights_sha256 == hashlib.sha256(best.read_bytes()).hexdigest()


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
    evaluate(remembering(run, tmp_path / "clean", inner), EvaluateOptions(device="cpu", bootstrap=0))
    untouched = [record for record in records if record.fold == 1]
    leaking = remembering(run, tmp_path / "leaking", [*inner, *untouched[:6]])
    with pytest.raises(LeakError, match=r"^6 photographs of the outer fold"):
        evaluate(leaking, EvaluateOptions(device="cpu", bootstrap=0))
    assert not (leaking / "evaluation").exists()


def test_what_earlier_runs_saw_of_a_external_set_is_left_out(judged, tmp_path):
    run, _, _ = judged
    external = make_set(tmp_path / "clinic", source="folder", seed=4, lesion="X")
    seen = PackedSet.open(external).records[:10]
    knowing = remembering(run, tmp_path / "run", seen)
    evaluate(knowing, EvaluateOptions(device="cpu", bootstrap=0))
    report = evaluate(knowing, EvaluateOptions(device="cpu", bootstrap=0), prepared=external).report
    assert report.images == 62
    assert "10 images left out" in report.notes[0]


def test_classes_that_the_model_does_not_know_are_left_out_and_named(tmp_path):
    known = ("BKL", "MEL", "NV")
    prepared = make_set(tmp_path / "prepared", labels=known)
    run = make_run(tmp_path / "run", prepared, classes=known)
    evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    external = make_set(tmp_path / "eight", source="folder", seed=4, lesion="X")
    report = evaluate(run, EvaluateOptions(device="cpu", bootstrap=0), prepared=external).report
    assert report.images < 72
    assert "ACK, BCC, DF, SCC, VASC left out" in report.notes[0]


def test_rendered_lesions_are_shown_and_photographs_only_when_asked(judged, tmp_path):
    run, _, _ = judged
    evaluate(run, EvaluateOptions(device="cpu", bootstrap=0))
    assert "data:image/jpeg" in (run / "evaluation" / "report.html").read_text()
    photographs = make_set(tmp_path / "photographs", source="ham10000", seed=6)
    own = make_run(tmp_path / "run", photographs)
    evaluate(own, EvaluateOptions(device="cpu", bootstrap=0))
    assert "data:image" not in (own / "evaluation" / "report.html").read_text()
    evaluate(own, EvaluateOptions(device="cpu", bootstrap=0, gallery=True))
    assert "data:image/jpeg" in (own / "evaluation" / "report.html").read_text()


def test_what_is_missing_is_named(judged, tmp_path):
    run, prepared, _ = judged
    with pytest.raises(UsageError, match="no run folder"):
        evaluate(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        evaluate(tmp_path / "empty")
    with pytest.raises(UsageError, match="device 'tpu'"):
        evaluate(run, EvaluateOptions(device="tpu"))
    with pytest.raises(UsageError, match="batch size 0"):
        evaluate(run, EvaluateOptions(batch_size=0))
    moved = make_run(tmp_path / "run", prepared)
    (moved / "manifest.sha256").unlink()
    with pytest.raises(CheckpointError, match=r"manifest\.sha256 is missing"):
        evaluate(moved)
    gone = make_run(tmp_path / "gone", make_set(tmp_path / "soon"))
    (tmp_path / "soon" / "images.npy").unlink()
    with pytest.raises(DataError, match="--data FOLDER"):
        evaluate(gone)


def test_every_look_is_recorded_and_the_report_says_how_many_and_by_how_many(tmp_path):
    prepared = make_set(tmp_path / "prepared")
    digests = PackedSet.open(prepared).digests
    options = EvaluateOptions(device="cpu", bootstrap=0)
    for name in ("one", "other"):
        make_run(tmp_path / name, prepared)
    checkpoint = load_checkpoint(tmp_path / "other" / "best.safetensors")
    save_checkpoint(tmp_path / "other" / "best.safetensors", replace(checkpoint, provenance={"hierattn": "other"}))
    (tmp_path / "plan.toml").write_text('outer_fold = 0\nmetric = "top1"\nchoice = "the best"\n')
    for name, counted in (("one", (1, 1)), ("one", (2, 1)), ("other", (3, 2))):
        report = evaluate(tmp_path / name, options).report
        assert (report.looks.times, report.looks.models) == counted
        assert not report.looks.warnings()
        assert Report.load(tmp_path / name / "evaluation" / "report.json").looks == report.looks
    packed = PackedSet.open(prepared)
    freeze(prepared, packed.manifest_sha256, packed.records, tmp_path / "plan.toml")
    report = evaluate(tmp_path / "other", options).report
    page = (tmp_path / "other" / "evaluation" / "report.html").read_text()
    for line in (
        "This fold has been looked at 4 times, by 2 models, this look included.",
        "It allows looks at fold 0, and this one was at fold 1.",
    ):
        assert line in page
        assert line in model_card(report)
    entries = json.loads((prepared / "looks.json").read_text())["entries"]
    last = entries[-1]
    assert (last["command"], last["run"], last["fold"], last["images"]) == ("Python", "other", 1, report.images)
    weights = hashlib.sha256((tmp_path / "other" / "best.safetensors").read_bytes()).hexdigest()
    assert (last["weights"], last["figures"]["top1"]) == (weights, report.top1.value)
    assert PackedSet.open(prepared).digests == digests
    (prepared / "looks.json").unlink()
    assert "of an earlier report is missing" in evaluate(tmp_path / "one", options).report.looks.problem


def test_an_external_set_gets_the_look_in_its_own_log(tmp_path):
    prepared, other = make_set(tmp_path / "prepared"), make_set(tmp_path / "other", source="else", seed=1, lesion="M")
    run = make_run(tmp_path / "run", prepared)
    options = EvaluateOptions(device="cpu", bootstrap=0)
    evaluate(run, options)
    report = evaluate(run, options, prepared=other).report
    assert report.looks.sentences() == ["All folds have been looked at once, by one model, this look included."]
    assert len(json.loads((prepared / "looks.json").read_text())["entries"]) == 1


def test_changed_photographs_and_things_on_them_are_in_the_report_where_they_are_asked_for(tmp_path, judged):
    assert judged[2].report.robustness is judged[2].report.artefacts is None
    run = make_run(tmp_path / "run", make_set(tmp_path / "prepared"))
    result = evaluate(run, EvaluateOptions(device="cpu", bootstrap=0, robustness=True))
    report = Report.load(run / "evaluation" / "report.json")
    assert report.artefacts == result.report.artefacts
    assert report.artefacts.images == report.robustness.images == len(result.predictions)
    page = (run / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert all(kind.title in page for kind in report.artefacts.kinds.values())
