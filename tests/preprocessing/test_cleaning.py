"""Cleaning: one order, one record, and the predictor cleans as training did."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.errors import UsageError
from hierattn.image_spec import ImageSpec
from hierattn.preprocessing.cleaning import clean, clean_changed, clean_cropped
from hierattn.preprocessing.colour_constancy import balance_colours
from hierattn.preprocessing.hair_removal import remove_hair

ALL = ImageSpec(size=64, crop="surround", colour_constancy="shades_of_grey", hair_removal=True)


@pytest.fixture(scope="module")
def framed() -> np.ndarray:
    """A rendered lesion in a black surround."""
    lesion = render_lesion("NV", np.random.default_rng(2), 200).image
    rows, columns = np.mgrid[:200, :200]
    return np.where((np.hypot(rows - 100, columns - 100) < 70)[:, :, None], lesion, 4).astype(np.uint8)


def test_the_order_is_crop_then_hairs_then_colours(framed: np.ndarray) -> None:
    cleaned, box = clean(framed, ALL)
    assert box is not None
    part = np.ascontiguousarray(framed[box.top : box.bottom, box.left : box.right])
    np.testing.assert_array_equal(cleaned, balance_colours(remove_hair(part), "shades_of_grey"))


def test_by_default_only_the_crop_is_done(framed: np.ndarray) -> None:
    cleaned, box = clean(framed, ImageSpec())
    assert box is not None
    np.testing.assert_array_equal(cleaned, framed[box.top : box.bottom, box.left : box.right])
    assert clean_cropped(cleaned, ImageSpec()) is cleaned


def test_old_records_read_on_and_new_ones_survive_the_round_trip() -> None:
    old = {"size": 64, "channels": 3, "mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear", "crop": "paper"}
    assert ImageSpec.from_dict(old) == ImageSpec(size=64, crop="paper")
    assert ImageSpec.from_dict(ALL.to_dict()) == ALL
    for wrong in ({"colour_constancy": "retinex"}, {"hair_removal": "yes"}):
        with pytest.raises(UsageError):
            ImageSpec(**wrong)  # type: ignore[arg-type]


def test_the_predictor_asks_the_graph_with_cleaned_pixels(framed: np.ndarray, tmp_path: Path) -> None:
    from small_bundles import write_small_bundle

    from hierattn.deploy.predict.predictor import Predictor

    write_small_bundle(tmp_path / "model.onnx")
    predictor = Predictor.load(tmp_path / "model.onnx")
    size = predictor.bundle.image_spec.size
    predictor.bundle = replace(predictor.bundle, image_spec=replace(ALL, size=size))
    wanted = replace(ALL, size=size).resize(clean(framed, ALL)[0])
    np.testing.assert_array_equal(predictor.prepare(framed).pixels, wanted)


def test_changed_images_are_cleaned_once_more_and_left_alone_where_nothing_cleans(framed: np.ndarray) -> None:
    images = np.stack([framed, framed // 2])
    assert clean_changed(images, ImageSpec(crop="paper")) is images
    for image, cleaned in zip(images, clean_changed(images, ALL), strict=True):
        np.testing.assert_array_equal(cleaned, clean_cropped(image, ALL))


def test_colour_constancy_needs_no_opencv() -> None:
    code = (
        "import sys, numpy as np; from hierattn.preprocessing.cleaning import clean\n"
        "from hierattn.image_spec import ImageSpec\n"
        "clean(np.full((60, 80, 3), 200, np.uint8), ImageSpec(colour_constancy='grey_world'))\n"
        "assert 'cv2' not in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
