"""The command similar: what it prints, what it writes and only where it was asked to."""

import json
from dataclasses import replace

import pytest
from small_checkpoints import make_checkpoint

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.models.weights.checkpoint import save_checkpoint


@pytest.fixture(scope="module")
def packed(prepared):
    return PackedSet.open(prepared)


@pytest.fixture
def words(packed, tmp_path):
    """(a training photograph's row, the words of a call that asks for its neighbours)."""
    run = tmp_path / "run"
    run.mkdir()
    recipe = {"name": "small", "data": {"prepared": str(packed.folder), "fold": 1}}
    save_checkpoint(run / "best.safetensors", replace(make_checkpoint(), recipe=recipe))
    (run / "manifest.sha256").write_text(packed.manifest_sha256 + "\n")
    row = next(row for row, record in enumerate(packed.records) if record.fold == 0)
    photo = (packed.folder / packed.records[row].image).resolve()
    return row, ("similar", photo, "--data", packed.folder, "--model", run, "--cache", tmp_path / "cache")


def test_a_table_says_what_is_near_and_what_the_photograph_is_in_the_set(hierattn, packed, words, tmp_path):
    row, call = words
    done = hierattn(*call, "--count", 5)
    assert done.code == 0, done
    name = packed.records[row].image.rsplit("/")[-1]
    for said in ("distance", "Of 5 neighbours", f"The set holds this photograph: {name} (the same file", "no second"):
        assert said in done.out
    assert not list(tmp_path.glob("*.html"))


def test_json_has_the_table_and_the_page_lies_where_it_was_asked_for_and_replaces_nothing(
    hierattn, refused, packed, words, tmp_path
):
    _, call = words
    page = tmp_path / "page.html"
    told = json.loads(hierattn(*call, "--json", "--out", page).out)
    assert len(told["neighbours"]) == 12
    assert {one["fold"] for one in told["neighbours"]} == {0}
    assert told["page"] == str(page)
    assert page.read_text(encoding="utf-8").count("<figure>") == 13
    assert "replaces nothing" in refused(2, *call, "--out", page)


def test_every_part_searches_the_outer_fold_too(hierattn, words):
    _, call = words
    told = json.loads(hierattn(*call, "--json", "--every-part", "--count", 100).out)
    assert {one["fold"] for one in told["neighbours"]} == {0, 1, 2}


def test_a_set_that_is_none_and_a_model_that_is_none_have_their_line(refused, words, tmp_path):
    _, call = words
    assert "no prepared set at" in refused(1, *call[:2], "--data", tmp_path, *call[4:])
    assert "no checkpoint at" in refused(2, *call[:4], "--model", tmp_path / "gone", *call[6:])
