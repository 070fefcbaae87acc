"""Hash tables find nearly all that comparing every pair finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hierattn.data.near_duplicates.fingerprints import TURNS, VIEWS, fingerprints, thumbnail, turned
from hierattn.data.near_duplicates.search import (
    LEAST_COSINE,
    find_candidates,
)
from hierattn.data.rendered.rendered_set import render_lesion


def test_hash_tables_find_nearly_all_that_comparing_every_pair_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    small = np.stack([thumbnail(render_lesion("NV", np.random.default_rng(k), 64).image) for k in range(60)])
    noisy = np.clip(small + generator.normal(0, 4, small.shape), 0, 255).astype(np.uint8)
    both = np.concatenate([small, noisy])
    prints = [fingerprints(both, view).astype(float) for view in VIEWS]
    wanted = set()
    for seen, number in itertools.product(prints, range(TURNS)):
        queries = turned(seen.astype(np.int8), number).astype(float)
        lengths = np.outer(np.linalg.norm(prints[0], axis=1), np.linalg.norm(queries, axis=1))
        cosines = prints[0] @ queries.T / lengths
        wanted |= {(min(i, j), max(i, j)) for i, j in np.argwhere(cosines >= LEAST_COSINE).tolist() if i != j}

    def candidates() -> set[tuple[int, int]]:
        return {(min(one.whole, one.part), max(one.whole, one.part)) for one in find_candidates(both)}

    assert len(wanted) >= 60
    assert candidates() == wanted  # a small set is compared pair by pair
    monkeypatch.setattr("hierattn.data.near_duplicates.hash_tables._ALL_PAIRS", 0)
    found = candidates()
    assert found <= wanted
    assert len(found) >= 0.95 * len(wanted)
