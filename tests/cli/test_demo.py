"""``hierattn demo``: what it refuses to replace, and what it asks the released model.

The whole demo runs in tests/house/test_docs.py.
"""

from __future__ import annotations

import pytest
from noise_runs import make_set
from small_bundles import list_sums, with_novelty

from hierattn.cli import demo
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.files import write_contents


@pytest.mark.parametrize("words", [[], ["--overwrite"]])
def test_a_folder_that_is_no_demo_is_refused_and_not_touched(refused, content, words, tmp_path):
    (tmp_path / "rendered").mkdir()
    (tmp_path / "rendered" / "mine.txt").write_text("keep")
    before = content(tmp_path)
    assert "holds rendered/mine.txt, which is not part of a demo" in refused(2, "demo", "--out", tmp_path, *words)
    assert content(tmp_path) == before


@pytest.mark.parametrize("added", ["notes.txt", "run/notes.txt", "rendered/mine.jpg"])
def test_an_earlier_demo_is_kept_unless_it_may_be_replaced_and_nobody_added_to_it(refused, content, added, tmp_path):
    (tmp_path / demo.DEMO.mark).touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "rendered").mkdir()
    (tmp_path / "lesions.onnx").write_text("an earlier bundle")
    write_contents(tmp_path, demo.DEMO)
    before = content(tmp_path)
    assert "holds an earlier demo" in refused(2, "demo", "--out", tmp_path)
    assert content(tmp_path) == before
    (tmp_path / added).write_text("keep")
    assert f"holds {added}, which is not part of a demo" in refused(2, "demo", "--out", tmp_path, "--overwrite")
    assert content(tmp_path) == {**before, added: b"keep"}
    (tmp_path / added).unlink()
    demo._make_room(tmp_path, overwrite=True)
    assert content(tmp_path) == {demo.DEMO.mark: b""}


def test_a_demo_that_was_stopped_may_be_replaced(content, tmp_path):
    (tmp_path / demo.DEMO.mark).touch()
    (tmp_path / ".rendered.part").mkdir()
    (tmp_path / ".rendered.part" / "1.jpg").touch()
    demo._make_room(tmp_path, overwrite=True)
    assert content(tmp_path) == {demo.DEMO.mark: b""}


def test_a_file_is_refused_as_a_folder(refused, tmp_path):
    (tmp_path / "file").write_text("keep")
    assert "is a file" in refused(2, "demo", "--out", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "keep"


def test_the_lesion_that_is_predicted_is_a_melanoma_of_the_fold_that_quicktest_holds_out(tmp_path):
    from hierattn.cli.run_options import load_recipe

    prepared = make_set(tmp_path / "prepared")
    path = demo._outer_photograph(prepared)
    record = next(each for each in PackedSet.open(prepared).records if (prepared / each.image).resolve() == path)
    assert (record.label, record.fold) == ("MEL", load_recipe("quicktest").data.fold)


def test_the_demo_ends_without_a_released_model_where_there_is_none(empty, photo, capsys):
    from rich.console import Console

    demo._ask_released(Console(), photo)
    assert "No model for dermoscopy came with this hierattn" in capsys.readouterr().out


@pytest.mark.parametrize(("value", "said"), [(3.0, "It noticed"), (0.5, "It did not notice")])
def test_the_demo_ends_with_the_released_model_and_what_it_misses(folder, photo, capsys, value, said):
    from rich.console import Console

    with_novelty(folder / "dermoscopy.onnx", value)
    list_sums(folder)
    demo._ask_released(Console(width=2000), photo)
    out = capsys.readouterr().out
    assert said in out
    assert "93.0 % of the dangerous" in out  # BUNDLE's own, of 250 photographs
    assert "On 250 photographs" in out
