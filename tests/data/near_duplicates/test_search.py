"""Near-duplicates: the same photograph is found whatever was done to it, and two lesions are not joined."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from tests.conftest import SHARED

from hierattn.data.near_duplicates.fingerprints import TURNS, turn
from hierattn.data.near_duplicates.search import (
    COMPARING,
    LEAST_LIKENESS,
    find_near_duplicates,
)
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.photograph import read_photograph
from hierattn.taxonomy.built_in import EIGHT

SPEC = ImageSpec(size=128)
COUNT = 32


@pytest.fixture(scope="module")
def lesions() -> list[np.ndarray]:
    """Rendered photographs of 32 lesions, four of each class."""
    return [render_lesion(EIGHT.codes[k % 8], np.random.default_rng(1000 + k), 192).image for k in range(COUNT)]


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=quality)
    return read_photograph(file.getvalue())


def half(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return np.asarray(Image.fromarray(image).resize((width // 2, height // 2), Image.Resampling.BOX))


def cropped(image: np.ndarray, share: float) -> np.ndarray:
    """A window of that share of each side, off the middle."""
    height, width = (round(share * side) for side in image.shape[:2])
    top, left = (image.shape[0] - height) // 3, 2 * (image.shape[1] - width) // 3
    return image[top : top + height, left : left + width]


def packed(images: list[np.ndarray]) -> np.ndarray:
    return np.stack([SPEC.resize(np.ascontiguousarray(image)) for image in images])


CHANGES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "half the size": (half, 0.97),
    "JPEG 50": (lambda image: jpeg(image, 50), 0.93),
    "mirrored": (lambda image: image[:, ::-1], 0.97),
    "turned": (lambda image: np.rot90(image), 0.97),
    "cropped by 5 %": (lambda image: cropped(image, 0.95), 0.9),
    "cropped by 10 %": (lambda image: cropped(image, 0.9), 0.8),
    "all of it": (lambda image: jpeg(half(np.rot90(cropped(image, 0.95))[::-1]), 70), 0.8),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_no_two_lesions_are_joined(lesions: list[np.ndarray], change: str) -> None:
    alter, least = CHANGES[change]
    pairs = find_near_duplicates(packed([*lesions, *(alter(image) for image in lesions)]), jobs=2)
    found = [pair for pair in pairs if pair.other == pair.one + COUNT]
    assert [pair for pair in pairs if pair.other != pair.one + COUNT] == []
    assert len(found) >= least * COUNT
    assert all(LEAST_LIKENESS <= pair.likeness <= 1.0 for pair in pairs)


@pytest.mark.parametrize("number", range(TURNS))
def test_the_turn_that_is_told_lays_the_other_as_the_one_lies(lesions: list[np.ndarray], number: int) -> None:
    one = packed(lesions[:3])
    for images in (np.concatenate([one, [turn(one[1], number)]]), np.concatenate([[turn(one[1], number)], one])):
        (pair,) = find_near_duplicates(images)
        np.testing.assert_array_equal(turn(images[pair.other], pair.turn), images[pair.one])


def test_the_same_pairs_with_any_number_of_threads(lesions: list[np.ndarray]) -> None:
    images = packed([*lesions[:12], *(half(image) for image in lesions[:12])])
    assert find_near_duplicates(images, jobs=1) == find_near_duplicates(images, jobs=3)


def test_nothing_is_found_among_few_blank_or_noisy_images() -> None:
    assert find_near_duplicates(np.zeros((0, 64, 64, 3), np.uint8)) == []
    blank = np.full((5, 64, 64, 3), 200, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64, 3), dtype=np.uint8)
    assert find_near_duplicates(blank) == []
    assert find_near_duplicates(noise) == []


def test_progress_reaches_its_end(lesions: list[np.ndarray]) -> None:
    seen: list[tuple[str, int, int | None]] = []
    find_near_duplicates(packed([lesions[0], lesions[0]]), progress=lambda *done: seen.append(done))
    assert seen[-1] == (COMPARING, 1, 1)


def test_the_same_skin_under_the_same_black_rim_is_needed_not_the_rim_alone() -> None:
    rows, columns = np.mgrid[:128, :128]
    inside = (np.hypot(rows - 64, columns - 64) < 60)[:, :, None]
    images = []
    for seed in range(6):
        skin = render_lesion("NV", np.random.default_rng(seed), 128).image
        images.append(np.where(inside, skin, 3).astype(np.uint8))
    assert find_near_duplicates(np.stack(images)) == []


# --- fingerprints and hash tables -------------------------------------------------------------------------------


# --- real photographs -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real photographs in ../shared")
@pytest.mark.parametrize("folder", ["pad-ufes-20/images", "isic2019-ham/ISIC_2019_Training_Input"])
def test_copies_of_real_photographs_are_found_and_no_patients_or_lesions_joined(folder: str) -> None:
    paths = sorted((SHARED / "data" / folder).glob("*.jpg"))
    chosen = [read_photograph(path) for path in paths[:: len(paths) // 40][:40]]
    copies = [jpeg(half(turn(cropped(image, 0.95), k % TURNS)), 75) for k, image in enumerate(chosen)]
    pairs = find_near_duplicates(packed([*chosen, *copies]), jobs=2)
    assert [pair for pair in pairs if pair.other % 40 != pair.one % 40] == []
    assert len(pairs) >= 34


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real photographs in ../shared")
@pytest.mark.parametrize(("one", "other"), [("ISIC_0027027", "ISIC_0029036"), ("ISIC_0034228", "ISIC_0034248")])
def test_one_photograph_under_two_lesion_ids_of_ham10000_is_found(one: str, other: str) -> None:
    folder = SHARED / "data" / "isic2019-ham" / "ISIC_2019_Training_Input"
    images = packed([read_photograph(folder / f"{name}.jpg") for name in (one, other, "ISIC_0024306")])
    assert [(pair.one, pair.other) for pair in find_near_duplicates(images)] == [(0, 1)]
