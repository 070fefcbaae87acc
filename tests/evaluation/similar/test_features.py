"""Features of a set: those that the network gives, kept chunk by chunk, and never those of other weights or pixels."""

from dataclasses import replace

import numpy as np
import pytest

from hierattn.evaluation.embedding import embed
from hierattn.evaluation.similar import features as module
from hierattn.evaluation.similar.features import CACHE, features_of_rows
from hierattn.models.weights.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture
def chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 8)


def test_they_are_the_embedding_and_are_read_the_second_time(run, packed, tmp_path, chunks, monkeypatch):
    rows = np.arange(20)[::-1]
    made = features_of_rows(run, packed, rows, cache=tmp_path)
    np.testing.assert_allclose(made, embed(run, packed)[rows], rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(module, "open_weights", None)  # no network is opened any more
    np.testing.assert_array_equal(features_of_rows(run, packed, rows, cache=tmp_path), made)


def test_a_stopped_call_keeps_its_chunks_and_a_damaged_one_is_made_again(run, packed, tmp_path, chunks):
    def stop(step, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features_of_rows(run, packed, range(20), cache=tmp_path, progress=stop)
    (first,) = tmp_path.rglob("*.npy")
    before = first.stat().st_mtime_ns
    whole = features_of_rows(run, packed, range(20), cache=tmp_path)
    assert first.stat().st_mtime_ns == before
    assert len(list(tmp_path.rglob("*"))) == 1 + 3  # nothing half-written lies about
    first.write_bytes(first.read_bytes()[:100])
    np.testing.assert_allclose(features_of_rows(run, packed, range(20), cache=tmp_path), whole, rtol=1e-5, atol=1e-6)


def test_other_weights_other_pixels_and_other_rows_have_their_own(run, packed, tmp_path):
    other = tmp_path / "other.safetensors"
    checkpoint = load_checkpoint(run / "best.safetensors")
    save_checkpoint(other, replace(checkpoint, recipe={"name": "other"}))
    cache = tmp_path / "cache"
    features_of_rows(run, packed, range(3), cache=cache)
    features_of_rows(other, packed, range(3), cache=cache)
    features_of_rows(run, replace(packed, info={**packed.info, "images_sha256": "0"}), range(3), cache=cache)
    features_of_rows(run, packed, range(1, 4), cache=cache)
    assert len(list(cache.iterdir())) == 4


def test_they_lie_beside_the_set_where_no_place_is_named(run, packed, tmp_path):
    moved = replace(packed, folder=tmp_path / "set")
    features_of_rows(run, moved, range(2))
    assert (tmp_path / CACHE).is_dir()
    assert features_of_rows(run, moved, []).shape == (0, 0)
