"""Photographs that a network sees alike become candidates: near-linear, bounded, and never joined without proof."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from tests.conftest import SHARED

from hierattn.data.near_duplicates import embedding_candidates
from hierattn.data.near_duplicates.comparison_picture import comparison_picture
from hierattn.data.near_duplicates.embedding_candidates import COLUMNS, LEAST_COSINE, directions_of, embedding_pairs
from hierattn.data.near_duplicates.fingerprints import thumbnail, turn
from hierattn.data.near_duplicates.search import best_views, find_near_duplicates
from hierattn.data.prepare.options import Embedding, PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.packed import INFO, NEAR_DUPLICATES, PackedSet
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.errors import DataError, UsageError
from hierattn.taxonomy.built_in import EIGHT

FOLDED = SHARED / "weights" / "mobilenet_v2_imagenet_folded_torchvision_names.npz"


def vectors(count: int, copies: int, seed: int = 0) -> np.ndarray:
    """Skewed vectors with a large common part, as embeddings are; the last ``copies`` are like the first ones."""
    generator = np.random.default_rng(seed)
    scale = generator.uniform(0.05, 3, 160)
    plain = 5 + scale * generator.normal(size=(count, 160))
    near = plain[:copies] + 0.25 * scale * generator.normal(size=(copies, 160))
    return np.concatenate([plain, near]).astype(np.float32)


def test_the_pairs_are_the_nearest_after_scikit_learns_whitening() -> None:
    embeddings = vectors(300, 40)
    white = PCA(340 // 6, whiten=True, svd_solver="full").fit_transform(embeddings.astype(np.float64))
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    nearest = NearestNeighbors(n_neighbors=6, metric="cosine").fit(white)
    distances, rows = nearest.kneighbors(white)
    wanted = {
        (min(one, int(other)), max(one, int(other)))
        for one in range(len(white))
        for distance, other in zip(distances[one, 1:], rows[one, 1:], strict=True)
        if 1 - distance >= LEAST_COSINE
    }
    found = set(embedding_pairs(embeddings))
    assert {(k, k + 300) for k in range(40)} <= found
    assert len(found ^ wanted) <= 0.01 * len(wanted)  # ties and the last bits


def test_cells_find_nearly_all_of_them_and_memory_does_not_grow_with_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = vectors(3000, 200, seed=1)
    everyone = set(embedding_pairs(embeddings))
    monkeypatch.setattr(embedding_candidates, "_COMPARED", 0)
    monkeypatch.setattr(embedding_candidates, "_AT_ONCE", 100)
    in_cells = set(embedding_pairs(embeddings))
    copies = {(k, k + 3000) for k in range(200)}
    assert copies <= everyone
    assert len(copies & in_cells) >= 196
    assert len(in_cells) <= 5 * len(embeddings)


def test_whitening_leaves_small_sets_something_to_tell_copies_by() -> None:
    assert [directions_of(images) for images in (2, 16, 60, 600, 768, 10**6)] == [1, 8, 16, 100, COLUMNS, COLUMNS]
    embeddings = vectors(12, 4, seed=2)
    assert {(k, k + 12) for k in range(4)} <= set(embedding_pairs(embeddings))
    assert len(embedding_pairs(embeddings, 1)) <= 16


def test_none_one_and_equal_embeddings_and_those_that_are_no_numbers() -> None:
    assert embedding_pairs(np.zeros((0, 8), np.float32)) == []
    assert embedding_pairs(np.ones((1, 8), np.float32)) == []
    assert embedding_pairs(np.ones((3, 8), np.float32)) == []  # nothing tells them apart or alike
    with pytest.raises(DataError, match="nan or infinity"):
        embedding_pairs(np.array([[1.0, np.nan], [0, 1]], np.float32))


def pictures(count: int) -> list[np.ndarray]:
    return [render_lesion(EIGHT.codes[k % 8], np.random.default_rng(500 + k), 192).image for k in range(count)]


def test_a_pair_is_looked_at_under_the_view_and_turn_that_fit() -> None:
    lesions = pictures(6)
    window = np.ascontiguousarray(turn(lesions[2][:134, 58:], 5))  # 70 %, the upper right, turned
    seen = np.stack([comparison_picture(image) for image in [*lesions, window]])
    (candidate,) = best_views([(2, 6)], np.stack([thumbnail(image) for image in seen]))
    assert (candidate.whole, candidate.part) == (6, 2)
    assert (candidate.view.side, candidate.view.top, candidate.turn) == (0.7, 0.0, 5)
    assert candidate.view.left == pytest.approx(0.3)


def test_a_network_gives_candidates_and_the_pixels_decide() -> None:
    lesions = pictures(8)
    cut = [np.ascontiguousarray(image[38:, 38:]) for image in lesions[:4]]  # 80 %: more than the fingerprints allow
    seen = np.stack([comparison_picture(image) for image in [*lesions, *cut]])
    generator = np.random.default_rng(0)
    told = generator.normal(size=(12, 40)).astype(np.float32)
    told[8:] = told[:4]  # it knows the copies again
    told[7] = told[6]  # and takes two lesions for one
    pairs = {(pair.one, pair.other) for pair in find_near_duplicates(seen, embeddings=told)}
    plain = {(pair.one, pair.other) for pair in find_near_duplicates(seen)}
    assert (6, 7) in embedding_pairs(told)
    assert (6, 7) not in pairs
    assert plain <= pairs <= {(k, k + 8) for k in range(4)}
    assert len(pairs) > len(plain)
    assert len(pairs) >= 3


def test_prepare_records_whose_eyes_it_had(tmp_path: Path) -> None:
    for number, lesion in enumerate(pictures(16)):
        folder = tmp_path / "set" / ("MEL" if number % 2 else "NV")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(lesion).save(folder / f"{number}.png")
    seen: list[tuple[int, ...]] = []

    def embed(images: np.ndarray) -> np.ndarray:
        seen.append(images.shape)
        return images.reshape(len(images), -1)[:, ::50].astype(np.float32)

    one = Embedding("ab" * 32, embed)
    report = prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(size=32, folds=3, embedding=one))
    assert seen == [(16, 128, 128)]
    assert report.embedding_sha256 == PackedSet.open(tmp_path / "out").info["embedding_sha256"] == "ab" * 32
    again = prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(size=32, folds=3, embedding=one))
    assert "nothing was done" in again.notes[-1]
    with pytest.raises(UsageError, match="another embedding"):
        prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(size=32, folds=3))
    with pytest.raises(UsageError, match="wanted them looked for"):
        prepare(
            tmp_path / "set", tmp_path / "no", PrepareOptions(size=32, folds=3, embedding=one, near_duplicates=False)
        )


@pytest.mark.skipif(not FOLDED.exists(), reason="needs MobileNetV2's weights in ../shared")
def test_the_command_finds_larger_crops_with_mobilenets_eyes(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from hierattn.cli.main import app

    for number, lesion in enumerate(pictures(12)):
        folder = tmp_path / "set" / ("MEL" if number % 2 else "NV")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(lesion).save(folder / f"{number}.png")
        if number < 4:
            Image.fromarray(lesion[38:, :154]).save(folder / f"{number}-cut.png")
    base = ["prepare", str(tmp_path / "set"), "--size", "32", "--folds", "3"]
    found = []
    for name, more in (("plain", []), ("seen", ["--embedding", str(FOLDED)])):
        done = CliRunner().invoke(app, [*base[:2], str(tmp_path / name), *base[2:], *more])
        assert done.exit_code == 0, done.output
        lines = (tmp_path / name / NEAR_DUPLICATES).read_text().splitlines()[1:]
        found.append({tuple(sorted(Path(part).stem for part in line.split(",")[:2])) for line in lines})
    assert found[0] <= found[1] <= {(str(k), f"{k}-cut") for k in range(4)}
    assert len(found[1]) >= 3
    assert '"embedding_sha256": ""' not in (tmp_path / "seen" / INFO).read_text()
