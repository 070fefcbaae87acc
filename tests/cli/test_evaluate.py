"""The command evaluate: tables with intervals for people, the report alone for programs."""

import json
import re

from noise_runs import make_run, make_set
from typer.testing import CliRunner

from hierattn.taxonomy.built_in import EIGHT


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
