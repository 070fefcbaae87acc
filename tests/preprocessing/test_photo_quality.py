"""Photo quality: each fault is noticed on a spoilt copy, good photographs pass, and few real ones are turned away."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter
from tests.conftest import SHARED

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.preprocessing.photo_quality import MIN_PIGMENT, PROBLEMS, judge_photo, pigment, sharpness

HAM = SHARED / "data" / "isic2019-ham" / "ISIC_2019_Training_Input"
PAD = SHARED / "data" / "pad-ufes-20" / "images"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return render_lesion("MEL", np.random.default_rng(5), 256).image


def test_rendered_lesion_is_fit(photo):
    assert judge_photo(photo).problems == ()


def test_sharpness_is_the_variance_of_the_laplacian_by_hand():
    grey = np.random.default_rng(0).uniform(0, 255, (6, 7)).astype(np.float32)
    naive = [
        grey[y - 1, x] + grey[y + 1, x] + grey[y, x - 1] + grey[y, x + 1] - 4 * grey[y, x]
        for y in range(1, 5)
        for x in range(1, 6)
    ]
    assert sharpness(grey) == pytest.approx(np.var(naive), rel=1e-5)


def test_blur_is_noticed(photo):
    blurred = np.asarray(Image.fromarray(photo).filter(ImageFilter.GaussianBlur(6)))
    assert "blurred" in judge_photo(blurred).problems


def test_darkness_is_noticed(photo):
    assert "dark" in judge_photo((photo * 0.12).astype(np.uint8)).problems


def test_overexposure_is_noticed(photo):
    assert "bright" in judge_photo(np.minimum(255, photo.astype(int) + 150).astype(np.uint8)).problems


def test_glare_is_noticed(photo):
    spoilt = photo.copy()
    spoilt[60:160, 60:160] = 255
    assert "glare" in judge_photo(spoilt).problems


def test_thumbnail_is_too_small(photo):
    assert judge_photo(photo[:90, :120]).problems[:1] == ("small",)


def test_grey_photo_is_not_skin(photo):
    grey = np.repeat(np.asarray(Image.fromarray(photo).convert("L"))[:, :, None], 3, axis=2)
    assert judge_photo(grey).problems == ("colour",)


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 0, 2)], ids=["blue", "green"])
def test_blue_and_green_scenes_are_not_skin(photo, order):
    assert "colour" in judge_photo(np.ascontiguousarray(photo[:, :, order])).problems


def test_one_colour_has_nothing_to_show():
    assert "flat" in judge_photo(np.full((300, 300, 3), (200, 150, 130), np.uint8)).problems


def bare_skin(seed: int, size: int = 200) -> np.ndarray:
    """Skin tones under light that falls from one side, with the camera's noise: no spot."""
    generator = np.random.default_rng(seed)
    light = np.linspace(0.55, 1, size) ** generator.uniform(0.3, 2)
    tone = generator.uniform((170, 120, 100), (235, 180, 160))
    skin = tone * (light[:, None, None] if seed % 2 else light[None, :, None])
    return np.clip(skin + generator.normal(0, 3, (size, size, 3)), 0, 255).astype(np.uint8)


def test_skin_without_a_spot_is_flat_however_uneven_the_light():
    for seed in range(12):
        skin = bare_skin(seed)
        assert judge_photo(skin).values["spread"] > 10  # the light alone
        assert "flat" in judge_photo(skin).problems
        spot = skin.copy()
        spot[60:140, 60:140] = spot[60:140, 60:140] * [0.8, 0.6, 0.5]
        assert "flat" not in judge_photo(spot).problems


def test_pigment_is_blind_to_light_by_hand():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    density = -100 * np.log((image.astype(float) + 8) / 263)
    chroma = density - density.mean(2, keepdims=True)
    wanted = np.sqrt(sum(np.var(chroma[..., channel]) for channel in range(3)))
    assert pigment(image) == pytest.approx(wanted)
    grey = np.repeat(image[:, :, :1], 3, axis=2)
    assert pigment(grey) < 1e-9 < MIN_PIGMENT


def test_verdict_does_not_hang_on_the_resolution(photo):
    large = np.asarray(Image.fromarray(photo).resize((1500, 1500), Image.Resampling.BICUBIC))
    assert judge_photo(large).problems == judge_photo(photo).problems
    assert judge_photo(large).values["sharpness"] == pytest.approx(judge_photo(photo).values["sharpness"], rel=0.5)


def test_problems_are_said_in_one_order():
    quality = judge_photo(np.zeros((50, 50, 3), np.uint8))
    assert list(quality.problems) == [name for name in PROBLEMS if name in quality.problems]
    assert quality.to_dict()["ok"] is False


@pytest.mark.skipif(not SHARED.exists(), reason="the shared photographs are not beside this checkout")
@pytest.mark.parametrize(("folder", "most"), [(HAM, 0.02), (PAD, 0.05)], ids=["dermoscopy", "phone"])
def test_few_real_photographs_are_turned_away(folder, most):
    files = sorted(folder.glob("**/*.jpg"))[::41][:150]
    assert len(files) > 15
    unfit = [not judge_photo(np.asarray(Image.open(file).convert("RGB"))).ok for file in files]
    assert np.mean(unfit) <= most
