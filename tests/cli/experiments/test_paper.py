"""``hierattn paper``: says where its page is, and what it wants instead of a folder without results."""

import pytest
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.errors import UsageError


@pytest.mark.parametrize(("name", "said"), [("absent", "no folder at"), ("", "holds no comparison")])
def test_a_folder_that_no_script_has_filled_is_refused(tmp_path, name, said):
    done = CliRunner().invoke(app, ["paper", str(tmp_path / name)])
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)
    assert list(tmp_path.iterdir()) == []
