"""Masks, brought to the packed images' frame."""

import numpy as np
from PIL import Image

from hierattn.data.prepared_set.packed import PackedSet
from hierattn.evaluation.measures.lesion_masks import MaskedSet


def test_masks_lie_on_the_packed_lesions(prepared):
    packed = PackedSet.open(prepared)
    masked = MaskedSet.of(packed)
    boxes = [masked.boxes[record.image] for record in packed.records]
    plain = boxes.index("")
    with Image.open(masked.path(plain)) as stored:
        expected = np.asarray(stored.resize((64, 64), Image.Resampling.BILINEAR)) >= 128
    assert np.array_equal(masked.mask(plain), expected)
    if any(boxes):  # a lesion that was cropped to fills more of the picture
        cropped = next(row for row, box in enumerate(boxes) if box)
        with Image.open(masked.path(cropped)) as stored:
            whole = (np.asarray(stored) >= 128).mean()
        assert masked.mask(cropped).mean() > whole
