"""What is kept is whole and right, or it is not found."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hierattn.data.array_cache import ArrayCache, digest_of


def test_an_array_comes_back_and_a_damaged_or_other_one_does_not(tmp_path: Path) -> None:
    kept, values = ArrayCache(tmp_path / "work"), np.arange(12.0).reshape(4, 3)
    assert kept.load("a", 4) is None
    kept.save("a", values)
    np.testing.assert_array_equal(kept.load("a", 4), values)
    assert kept.load("a", 5) is None
    file = tmp_path / "work" / "a.npy"
    for damaged in (file.read_bytes()[:-1], b"", b"no array"):
        file.write_bytes(damaged)
        assert kept.load("a", 4) is None
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["a.npy"]


def test_without_a_folder_nothing_is_kept() -> None:
    kept = ArrayCache(None)
    kept.save("a", np.zeros(3))
    assert kept.load("a", 3) is None


def test_a_digest_tells_every_difference() -> None:
    values = np.arange(6, dtype=np.float32)
    digests = [
        digest_of("x", values),
        digest_of("y", values),
        digest_of("x", values.reshape(2, 3)),
        digest_of("x", values.astype(np.float64)),
        digest_of("x", values + 1),
        digest_of("x", values, ""),
        digest_of("x", np.array(["MEL", "NV"])),
        digest_of("x", np.array(["MELN", "V"])),
    ]
    assert len(set(digests)) == len(digests)
    assert digest_of(np.array(["MEL", "NV"])) == digest_of(np.array(["MEL", "NV"], dtype="<U9"))
