"""§3.2.1: crop the black surround where there is one, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import SHARED

from hierattn.errors import UsageError
from hierattn.preprocessing.adaptive_crop import (
    Box,
    crop,
    find_brightest_region,
    find_crop,
    find_surround,
    has_dark_surround,
)
from hierattn.preprocessing.photograph import read_photograph

SKIN, DARK = (210, 170, 150), (6, 5, 7)


def disc(height: int, width: int, centre: tuple[float, float], radius: float) -> np.ndarray:
    """Bright skin inside a circle (row, column), a black surround outside."""
    rows, columns = np.mgrid[:height, :width]
    inside = np.hypot(rows - centre[0], columns - centre[1]) <= radius
    return np.where(inside[:, :, None], SKIN, DARK).astype(np.uint8)


def spot(image: np.ndarray, centre: tuple[float, float], radius: float, colour: tuple[int, int, int]) -> np.ndarray:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.where((np.hypot(rows - centre[0], columns - centre[1]) <= radius)[:, :, None], colour, image).astype(
        np.uint8
    )


def assert_box(box: Box | None, wanted: tuple[float, float, float, float], within: float) -> None:
    assert box is not None
    assert np.abs(np.subtract((box.left, box.top, box.right, box.bottom), wanted)).max() <= within


@pytest.mark.parametrize("scale", [1, 2, 5])
@pytest.mark.parametrize(("centre", "radius"), [((100, 120), 70), ((90, 140), 60), ((100, 100), 40)])
def test_a_disc_is_cropped_to_its_box_at_any_resolution(centre: tuple[int, int], radius: int, scale: int) -> None:
    image = disc(200 * scale, 240 * scale, (centre[0] * scale, centre[1] * scale), radius * scale)
    left, top = (centre[1] - radius) * scale, (centre[0] - radius) * scale
    wanted = (left, top, left + 2 * radius * scale, top + 2 * radius * scale)
    # One pixel of the small copy that the box is found on.
    assert_box(find_surround(image), wanted, within=1.5 * max(1, 240 * scale / 256))


def test_a_disc_cut_off_by_the_frame_loses_its_dark_sides_only() -> None:
    image = disc(150, 300, (75, 150), 100)
    assert_box(find_surround(image), (50, 0, 250, 150), within=3)


def test_a_large_dark_lesion_inside_the_field_changes_nothing() -> None:
    plain = disc(200, 240, (100, 120), 80)
    assert find_surround(spot(plain, (100, 120), 60, (40, 25, 25))) == find_surround(plain)


def test_hairs_across_the_field_change_nothing() -> None:
    plain = disc(200, 240, (100, 120), 80)
    hairy = plain.copy()
    for column in range(50, 190, 20):
        hairy[:, column : column + 2] = (30, 25, 20)
    box, wanted = find_surround(hairy), find_surround(plain)
    assert wanted is not None
    assert_box(box, (wanted.left, wanted.top, wanted.right, wanted.bottom), within=3)


@pytest.mark.parametrize(
    "image",
    [
        np.full((100, 150, 3), 200, np.uint8),
        np.full((100, 150, 3), 20, np.uint8),
        spot(np.full((100, 150, 3), 200, np.uint8), (50, 75), 30, (40, 20, 20)),
        np.random.default_rng(0).integers(0, 256, (100, 150, 3), dtype=np.uint8),
    ],
    ids=["skin", "dark skin", "lesion on skin", "noise"],
)
def test_without_a_surround_nothing_is_cropped(image: np.ndarray) -> None:
    assert not has_dark_surround(image)
    assert find_surround(image) is None


def test_a_limb_in_a_dark_room_is_no_round_field() -> None:
    image = np.full((150, 200, 3), DARK, np.uint8)
    image[:, 50:140] = SKIN
    assert has_dark_surround(image)
    assert find_surround(image) is None


def test_a_field_of_over_nine_tenths_and_a_speck_under_a_hundredth_stay() -> None:
    assert find_surround(disc(150, 150, (75, 75), 88)) is None  # 97 %
    assert find_surround(disc(400, 400, (200, 200), 19)) is None  # 0.7 %


def test_a_field_of_another_shape_stays() -> None:
    image = np.full((200, 300, 3), DARK, np.uint8)
    rows, columns = np.mgrid[:200, :300]
    image[np.abs(rows - 100) + np.abs(columns - 150) < 90] = SKIN  # a diamond fills half its box
    assert find_surround(image) is None
    strip = np.full((200, 300, 3), DARK, np.uint8)
    strip[80:120, 30:270] = SKIN  # six times as long as wide
    assert find_surround(strip) is None
    assert find_brightest_region(strip) is None


def test_the_papers_rule_crops_to_bright_skin_where_there_is_no_surround() -> None:
    """Why it is not the default: half of this image, and what is on it, would be cut away."""
    image = np.full((100, 150, 3), (190, 130, 110), np.uint8)
    image[:, :70] = (120, 70, 60)
    assert_box(find_brightest_region(image), (70, 0, 150, 100), within=2)
    assert find_surround(image) is None


def test_both_rules_agree_on_a_clear_disc() -> None:
    image = disc(200, 240, (100, 120), 70)
    assert find_surround(image) == find_brightest_region(image)


def test_nothing_is_found_where_the_cheap_check_sees_nothing() -> None:
    """The light install relies on it: no OpenCV without a dark surround."""
    generator = np.random.default_rng(1)
    seen = 0
    for _ in range(60):
        image = disc(90, 120, generator.uniform(30, 60, 2), generator.uniform(20, 90))
        image = np.clip(image + generator.integers(0, 60), 0, 255).astype(np.uint8)
        seen += has_dark_surround(image)
        assert has_dark_surround(image) or find_surround(image) is None
    assert 0 < seen < 60


def test_the_cheap_check_imports_no_opencv() -> None:
    code = (
        "import sys, numpy as np; from hierattn.preprocessing.adaptive_crop import has_dark_surround, find_surround\n"
        "image = np.full((90, 120, 3), 200, np.uint8)\n"
        "assert not has_dark_surround(image) and find_surround(image) is None\n"
        "assert 'cv2' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_crop_is_a_view_and_no_box_is_no_crop() -> None:
    image = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert crop(image, None) is image
    np.testing.assert_array_equal(crop(image, Box(2, 1, 5, 6)), image[1:6, 2:5])


def test_the_rules_have_names_and_others_are_refused() -> None:
    image = disc(200, 240, (100, 120), 70)
    assert find_crop(image) == find_surround(image)
    assert find_crop(image, "paper") == find_brightest_region(image)
    assert find_crop(image, "none") is None
    with pytest.raises(UsageError, match="surround, paper, none"):
        find_crop(image, "circle")  # type: ignore[arg-type]


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real photographs in ../shared")
def test_the_real_circle_is_cropped_to_its_rim() -> None:
    """The rim was measured by hand on the photograph: about 108 to 892 across and 118 to 908 down, of 1024."""
    path = next((SHARED / "data" / "circle").glob("*.jpg"))
    assert_box(find_surround(read_photograph(path)), (108, 118, 892, 908), within=12)


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="needs the real photographs in ../shared")
def test_phone_photographs_have_no_surround() -> None:
    paths = sorted((SHARED / "data" / "pad-ufes-20" / "images").glob("*.jpg"))[::20]
    assert len(paths) > 30
    assert [Path(path).name for path in paths if find_surround(np.asarray(Image.open(path).convert("RGB")))] == []
