"""The command card: it counts what files answer, whole or in part."""

import json

from reports import made
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.evaluation.pages.checklists import CHECKLISTS, checklists


def test_the_command_counts_what_is_filled_and_what_in_part(tmp_path):
    report = made()[0]
    report.save(tmp_path / "evaluation" / "report.json")
    said = CliRunner().invoke(app, ["card", str(tmp_path)]).output
    items = [item for name in CHECKLISTS for item in checklists(report)[name]]
    whole = sum(item["answer"] is not None and not item["open"] for item in items)
    partly = sum(item["answer"] is not None and item["open"] != "" for item in items)
    assert f"{whole} of 73 checklist items filled in and {partly} in part" in " ".join(said.split())
    plain = CliRunner().invoke(app, ["card", str(tmp_path), "--json"])
    assert json.loads(plain.stdout) == checklists(report)
