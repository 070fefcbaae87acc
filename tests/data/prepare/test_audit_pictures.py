"""The pictures for looking a preparation over."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from tiny_sets import isic_set

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """24 images of 12 lesions, two images each: three lesions of melanoma, nine naevi."""
    return isic_set(tmp_path / "isic", ["MEL"] * 6 + ["NV"] * 18, [f"L{number // 2}" for number in range(24)])


def test_audit_pictures_are_written_when_asked_for(source: Path, tmp_path: Path) -> None:
    folder = source / "ISIC_2019_Training_Input"
    with Image.open(folder / "ISIC_0000000.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(folder / "ISIC_0000020.jpg", quality=90)
    prepare(source, tmp_path / "out", PrepareOptions(size=64, folds=3, pictures=True))
    pictures = {path.name for path in (tmp_path / "out" / "pictures").iterdir()}
    assert pictures == {"cleaning.jpg", "near_duplicates.jpg"}  # nothing was cropped
    with Image.open(tmp_path / "out" / "pictures" / "cleaning.jpg") as sheet:
        assert sheet.width > 7 * 160
