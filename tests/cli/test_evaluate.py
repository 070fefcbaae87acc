"""The command evaluate: tables with intervals for people, the report alone for programs."""

import json
import re
from dataclasses import replace

from noise_runs import make_run, make_set
from prediction_tables import table
from reports import made
from typer.testing import CliRunner

from hierattn.cli.evaluate import _sentences
from hierattn.evaluation.cases import Case
from hierattn.evaluation.measures.subgroups import by_subgroups
from hierattn.evaluation.measures.thresholds import NO_THRESHOLD
from hierattn.shares import setting
from hierattn.taxonomy.built_in import EIGHT
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
