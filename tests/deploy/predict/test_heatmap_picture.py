"""The heat map's picture: red for, blue against, the photograph where there is no evidence."""

from __future__ import annotations

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hierattn.deploy.predict.heatmap_picture import (
    AGAINST,
    FOR,
    LARGEST_SIDE,
    MARK,
    STRONGEST,
    is_overlay,
    overlay,
    write_overlay,
)

PHOTO = np.full((60, 90, 3), 128, np.uint8)


def test_the_strongest_evidence_gets_its_colour_and_none_leaves_the_photograph():
    picture = np.asarray(overlay(PHOTO, np.full((4, 4), 2.0)), np.float64)
    assert np.abs(picture - (128 * (1 - STRONGEST) + np.array(FOR) * STRONGEST)).max() <= 1
    picture = np.asarray(overlay(PHOTO, np.full((4, 4), -2.0)), np.float64)
    assert np.abs(picture - (128 * (1 - STRONGEST) + np.array(AGAINST) * STRONGEST)).max() <= 1
    assert (np.asarray(overlay(PHOTO, np.zeros((4, 4)))) == PHOTO).all()


def test_a_large_photograph_is_reduced_and_the_file_is_whole(tmp_path):
    photo = np.full((100, 2 * LARGEST_SIDE, 3), 128, np.uint8)
    write_overlay(tmp_path / "evidence.png", photo, np.eye(3))
    assert [path.name for path in tmp_path.iterdir()] == ["evidence.png"]
    with Image.open(tmp_path / "evidence.png") as picture:
        assert picture.size == (LARGEST_SIDE, 50)


def test_our_picture_is_known_until_somebody_draws_on_it(tmp_path):
    path = tmp_path / "evidence.png"
    write_overlay(path, PHOTO, np.eye(3))
    assert is_overlay(path)
    with Image.open(path) as picture:
        drawn, info = picture.copy(), PngInfo()
        info.add_text(MARK, picture.info[MARK])  # as a program keeps it that edits a picture
    drawn.putpixel((3, 3), (0, 0, 0))
    drawn.save(path, pnginfo=info)
    assert not is_overlay(path)
    Image.fromarray(PHOTO).save(path)
    assert not is_overlay(path)
