from __future__ import annotations

import numpy as np
import pytest

from hierattn.data.prepare.contact_sheet import contact_sheet
from hierattn.errors import UsageError


def _flat(value: int) -> np.ndarray:
    return np.full((20, 30, 3), value, np.uint8)


def test_images_lie_in_rows_in_their_order() -> None:
    sheet = contact_sheet([_flat(10), _flat(20), _flat(30)], columns=2, gap=3)
    assert sheet.shape == (2 * 23 + 3, 2 * 33 + 3, 3)
    assert (sheet[3:23, 3:33] == 10).all()
    assert (sheet[3:23, 36:66] == 20).all()
    assert (sheet[26:46, 3:33] == 30).all()
    assert (sheet[26:46, 36:66] == 255).all()


def test_captions_leave_the_images_as_they_are_and_stay_within_their_width() -> None:
    sheet = contact_sheet([_flat(10), _flat(20)], columns=2, captions=["a very long caption indeed", "b"], gap=3)
    assert (sheet[3:23, 3:33] == 10).all()
    assert (sheet[3:23, 36:66] == 20).all()
    below = sheet[23:]
    assert below[:, 3:33].min() < 128
    assert (below[:, 33:36] == 255).all()


@pytest.mark.parametrize(
    ("images", "columns", "captions", "line"),
    [
        ([], 2, None, "of 0 images"),
        ([_flat(1)], 0, None, "in 0 columns"),
        ([_flat(1), _flat(1)[:5]], 2, None, "wanted one shape"),
        ([_flat(1)], 1, ["a", "b"], "1 images with 2 captions"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(
    images: list[np.ndarray], columns: int, captions: list[str] | None, line: str
) -> None:
    with pytest.raises(UsageError, match=line):
        contact_sheet(images, columns, captions)
