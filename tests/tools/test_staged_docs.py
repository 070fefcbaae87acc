"""What MkDocs' hooks do is done beforehand: links lead between pages, and the settings name no hook."""

from __future__ import annotations

import pytest
import yaml
from tools.staged_docs import stage

from hierattn.errors import HierAttnError


def test_pages_from_outside_docs_are_there_and_a_folder_that_is_there_is_left_alone(tmp_path):
    out = tmp_path / "staged"
    pages = stage(out)
    found = {path.relative_to(out / "docs").as_posix(): path for path in (out / "docs").rglob("*.md")}
    assert len(found) == pages
    assert {"changelog.md", "results/index.md", "notebooks/a_row_of_table_1.md"} <= set(found)
    assert "](results/index.md)" in found["released-models.md"].read_text(encoding="utf-8")
    assert "<!-- commands -->" not in found["reference/commands.md"].read_text(encoding="utf-8")
    assert not list((out / "docs").rglob("*.py"))
    settings = yaml.safe_load((out / "mkdocs.yml").read_text(encoding="utf-8"))
    assert "hooks" not in settings
    (out / "docs" / "index.md").write_text("mine")
    with pytest.raises(HierAttnError):
        stage(out)
    assert (out / "docs" / "index.md").read_text() == "mine"
