"""``hierattn render``: a set on disk, and where to look."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.rendered.rendered_set import IMAGES, SHEET


def test_the_command_renders_a_set_and_says_where_to_look(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["render", str(tmp_path / "set"), "--images", "16", "--size", "32"])
    assert done.exit_code == 0, done.output
    assert "16 images" in done.output
    assert len(list((tmp_path / "set" / IMAGES).iterdir())) == 16
    assert (tmp_path / "set" / SHEET).is_file()
