"""The command evaluate: tables with intervals for people, the report alone for programs."""

import json
import re

from noise_runs import make_run, make_set
from typer.testing import CliRunner


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
