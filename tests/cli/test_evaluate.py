"""The command evaluate: tables with intervals for people, the report alone for programs."""

import json
import re
from dataclasses import replace

from noise_runs import make_run, make_set
from prediction_tables import table
from reports import made
from small_bundles import BUNDLE, write_small_bundle
from typer.testing import CliRunner

from hierattn.bundle.thresholds import TriageSettings
from hierattn.cli.evaluate import _sentences
from hierattn.cli.main import app as whole
from hierattn.errors import BundleError, UsageError
from hierattn.evaluation.cases import Case
from hierattn.evaluation.folder import EvaluationFolder
from hierattn.evaluation.measures.subgroups import by_subgroups
from hierattn.evaluation.measures.thresholds import NO_THRESHOLD
from hierattn.image_spec import ImageSpec
from hierattn.shares import setting
from hierattn.taxonomy.built_in import EIGHT, ISIC2018
from hierattn.taxonomy.from_labels import own_classes
from hierattn.taxonomy.records import NO_REFERRAL


def test_the_command_shows_intervals_and_json_is_the_report_alone(tmp_path):
    import typer

    from hierattn.cli.evaluate import run as command

    run = make_run(tmp_path / "run", make_set(tmp_path / "prepared"))
    app = typer.Typer()
    app.command()(command)
    shown = CliRunner().invoke(app, [str(run), "--device", "cpu", "--bootstrap", "100"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    for said in ("balanced accuracy", "95 % interval", "melanoma", "report.html", "Not a medical device"):
        assert said in shown.output
    assert re.search(r"0\.\d{3} to 0\.\d{3}", shown.output)
    assert f"Next: hierattn export {run} run.onnx" in shown.output.replace("\n", "")
    assert "not trained to its end" in shown.output
    (run / "finished.json").write_text("{}")
    assert "not trained to its end" not in CliRunner().invoke(app, [str(run), "--device", "cpu"]).output
    plain = CliRunner().invoke(app, [str(run), "--device", "cpu", "--bootstrap", "100", "--json"])
    assert json.loads(plain.stdout) == json.loads((run / "evaluation" / "report.json").read_text())


def test_the_challenges_form_is_written_beside_and_what_it_cannot_hold_is_refused_before_any_work(tmp_path):
    import typer

    from hierattn.cli.evaluate import run as command
    from hierattn.errors import UsageError
    from hierattn.evaluation.isic_form import read_isic_form
    from hierattn.evaluation.predictions import read_predictions

    run = make_run(tmp_path / "run", make_set(tmp_path / "prepared"))
    app = typer.Typer()
    app.command()(command)
    ask = [str(run), "--device", "cpu", "--bootstrap", "0", "--isic-form"]
    for year, said in (("2018", "no column for SCC"), ("2017", "wanted one of")):
        refused = CliRunner().invoke(app, [*ask, year])
        assert isinstance(refused.exception, UsageError)
        assert said in str(refused.exception)
        assert not (run / "evaluation").exists()
    shown = CliRunner().invoke(app, [*ask, "2019"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "isic_2019.csv" in shown.output
    form = read_isic_form(run / "evaluation" / "isic_2019.csv")
    own = read_predictions(run / "evaluation" / "predictions.csv", EIGHT)
    assert [f"images/{image}.png" for image in form.images] == list(own.images)


def test_the_threshold_is_told_with_what_it_misses_and_why_there_is_none():
    report, _ = made()
    test = report.triage.test
    (said,) = [line for line in _sentences(report) if line.startswith("Triage: ")]
    assert f"from a risk of {setting(report.triage.risk_threshold)} on" in said
    assert f"{test.missed} of {test.positives} missed" in said
    assert NO_THRESHOLD in _sentences(replace(report, triage=None))
    silent = _sentences(replace(report, taxonomy=own_classes(["rash", "spot"])))
    assert NO_REFERRAL in silent
    assert not [line for line in silent if "see a clinic" in line]


def test_a_gap_is_told_only_between_subgroups_that_can_be_compared():
    predictions = table(images=240, seed=2, classes=("BCC", "NV"))
    report, _ = made(classes=("BCC", "NV"))
    for men, told in ((120, True), (20, False)):
        cases = [Case(name, sex="male" if row < men else "female") for row, name in enumerate(predictions.images)]
        subgroups = by_subgroups(predictions, cases, resamples=100)
        lines = [
            line for line in _sentences(replace(report, subgroups=subgroups)) if "subgroup" in line or "gap" in line
        ]
        assert len(lines) == told, lines
        if told:
            assert subgroups.largest_gap.worst in lines[0]
            assert subgroups.largest_gap.best in lines[0]


def test_a_bundle_is_judged_by_one_command_and_its_card_lies_beside(tmp_path, monkeypatch):
    bare = replace(BUNDLE, image_spec=ImageSpec(size=32), triage=TriageSettings(group=BUNDLE.triage.group))
    bundle = write_small_bundle(tmp_path / "mine.onnx", bare)
    data = make_set(tmp_path / "prepared")
    monkeypatch.chdir(tmp_path)
    ask = ["evaluate", str(bundle), "--data", str(data), "--bootstrap", "0"]
    shown = CliRunner().invoke(whole, [*ask, "--taxonomy", "isic2018"], env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    assert "Next: hierattn card evaluation-mine-on-prepared-in-isic2018" in shown.output.replace("\n", "")
    assert "Triage: no threshold, because" not in shown.output  # it was never calibrated, which is said instead
    assert "The bundle was never calibrated" in shown.output
    plain = CliRunner().invoke(whole, [*ask, "--json", "--out", "here"])
    assert json.loads(plain.stdout) == json.loads(EvaluationFolder(tmp_path / "here").report.read_text())
    assert json.loads((data / "looks.json").read_text())["entries"][0]["command"] == "evaluate"
    made_card = CliRunner().invoke(whole, ["card", "here"])
    assert made_card.exit_code == 0, made_card.output
    assert "# Model card: mine" in (tmp_path / "here-MODEL_CARD.md").read_text()
    again = CliRunner().invoke(whole, [*ask, "--out", "here"])  # the card does not keep it from being replaced
    assert again.exit_code == 0, again.output
    assert ISIC2018.name in shown.output


def test_a_bundle_without_a_set_and_a_run_with_out_get_one_line_each(tmp_path):
    bundle = write_small_bundle(tmp_path / "mine.onnx", BUNDLE)
    (tmp_path / "run").mkdir()
    for words, kind, said in (
        ([str(bundle)], UsageError, "is a bundle: wanted the prepared set"),
        (["released:dermatoscopy", "--data", "x"], UsageError, "no released model is called 'dermatoscopy'"),
        ([str(tmp_path / "gone.onnx"), "--data", "x"], BundleError, "no bundle at"),
        ([str(tmp_path / "run"), "--out", "x"], UsageError, "--out with a run folder"),
        ([str(tmp_path / "gone")], UsageError, "no run folder at"),
    ):
        refused = CliRunner().invoke(whole, ["evaluate", *words])
        assert isinstance(refused.exception, kind), refused.output
        assert said in str(refused.exception)
