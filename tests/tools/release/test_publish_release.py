"""A release is made from committed recipes, and its table from the record."""

from __future__ import annotations

import json

import pytest
from tools.marked_text import marks
from tools.release.candidate import examine
from tools.release.publish_release import COMMAND, departures, main, table, write_page

from hierattn.deploy.predict.released import RELEASE


def test_a_run_is_held_to_the_recipe_that_its_command_names(run, tmp_path):
    stage = examine("phone", run).stages[-1]
    assert departures(run, stage) == []
    copy = tmp_path / "tiny"
    copy.mkdir()
    text = (run / "recipe.toml").read_text()
    (copy / "recipe.toml").write_text(text.replace("learning_rate = 0.002", "learning_rate = 0.004"))
    assert departures(copy, stage) == ["optimiser.learning_rate 0.004, the recipe has 0.002"]


def test_the_page_gets_the_table_of_the_record_and_keeps_its_other_words(released, tmp_path):
    models = {"phone": json.loads((released / RELEASE).read_text())["models"]["phone"]}
    begin, end = marks(COMMAND)
    page = tmp_path / "page.md"
    page.write_text(f"before {begin}{end} after")
    write_page(models, page)
    text = page.read_text()
    assert text.startswith("before ")
    assert text.endswith(" after")
    assert table(models).strip() in text
    assert f"{models['phone']['bytes'] / 1e6:.2f} MB" in text


def test_without_a_run_it_says_what_it_wants(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert (
        "wanted the run of a bundle: --dermoscopy RUN, --dermoscopy-large RUN, --phone RUN" in capsys.readouterr().err
    )
